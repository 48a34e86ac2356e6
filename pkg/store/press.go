package store

import (
	"context"

	"github.com/octomesh/octomesh/pkg/columnar"
)

// press encodes the batches of a table in a goroutine of its own and hands them
// on: the database is read into one batch while the one before it is encoded and
// sent, since reading is what a stream of columns waits for.
type press struct {
	encoder *columnar.Encoder
	to      *chunks
	cancel  context.CancelCauseFunc

	full, empty chan *columnar.Builder
	done        chan struct{} // closed when the goroutine has ended, with err set
	err         error
}

// startPress starts one, which is to be stopped. ctx ends when the press fails,
// with its error as the cause: nobody needs to read on. A second batch, beside the
// one that is being filled, is to be put into empty.
func startPress(ctx context.Context, e *columnar.Encoder, to *chunks) (context.Context, *press) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &press{
		encoder: e, to: to, cancel: cancel,
		full: make(chan *columnar.Builder), empty: make(chan *columnar.Builder, 2), done: make(chan struct{}),
	}
	go func() {
		defer close(p.done)
		if p.err = guarded(func() error { return p.run(ctx) }); p.err != nil {
			cancel(p.err)
		}
	}()
	return ctx, p
}

// run hands on what begins with the schema and has an end only if the last batch
// has come. When reading fails, a batch that nobody has taken yet may be lost.
func (p *press) run(ctx context.Context) (err error) {
	out := p.encoder.Schema(<-p.to.empty)
	for {
		select {
		case b, more := <-p.full:
			if !more {
				_, err = p.to.hand(ctx, p.encoder.End(out), 1)
				return err
			}
			out, err = p.encoder.Batch(out, b)
			p.empty <- b // has room for all batches: never blocks
			if err == nil {
				out, err = p.to.hand(ctx, out, 1)
			}
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next takes a batch to be handed on, and gives the one to go on with. Errors:
// those of the Encoder, TIMEOUT.
func (p *press) next(b *columnar.Builder) (*columnar.Builder, error) {
	select {
	case p.full <- b:
	case <-p.done:
		return nil, p.err
	}
	select {
	case b = <-p.empty:
		return b, nil
	case <-p.done:
		return nil, p.err
	}
}

// finish takes the last batch, which may have no rows, and returns when the
// stream's end has been handed on. Errors: as next.
func (p *press) finish(last *columnar.Builder) error {
	if last.Rows() > 0 {
		if _, err := p.next(last); err != nil {
			return err
		}
	}
	close(p.full)
	<-p.done
	return p.err
}

// stop ends the goroutine, if it has not ended, and waits for it.
func (p *press) stop() {
	p.cancel(nil)
	<-p.done
}
