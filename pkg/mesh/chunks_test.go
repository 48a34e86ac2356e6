package mesh

import (
	"context"
	"errors"
	"io"
	"testing"
)

// told gives its parts, ends with err and notes that it was closed.
type told struct {
	parts  []string
	err    error
	closed int
}

func (c *told) Next(context.Context) ([]byte, error) {
	if len(c.parts) == 0 {
		return nil, c.err
	}
	p := c.parts[0]
	c.parts = c.parts[1:]
	return []byte(p), nil
}

func (c *told) Close() error {
	c.closed++
	return nil
}

// A reply is read the same way however it came: within its room, and closed.
func TestWhole(t *testing.T) {
	errMuch, errGone := errors.New("much"), errors.New("gone")
	room := func(held, more int) error {
		if held+more > 4 {
			return errMuch
		}
		return nil
	}
	for _, c := range []struct {
		body  string
		parts []string
		end   error // nil: the reply has no chunks
		want  string
		err   error
	}{
		{body: "abcd", want: "abcd"},
		{body: "abcde", err: errMuch},
		{end: io.EOF},
		{parts: []string{"ab", "", "cd"}, end: io.EOF, want: "abcd"},
		{parts: []string{"ab", "cde"}, end: io.EOF, want: "ab", err: errMuch},
		{parts: []string{"ab"}, end: errGone, want: "ab", err: errGone},
		{body: "ab", parts: []string{"cd"}, end: io.EOF, want: "abcd"},
		{body: "abc", parts: []string{"de"}, end: io.EOF, want: "abc", err: errMuch},
	} {
		r := &Reply{Body: []byte(c.body)}
		chunks := &told{parts: c.parts, err: c.end}
		if c.end != nil {
			r.Chunks = chunks
		}
		got, err := r.Whole(t.Context(), room)
		if string(got) != c.want || !errors.Is(err, c.err) || r.Chunks != nil && chunks.closed != 1 {
			t.Errorf("%+v: %q, %v, closed %d times", c, got, err, chunks.closed)
		}
	}
}
