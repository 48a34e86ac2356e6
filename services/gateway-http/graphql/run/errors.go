package run

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/services/gateway-http/graphql/plan"
)

// appendError appends one error of a response (specification, section 7.1.2):
// extensions have the fault's code, its details and, where a repetition makes
// sense, the seconds until then.
func appendError(dst []byte, e *fault.Error, at []plan.Pos, path []step) []byte {
	dst = schema.AppendString(append(dst, `{"message":`...), e.Message)
	n := 0
	for _, p := range at {
		if p.Line == 0 {
			continue
		}
		if n++; n == 1 {
			dst = append(dst, `,"locations":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"line":`...), int64(p.Line), 10)
		dst = strconv.AppendInt(append(dst, `,"column":`...), int64(p.Column), 10)
		dst = append(dst, '}')
	}
	if n > 0 {
		dst = append(dst, ']')
	}
	for i, p := range path {
		if i == 0 {
			dst = append(dst, `,"path":[`...)
		} else {
			dst = append(dst, ',')
		}
		if p.name != "" {
			dst = schema.AppendString(dst, p.name)
		} else {
			dst = strconv.AppendInt(dst, int64(p.index), 10)
		}
	}
	if len(path) > 0 {
		dst = append(dst, ']')
	}
	dst = schema.AppendString(append(dst, `,"extensions":{"code":`...), string(e.Code))
	if e.Details != nil {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(e.Details) == nil {
			dst = append(append(dst, `,"details":`...), bytes.TrimSpace(b.Bytes())...)
		}
	}
	if wait := e.RetrySeconds(); wait > 0 {
		dst = strconv.AppendInt(append(dst, `,"retryAfter":`...), wait, 10)
	}
	return append(dst, '}', '}')
}

// appendErrors appends a response of errors alone, which has no data: nothing
// was carried out.
func appendErrors(dst []byte, list ...*fault.Error) []byte {
	dst = append(dst, `{"errors":[`...)
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendError(dst, e, nil, nil)
	}
	return append(dst, ']', '}')
}

// Refuse appends the response to a request that is not carried out.
func Refuse(dst []byte, err error) []byte { return appendErrors(dst, fault.From(err)) }

// Problems appends the response to a document that does not compile.
func Problems(dst []byte, list []plan.Problem) []byte {
	dst = append(dst, `{"errors":`...)
	return append(AppendProblems(dst, list), '}')
}

// AppendProblems appends the list of errors alone.
func AppendProblems(dst []byte, list []plan.Problem) []byte {
	dst = append(dst, '[')
	for i, p := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendError(dst, fault.New(p.Code, "%s", p.Message), p.At, nil)
	}
	return append(dst, ']')
}
