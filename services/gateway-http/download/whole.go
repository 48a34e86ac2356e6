package download

import (
	"context"
	"io"

	"github.com/octomesh/octomesh/pkg/mesh"
)

// Whole is a reply that came at once, as the chunks that File reads.
func Whole(body []byte) mesh.Chunks { return &whole{left: body} }

type whole struct{ left []byte }

// Next implements mesh.Chunks.
func (w *whole) Next(context.Context) ([]byte, error) {
	if len(w.left) == 0 {
		return nil, io.EOF
	}
	p := w.left
	w.left = nil
	return p, nil
}

// Close implements mesh.Chunks.
func (w *whole) Close() error { return nil }
