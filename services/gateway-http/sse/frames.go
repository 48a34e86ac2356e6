package sse

import (
	"github.com/octomesh/octomesh/pkg/event"
	"github.com/octomesh/octomesh/pkg/gateway/live"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// frames are those of docs/live.md (HTML standard, section 9.2). JSON text has
// no line breaks, so one data line is enough.
type frames struct{}

func (frames) Event(b []byte, e *event.Event) []byte {
	if e.Type == event.Gap {
		return appendGap(b, e.Position)
	}
	b = appendID(b, e.Position)
	b = append(append(b, "event: entity."...), e.Type...)
	b = append(append(b, "\ndata: "...), e.JSON...)
	return append(b, "\n\n"...)
}

// Idle has an id, which tells a client whose filter lets little through how far
// it has come; without data it is no event.
func (frames) Idle(b []byte, at mesh.Position) []byte { return append(appendID(b, at), ":\n\n"...) }

func appendID(b []byte, p mesh.Position) []byte {
	b = append(b, "id: "...)
	return append(p.Append(b), '\n')
}

// appendGap tells that changes were missed. It is no error: an EventSource that
// gets a status other than 200 never comes back.
func appendGap(b []byte, p mesh.Position) []byte {
	b = appendID(b, p)
	b = append(b, "event: gap\ndata: {\"type\":\"gap\",\"position\":\""...)
	return append(p.Append(b), "\"}\n\n"...)
}

func (frames) Bye(b []byte, e live.Ending) []byte {
	if !e.Position.IsZero() {
		b = appendID(b, e.Position)
	}
	b = append(b, `event: bye`+"\n"+`data: {"type":"bye","reason":"`...)
	b = append(b, e.Reason...)
	if e.Code != "" {
		b = append(append(b, `","code":"`...), e.Code...)
	}
	b = append(b, `","position":"`...)
	return append(append(b, e.Position.String()...), "\"}\n\n"...)
}
