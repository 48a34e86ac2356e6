// Package fault carries the one error that may cross a border of this house:
// a code from a closed table, a message for the caller and, unseen by the
// caller, the cause. Every transport translates the code by its own column of
// Table; nothing else about an error leaves a process.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is a coded failure. Code and Message cross the wire, and so do Details
// and RetryAfter; the cause is for the log alone.
type Error struct {
	Code    Code
	Message string
	// Details is a small JSON-encodable value that a program may act upon,
	// such as the fields that failed validation. It may be nil.
	Details any
	// RetryAfter tells when a repetition makes sense; zero means unknown.
	RetryAfter time.Duration

	cause error
}

// New returns an Error with a message in the manner of fmt.Sprintf. The
// message is shown to callers: never put a driver's text or a secret in it.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause, which Unwrap returns and which is only ever logged.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.cause = cause
	return e
}

// With returns a copy of e that carries details.
func (e *Error) With(details any) *Error {
	c := *e
	c.Details = details
	return &c
}

// After returns a copy of e that asks the caller to wait for d.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// RetrySeconds is how long to wait before a repetition, in whole seconds and at
// least one, as HTTP and WebSocket tell it; 0 where a repetition makes no sense.
func (e *Error) RetrySeconds() int64 {
	if e.RetryAfter <= 0 && !e.Code.Image().Retry {
		return 0
	}
	return max(1, int64((e.RetryAfter+time.Second-1)/time.Second))
}

func (e *Error) Error() string {
	if e.cause != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.cause.Error()
	}
	return string(e.Code) + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, fault.New(fault.Conflict, "")) asks for a code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// From turns any error into an Error: one found in err's chain stays as it is,
// the context's own errors become TIMEOUT and CANCELLED, and everything else
// becomes INTERNAL with a fixed message. From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, Timeout, "the deadline passed before the work was done")
	case errors.Is(err, context.Canceled):
		return Wrap(err, Cancelled, "the caller went away")
	}
	return Wrap(err, Internal, "something went wrong on our side")
}

// CodeOf returns the code that From would give, and "" for nil.
func CodeOf(err error) Code {
	if e := From(err); e != nil {
		return e.Code
	}
	return ""
}

// Seen is err as the caller may see it: it has a code, and an INTERNAL one names
// the request id under which the log has the cause.
func Seen(err error, requestID string) *Error {
	e := From(err)
	if e == nil {
		e = New(Internal, "something went wrong on our side")
	}
	if e.Code == Internal && !strings.Contains(e.Message, requestID) {
		e = Wrap(err, Internal, "%s; the log has the cause under request id %s", e.Message, requestID).After(e.RetryAfter)
	}
	return e
}
