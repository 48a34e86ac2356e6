package mesh

import (
	"context"
	"io"
)

// Whole is a reply that came at once, as chunks.
func Whole(body []byte) Chunks { return &whole{left: body} }

type whole struct{ left []byte }

// Next implements Chunks.
func (w *whole) Next(context.Context) ([]byte, error) {
	if len(w.left) == 0 {
		return nil, io.EOF
	}
	p := w.left
	w.left = nil
	return p, nil
}

// Close implements Chunks.
func (w *whole) Close() error { return nil }
