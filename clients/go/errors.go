package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is a failure that the server reported. Act upon Code, or ask with
// errors.Is for one of the Err values; Message is for people.
type Error struct {
	Status     int    // HTTP status
	Code       string // such as CONFLICT; docs/errors.md lists them
	Message    string
	Details    json.RawMessage // may be nil
	RequestID  string          // under which the server's log has more
	RetryAfter time.Duration   // 0 = not said
}

func (e *Error) Error() string {
	if e.RequestID == "" {
		return fmt.Sprintf("octomesh: %s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("octomesh: %s: %s (request %s)", e.Code, e.Message, e.RequestID)
}

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Failures to ask for with errors.Is.
var (
	ErrNotFound     = &Error{Code: "ENTITY_NOT_FOUND", Status: http.StatusNotFound}
	ErrUnauthorized = &Error{Code: "UNAUTHORIZED", Status: http.StatusUnauthorized}
	ErrForbidden    = &Error{Code: "FORBIDDEN", Status: http.StatusForbidden}
	ErrConflict     = &Error{Code: "CONFLICT", Status: http.StatusConflict}
	ErrInvalid      = &Error{Code: "VALIDATION_ERROR", Status: http.StatusUnprocessableEntity}
	ErrRateLimited  = &Error{Code: "RATE_LIMITED", Status: http.StatusTooManyRequests}
	ErrGap          = &Error{Code: "GAP", Status: http.StatusGone}
	ErrTimeout      = &Error{Code: "TIMEOUT", Status: http.StatusGatewayTimeout}
)

// unreached is a call that got no answer from any address.
type unreached struct{ cause error }

func (e *unreached) Error() string { return "octomesh: no server could be reached: " + e.cause.Error() }
func (e *unreached) Unwrap() error { return e.cause }

// Unreachable reports whether err means that no server answered.
func Unreachable(err error) bool {
	var u *unreached
	return errors.As(err, &u)
}

// failure reads an error reply; a body that is none of ours keeps its status.
func failure(r *http.Response, body []byte) *Error {
	var b struct {
		Error struct {
			Code    string          `json:"code"`
			Message string          `json:"message"`
			Details json.RawMessage `json:"details"`
		} `json:"error"`
	}
	e := &Error{Status: r.StatusCode, RequestID: r.Header.Get("X-Request-Id")}
	if json.Unmarshal(body, &b) == nil && b.Error.Code != "" {
		e.Code, e.Message, e.Details = b.Error.Code, b.Error.Message, b.Error.Details
	} else {
		e.Code, e.Message = "HTTP_"+strconv.Itoa(r.StatusCode), "the answer is not from an Octomesh server"
	}
	if s, err := strconv.Atoi(r.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// retriable tells which codes mean that the server did not execute the call, or
// that an idempotent one may be sent again.
func (e *Error) retriable() bool {
	switch e.Code {
	case "OVERLOADED", "NO_HANDLER", "UNAVAILABLE", "DB_NOT_CONNECTED", "TIMEOUT":
		return true
	}
	return e.Status == http.StatusBadGateway || (e.Status == http.StatusServiceUnavailable && strings.HasPrefix(e.Code, "HTTP_"))
}
