package columnar_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/octomesh/octomesh/pkg/columnar"
	"github.com/octomesh/octomesh/pkg/fault"
)

// pieces gives its texts, then the error; asked again it panics.
type pieces struct {
	texts []string
	end   error
}

func (p *pieces) Next(context.Context) ([]byte, error) {
	if len(p.texts) > 0 {
		text := p.texts[0]
		p.texts = p.texts[1:]
		return []byte(text), nil
	}
	end := p.end
	if p.end = nil; end == nil {
		panic("asked behind the end")
	}
	return nil, end
}

// TestText reads chunks to their end, and once more: what ended is not asked again.
func TestText(t *testing.T) {
	broken := fault.New(fault.Unavailable, "the worker is gone")
	for _, end := range []error{io.EOF, broken} {
		text := &columnar.Text{Ctx: t.Context(), Chunks: &pieces{texts: []string{"ab", "", "cde"}, end: end}}
		got := make([]byte, 0, 8)
		var err error
		for err == nil {
			var n int
			n, err = text.Read(got[len(got) : len(got)+1])
			got = got[:len(got)+n]
		}
		if string(got) != "abcde" || !errors.Is(err, end) {
			t.Errorf("%q ended with %v, not %v", got, err, end)
		}
		if n, again := text.Read(got[:1]); n != 0 || !errors.Is(again, end) {
			t.Errorf("behind the end there are %d bytes and %v", n, again)
		}
		if wrong := !errors.Is(end, io.EOF); (text.Err != nil) != wrong {
			t.Errorf("Err is %v behind %v", text.Err, end)
		}
	}
}
