package fault

import (
	"bytes"
	"encoding/json"
)

// AppendJSON appends the error object of an error reply,
// {"code":…,"message":…,"details":…}, details only where there are some.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = appendAny(dst, e.Code)
	dst = append(dst, `,"message":`...)
	dst = appendAny(dst, e.Message)
	if e.Details != nil {
		dst = append(dst, `,"details":`...)
		dst = appendAny(dst, e.Details)
	}
	return append(dst, '}')
}

// AppendReply appends the whole body of an error reply,
// {"status":"error","error":{…}}: on REST and on NATS alike.
func (e *Error) AppendReply(dst []byte) []byte {
	dst = append(dst, `{"status":"error","error":`...)
	dst = e.AppendJSON(dst)
	return append(dst, '}')
}

// ParseReply reads a body that AppendReply wrote. A body of another form gives
// an INTERNAL error, so that a caller always has a code.
func ParseReply(body []byte) *Error {
	var r struct {
		Error struct {
			Code    Code   `json:"code"`
			Message string `json:"message"`
			Details any    `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &r); err != nil || r.Error.Code == "" {
		return Wrap(err, Internal, "the reply could not be understood")
	}
	return &Error{Code: r.Error.Code, Message: r.Error.Message, Details: r.Error.Details}
}

// appendAny is json.Marshal without the escapes that only HTML needs, so that a
// message reads the same on every transport. What cannot be encoded is null.
func appendAny(dst []byte, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return append(dst, "null"...)
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
