package fault

import (
	"encoding/json"
	"strconv"
)

// AppendJSON appends the error object of an error reply,
// {"code":…,"message":…,"details":…}, details only where there are some.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendQuote(dst, string(e.Code))
	dst = append(dst, `,"message":`...)
	dst = appendText(dst, e.Message)
	if e.Details != nil {
		if b, err := json.Marshal(e.Details); err == nil {
			dst = append(append(dst, `,"details":`...), b...)
		}
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

func appendText(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, b...)
}
