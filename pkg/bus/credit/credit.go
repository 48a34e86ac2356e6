// Package credit carries a reply that is too large for one message: chunks of
// 256 to 512 KB flow from a sender to the inbox of a receiver, never more than
// the receiver has given credit for, so that memory on both sides stays flat
// whatever the result's size.
//
// On the wire, all to the reply subject of the request:
//
//	start   headers only, Octo-Part: start; its Reply is where credit goes
//	chunk   data without headers; Reply as above
//	beat    headers only, Octo-Part: beat: nothing else was sent for a second
//	end     headers only, Octo-Part: end; after a failure with micro's two
//	        error headers and Octo-Fault, the error object
//	        then one truly empty message, which ends the response for the server
//
// and from the receiver to the credit subject: a number of further chunks, or
// "cancel". The sender begins with Initial chunks and never counts more than Cap.
package credit

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/octomesh/octomesh/pkg/fault"
)

// The limits of a stream.
const (
	Initial  = 8         // chunks that may be sent before any credit came
	Cap      = 32        // chunks that a sender ever counts as credit
	MinChunk = 256 << 10 // smaller ones are put together
	MaxChunk = 512 << 10 // larger ones are cut
)

// The header that marks what is no chunk, its values, and the header of an
// error object.
const (
	PartHeader  = "Octo-Part"
	Working     = "working" // before a reply or a stream: the worker is at it
	Start       = "start"
	Beat        = "beat"
	End         = "end"
	FaultHeader = "Octo-Fault"
	// RetryHeader is the time to wait before a repetition, in milliseconds.
	RetryHeader = "Octo-Retry-After"
)

// cancel, sent as credit, gives the sender up.
const cancel = "cancel"

// maxFault bounds the error object in a header.
const maxFault = 2 << 10

// lost is the part of the message Lost.
const lost = "lost"

// Lost, put into a receiver's messages, tells it that the connection broke.
var Lost = &nats.Msg{Header: nats.Header{PartHeader: {lost}}}

// Part returns the mark of a message, "" for a chunk or an ordinary reply.
func Part(m *nats.Msg) string {
	if len(m.Header) == 0 {
		return ""
	}
	return m.Header.Get(PartHeader)
}

// NoResponders reports whether the server says that nobody listened.
func NoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && len(m.Header) > 0 && m.Header.Get("Status") == "503"
}

// Cancel tells the sender that asked for credit on subject to stop.
func Cancel(nc *nats.Conn, subject string) { _ = nc.Publish(subject, []byte(cancel)) }

// ErrorHeaders returns the headers of an error reply: micro's two, so that
// nobody parses a body to learn the outcome, and the time to wait.
func ErrorHeaders(e *fault.Error) nats.Header {
	h := nats.Header{
		micro.ErrorCodeHeader: {strconv.Itoa(e.Code.HTTP())},
		micro.ErrorHeader:     {string(e.Code)},
	}
	if e.RetryAfter > 0 {
		h[RetryHeader] = []string{strconv.FormatInt(max(1, e.RetryAfter.Milliseconds()), 10)}
	}
	return h
}

// Fault returns the error that the headers of a reply tell of, its message and
// details from body; nil if the headers are those of a success.
func Fault(h nats.Header, body []byte) *fault.Error {
	code := h.Get(micro.ErrorHeader)
	if code == "" && h.Get(micro.ErrorCodeHeader) == "" {
		return nil
	}
	var e *fault.Error
	if text := h.Get(FaultHeader); text != "" {
		body = append(append([]byte(`{"error":`), text...), '}')
	}
	if len(body) > 0 {
		e = fault.ParseReply(body)
	}
	if e == nil || code != "" && e.Code != fault.Code(code) && fault.Code(code).Known() {
		e = fault.New(fault.Code(code), "the worker answered %s", code)
	}
	if !e.Code.Known() {
		e = fault.New(fault.Internal, "the worker answered with an unknown error code")
	}
	if ms, err := strconv.ParseInt(h.Get(RetryHeader), 10, 64); err == nil && ms > 0 && ms < int64(time.Hour/time.Millisecond) {
		e = e.After(time.Duration(ms) * time.Millisecond)
	}
	return e
}

// endHeaders are the headers of the end message.
func endHeaders(err error) nats.Header {
	if err == nil {
		return nats.Header{PartHeader: {End}}
	}
	e := fault.From(err)
	h := ErrorHeaders(e)
	h[PartHeader] = []string{End}
	text := e.AppendJSON(nil)
	if len(text) > maxFault {
		text = fault.New(e.Code, "%.500s", e.Message).AppendJSON(nil)
	}
	if json.Valid(text) {
		h[FaultHeader] = []string{string(text)}
	}
	return h
}
