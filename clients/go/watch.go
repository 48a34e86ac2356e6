package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Event is one change of a record.
type Event struct {
	Event    string          `json:"event"` // entity.created, .updated, .deleted, .upserted
	Project  string          `json:"project"`
	Entity   string          `json:"entity"`
	ID       string          `json:"id"`
	Data     json.RawMessage `json:"data"` // the record after the change; absent on leave
	Changed  []string        `json:"changed"`
	Inserted bool            `json:"inserted"`
	// Match tells a filtered watcher what the change is to it: "enter" (the
	// record matches now), "stay", or "leave" (it no longer does).
	Match     string    `json:"match"`
	Position  string    `json:"position"`
	Truncated bool      `json:"truncated"` // too large for an event; read the record
	At        time.Time `json:"at"`
}

// Watching says what to follow.
type Watching struct {
	Entities []string // none = all that the key may read
	Filter   any
	// Position is where to go on: events after it, each exactly once. Empty
	// starts now.
	Position string
}

// ErrEnded is wrapped by the error of a watch that cannot go on by itself.
var ErrEnded = errors.New("octomesh: the watch ended")

// Watch yields events as they happen and reconnects by itself, resuming after
// the last event that was yielded: no event is lost or doubled. It ends with
// ctx (no error is yielded then), or with an error: ErrGap when the server's log
// no longer reaches back to the position (read the state anew, then watch from
// now), ErrUnauthorized and ErrForbidden, ErrEnded for an event that cannot be
// read, and what else the server will not serve however often it is asked.
//
//	for ev, err := range c.Watch(ctx, client.Watching{Entities: []string{"Order"}}) { … }
func (c *Client) Watch(ctx context.Context, w Watching) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		wait := 50 * time.Millisecond
		for ctx.Err() == nil {
			opened := time.Now()
			err := c.follow(ctx, &w, yield)
			var e *Error
			switch {
			case errors.Is(err, errStopped) || ctx.Err() != nil:
				return
			case errors.Is(err, ErrEnded) || errors.As(err, &e) && !e.retriable() && !errors.Is(e, ErrRateLimited):
				yield(Event{}, err)
				return
			}
			if time.Since(opened) > 5*time.Second {
				wait = 50 * time.Millisecond
			}
			pause := wait
			if e != nil {
				pause = max(wait, e.RetryAfter)
			}
			c.next.Add(1)
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
			case <-timer.C:
				wait = min(2*wait, 2*time.Second)
			}
		}
	}
}

var errStopped = errors.New("the caller stopped")

// follow reads one connection until it ends and keeps w.Position up to date.
func (c *Client) follow(ctx context.Context, w *Watching, yield func(Event, error) bool) error {
	q := url.Values{}
	if len(w.Entities) > 0 {
		q.Set("entity", strings.Join(w.Entities, ","))
	}
	if w.Filter != nil {
		b, err := json.Marshal(w.Filter)
		if err != nil {
			return &Error{Code: "INVALID_FILTER", Status: http.StatusBadRequest, Message: err.Error()}
		}
		q.Set("filter", string(b))
	}
	if w.Position != "" {
		q.Set("position", w.Position)
	}
	if c.project != "" {
		q.Set("project", c.project)
	}
	resp, err := c.send(ctx, &call{method: http.MethodGet, path: "/events", query: q, header: http.Header{"Accept": {"text/event-stream"}}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return failure(resp, b)
	}
	return frames(resp.Body, func(f frame) error {
		if f.event == "gap" {
			return &Error{Code: ErrGap.Code, Status: ErrGap.Status, Message: "the log no longer reaches back to " + w.Position + "; go on from " + f.id}
		}
		if f.id != "" && !strings.HasPrefix(f.event, "entity.") {
			w.Position = f.id
			return nil
		}
		if !strings.HasPrefix(f.event, "entity.") {
			return nil
		}
		var ev Event
		if err := json.Unmarshal(f.data, &ev); err != nil {
			return errors.Join(ErrEnded, err)
		}
		if !yield(ev, nil) {
			return errStopped
		}
		w.Position = ev.Position
		return nil
	})
}

// frame is one server-sent event (HTML standard, section 9.2).
type frame struct {
	event, id string
	data      []byte
}

func frames(r io.Reader, each func(frame) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var f frame
	for {
		line, err := br.ReadBytes('\n')
		if err != nil {
			return err
		}
		s := strings.TrimRight(string(line), "\r\n")
		if s == "" {
			if f.event != "" || f.data != nil || f.id != "" {
				if err := each(f); err != nil {
					return err
				}
			}
			f = frame{}
			continue
		}
		name, value, _ := strings.Cut(s, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			f.event = value
		case "id":
			f.id = value
		case "data":
			if f.data != nil {
				f.data = append(f.data, '\n')
			}
			f.data = append(f.data, value...)
		}
	}
}
