package mesh

import (
	"context"
	"errors"
	"io"
)

// Chunks is a reply in parts. Next returns io.EOF after the last one; the slice
// is valid until the next call. Close gives the producer up at any moment.
type Chunks interface {
	Next(ctx context.Context) ([]byte, error)
	Close() error
}

// Parts is the whole reply in parts, however it came; the caller must Close them.
func (r *Reply) Parts() Chunks {
	switch {
	case r.Chunks == nil:
		return &body{left: r.Body}
	case len(r.Body) == 0:
		return r.Chunks
	}
	return &headed{Chunks: r.Chunks, head: body{left: r.Body}}
}

// Whole is the whole reply in one piece, which is Body itself where the reply came
// so. room is asked before more bytes are kept beside those that are held; its
// error ends the reading, and is returned with what had been gathered. The chunks
// are closed. Errors: those of room and of the chunks.
func (r *Reply) Whole(ctx context.Context, room func(held, more int) error) ([]byte, error) {
	if r.Chunks == nil {
		if err := room(0, len(r.Body)); err != nil {
			return nil, err
		}
		return r.Body, nil
	}
	parts := r.Parts()
	defer func() { _ = parts.Close() }()
	var held []byte
	for {
		part, err := parts.Next(ctx)
		if errors.Is(err, io.EOF) {
			return held, nil
		}
		if err == nil {
			err = room(len(held), len(part))
		}
		if err != nil {
			return held, err
		}
		held = append(held, part...)
	}
}

// body is a reply that came at once, as chunks.
type body struct{ left []byte }

// Next implements Chunks.
func (b *body) Next(context.Context) ([]byte, error) {
	if len(b.left) == 0 {
		return nil, io.EOF
	}
	p := b.left
	b.left = nil
	return p, nil
}

// Close implements Chunks.
func (b *body) Close() error { return nil }

// headed is a reply whose first part is its body.
type headed struct {
	Chunks
	head body
}

// Next implements Chunks.
func (h *headed) Next(ctx context.Context) ([]byte, error) {
	if p, err := h.head.Next(ctx); err == nil {
		return p, nil
	}
	return h.Chunks.Next(ctx)
}
