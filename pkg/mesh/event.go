package mesh

import (
	"strconv"

	"github.com/octomesh/octomesh/pkg/schema"
)

// AppendEvent appends the change as the JSON object that travels on NATS and
// that op changes lists, oldest first, in its data:
//
//	{"type":"event","event":"entity.updated","project":…,"entity":…,"id":…,
//	 "data":{…},"changed":[…],"inserted":true,"position":"<epoch>-<seq>","at":…,
//	 "op":"updated","old":{…}}
//
// changed is there for updated and upserted, inserted for upserted. "op" and
// "old" are always the last members: what comes before them is the event as a
// subscriber sees it, and a Feed cuts there. A result over limit bytes (0 = no
// limit) says "truncated":true and has neither data nor old.
//
// The reply to op changes, {"position":"<epoch>-<seq>","limit":n}, is
// {"status":"ok","data":[events after the position, without limit on their
// size],"metadata":{"count":n,"position":p}}: p is the last event's position,
// or what was asked when nothing follows. The position "tail" lists nothing and
// tells the newest one. A position of another epoch, before the oldest change
// that is kept, or beyond the newest, is answered with GAP.
func (c *Change) AppendEvent(dst []byte, project, epoch string, limit int) []byte {
	start := len(dst)
	dst = c.appendEvent(dst, project, epoch, false)
	if limit > 0 && len(dst)-start > limit {
		dst = c.appendEvent(dst[:start], project, epoch, true)
	}
	return dst
}

func (c *Change) appendEvent(dst []byte, project, epoch string, truncated bool) []byte {
	dst = append(dst, `{"type":"event","event":"entity.`...)
	dst = append(dst, c.Verb...)
	dst = append(dst, `","project":`...)
	dst = schema.AppendString(dst, project)
	dst = append(dst, `,"entity":`...)
	dst = schema.AppendString(dst, c.Entity)
	dst = append(dst, `,"id":`...)
	dst = schema.AppendString(dst, c.ID)
	switch {
	case truncated:
		dst = append(dst, `,"truncated":true`...)
	case len(c.After) > 0:
		dst = append(append(dst, `,"data":`...), c.After...)
	}
	if c.Verb == Updated || c.Verb == Upserted {
		dst = append(dst, `,"changed":[`...)
		for i, name := range c.Changed {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = schema.AppendString(dst, name)
		}
		dst = append(dst, ']')
	}
	if c.Verb == Upserted {
		dst = append(dst, `,"inserted":`...)
		dst = strconv.AppendBool(dst, c.Inserted)
	}
	dst = append(dst, `,"position":"`...)
	dst = Position{Epoch: epoch, Seq: c.Seq}.Append(dst)
	dst = append(dst, `","at":"`...)
	dst = schema.AppendTime(dst, c.At.UnixMilli())
	dst = append(dst, `","op":"`...)
	dst = append(dst, c.Verb...)
	dst = append(dst, '"')
	if !truncated && len(c.Old) > 0 {
		dst = append(append(dst, `,"old":`...), c.Old...)
	}
	return append(dst, '}')
}
