package columnar

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/octomesh/octomesh/pkg/fault"
)

// maxLine bounds one record in bytes; a worker bounds it much lower.
const maxLine = 64 << 20

// Lines is where records come from: JSON objects, one a line, in parts that may
// end anywhere. Next returns io.EOF after the last; what it returned is valid
// until the next call. It is the part of mesh.Chunks that is needed here.
type Lines interface {
	Next(ctx context.Context) ([]byte, error)
}

// Scanner cuts parts into lines.
type Scanner struct {
	lines Lines
	rest  []byte // of the part that is being read
	carry []byte // the beginning of a line whose end has not come
	ended bool
}

// NewScanner reads lines.
func NewScanner(lines Lines) *Scanner { return &Scanner{lines: lines} }

// Next returns the next line that is not empty, without its end, and io.EOF
// after the last. It is valid until the next call. Errors: what the parts end
// with; INTERNAL if they end in the middle of a line.
func (s *Scanner) Next(ctx context.Context) ([]byte, error) {
	for {
		if line := s.whole(); line != nil {
			return line, nil
		}
		if s.ended {
			return nil, io.EOF
		}
		if err := s.fetch(ctx); err != nil {
			return nil, err
		}
	}
}

// Ready reports whether Next has a line without asking for another part.
func (s *Scanner) Ready() bool { return bytes.IndexByte(s.rest, '\n') >= 0 }

// whole takes the next whole line off what has come; nil if there is none.
func (s *Scanner) whole() []byte {
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			return nil
		}
		line := s.rest[:end]
		s.rest = s.rest[end+1:]
		if len(s.carry) > 0 {
			line = append(s.carry, line...)
			s.carry = line[:0] // free again once the line has been read
		}
		if len(line) > 0 {
			return line
		}
	}
}

func (s *Scanner) fetch(ctx context.Context) error {
	s.carry = append(s.carry, s.rest...)
	s.rest = nil
	if len(s.carry) > maxLine {
		return fault.New(fault.Internal, "a record is over %d MB", maxLine>>20)
	}
	part, err := s.lines.Next(ctx)
	switch {
	case err == nil:
		s.rest = part
	case !errors.Is(err, io.EOF):
		return err
	default:
		s.ended = true
		if len(s.carry) > 0 {
			return fault.New(fault.Internal, "the records ended in the middle of one")
		}
	}
	return nil
}

// Text reads chunks as one text, and asks for none behind the last. It implements
// io.Reader.
type Text struct {
	Ctx    context.Context
	Chunks Lines
	Err    error // what the chunks ended with, unless it was their end
	rest   []byte
	end    error // Err, or io.EOF
}

// Read implements io.Reader.
func (t *Text) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		if t.end == nil {
			if t.rest, t.end = t.Chunks.Next(t.Ctx); !errors.Is(t.end, io.EOF) {
				t.Err = t.end
			}
		}
		if t.end != nil {
			return 0, t.end
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}
