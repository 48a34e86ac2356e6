package store

import (
	"strconv"
	"sync"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
	"github.com/octomesh/octomesh/pkg/schema"
	"github.com/octomesh/octomesh/pkg/store/driver"
	"github.com/octomesh/octomesh/pkg/store/populate"
)

// maxReply bounds a reply's body in bytes. Op stream has no such bound.
const maxReply = 32 << 20

const (
	replyHead   = `{"status":"ok","data":`
	replyNoData = `{"status":"ok"`
)

// answer is a reply in the making: data first, what metadata says after it.
type answer struct {
	body    []byte
	count   int64 // metadata.count; -1 = absent
	total   int64 // metadata.total; -1 = absent
	next    string
	cursors []string // metadata.cursors, one for each record
	version int64

	out     mesh.Reply
	release func() // of out; nil where nobody gives it back
}

func newAnswer() *answer {
	return &answer{body: append(make([]byte, 0, 512), replyHead...), count: -1, total: -1}
}

// maxKept is how large a body may be that is kept to be filled again.
const maxKept = 64 << 10

var answers sync.Pool

// lentAnswer is an answer that its reply gives back.
func lentAnswer() *answer {
	if a, ok := answers.Get().(*answer); ok {
		return a
	}
	a := newAnswer()
	a.release = a.giveBack
	return a
}

func (a *answer) giveBack() {
	if cap(a.out.Body) > maxKept {
		return
	}
	*a = answer{body: a.out.Body[:len(replyHead)], count: -1, total: -1, release: a.release}
	answers.Put(a)
}

// tooLarge refuses a body that outgrew maxReply.
func (a *answer) tooLarge() error { return tooLarge(len(a.body)) }

func tooLarge(size int) error {
	if size <= maxReply {
		return nil
	}
	return fault.New(fault.PayloadTooLarge, "the reply is larger than %d MB: ask for fewer records, fields or relations, or use op stream", maxReply>>20)
}

// reply ends the body; the answer is the reply's from here on. A position that is
// not zero is a write's.
func (a *answer) reply(p mesh.Position) *mesh.Reply {
	b := a.body
	first := true
	member := func(name string) {
		if first {
			b = append(b, `,"metadata":{"`...)
			first = false
		} else {
			b = append(b, `,"`...)
		}
		b = append(append(b, name...), `":`...)
	}
	if a.count >= 0 {
		member("count")
		b = strconv.AppendInt(b, a.count, 10)
	}
	if a.total >= 0 {
		member("total")
		b = strconv.AppendInt(b, a.total, 10)
	}
	if a.next != "" {
		member("next")
		b = schema.AppendString(b, a.next)
	}
	if len(a.cursors) > 0 {
		member("cursors")
		b = append(b, '[')
		for i, c := range a.cursors {
			if i > 0 {
				b = append(b, ',')
			}
			b = schema.AppendString(b, c)
		}
		b = append(b, ']')
	}
	if !p.IsZero() {
		member("position")
		b = append(p.Append(append(b, '"')), '"')
	}
	if !first {
		b = append(b, '}')
	}
	a.out = mesh.Reply{Body: append(b, '}'), Position: p, Version: a.version, Release: a.release}
	return &a.out
}

// record appends one record that has no relations to fill in.
func (a *answer) record(p *populate.Plan, row driver.Row) {
	a.body = p.Append(a.body, row)
	a.version = p.Version(row)
}
