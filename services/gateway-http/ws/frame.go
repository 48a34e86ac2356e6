package ws

import (
	"encoding/binary"

	"github.com/valyala/fastjson"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/strictjson"
)

// The opcodes of RFC 6455 section 5.2 that we send.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

var pingFrame = appendFrame(nil, opPing, nil)

// maxHeader is the longest frame header of a server, which masks nothing.
const maxHeader = 10

// appendFrame appends a whole unfragmented frame.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	return append(appendHeader(dst, op, len(payload)), payload...)
}

func appendHeader(dst []byte, op byte, n int) []byte {
	dst = append(dst, 0x80|op)
	switch {
	case n < 126:
		return append(dst, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// frame is a received message. It lives until release.
type frame struct {
	doc   *strictjson.Doc
	obj   *fastjson.Object
	kind  string // type; "" for a bare request
	reqID []byte // JSON text, nil if absent
}

// maxReqID bounds a reqId in bytes of JSON text.
const maxReqID = 130

// parseFrame reads a message. Errors: PARSE_ERROR, INVALID_REQUEST; the frame is
// then nil, or has nothing but reqID.
func parseFrame(msg []byte) (*frame, error) {
	doc, err := strictjson.Parse(msg)
	if err != nil {
		return nil, err
	}
	f := &frame{doc: doc}
	if f.obj, err = doc.Root.Object(); err != nil {
		doc.Release()
		return nil, fault.New(fault.InvalidRequest, "a message must be a JSON object")
	}
	if v := f.obj.Get("reqId"); v != nil {
		if t := v.Type(); t != fastjson.TypeString && t != fastjson.TypeNumber && t != fastjson.TypeNull {
			doc.Release()
			return nil, fault.New(fault.InvalidRequest, "reqId must be a string or a number")
		}
		f.reqID = strictjson.Compact(nil, v)
		if len(f.reqID) > maxReqID {
			doc.Release()
			return nil, fault.New(fault.InvalidRequest, "reqId must have at most 128 characters")
		}
	}
	if v := f.obj.Get("type"); v != nil {
		f.kind = f.text("type")
		if f.kind == "" {
			doc.Release()
			return &frame{reqID: f.reqID}, fault.New(fault.InvalidRequest, "type must be auth, subscribe, unsubscribe or ping; a request has op instead")
		}
	}
	return f, nil
}

func (f *frame) release() {
	if f.doc != nil {
		f.doc.Release()
		f.doc = nil
	}
}

// text returns a copy of a string member; "" if it is absent or no string.
func (f *frame) text(name string) string {
	v := f.obj.Get(name)
	if v == nil || v.Type() != fastjson.TypeString {
		return ""
	}
	b, _ := v.StringBytes()
	return string(b)
}

// member is text for a member whose absence means something: one of another type is
// refused, since what it would have asked for would be passed over.
// Errors: INVALID_REQUEST.
func (f *frame) member(name string) (string, error) {
	if v := f.obj.Get(name); v != nil && v.Type() != fastjson.TypeString && v.Type() != fastjson.TypeNull {
		return "", fault.New(fault.InvalidRequest, "%s must be a text", name)
	}
	return f.text(name), nil
}

func (f *frame) credential() access.Credential {
	var c access.Credential
	for _, name := range [...]string{"apiKey", "apikey", "key"} {
		if c.Key == "" {
			c.Key = f.text(name)
		}
	}
	switch {
	case c.Key != "":
	case f.text("ticket") != "":
		c.Ticket = f.text("ticket")
	default:
		c.Bearer = f.text("token")
	}
	return c
}
