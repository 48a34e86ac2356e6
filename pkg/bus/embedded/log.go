package embedded

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// The server writes a line for everything that it refuses to a client, who can
// so write as fast as he can send. These many lines a second pass on, and as
// many as linesBurst at once.
const (
	linesRate  = 20
	linesBurst = 200
)

// logger passes the server's warnings and errors on, within a rate; what it
// holds back it counts.
type logger struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	full   time.Time // when the whole burst is free again
	hidden int
}

func newLogger(log *slog.Logger, now func() time.Time) *logger { return &logger{log: log, now: now} }

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

// Warnf logs a warning of the server.
func (l *logger) Warnf(format string, v ...any) { l.line(l.log.Warn, format, v) }

// Errorf logs an error of the server; refusals are among them.
func (l *logger) Errorf(format string, v ...any) { l.line(l.log.Error, format, v) }

// Fatalf logs what the server cannot go on after, whatever came before.
func (l *logger) Fatalf(format string, v ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, v...))
}

func (l *logger) line(write func(string, ...any), format string, v []any) {
	hidden, ok := l.take()
	if !ok {
		return
	}
	if hidden > 0 {
		l.log.Warn("nats: lines were held back, because too many came", "lines", hidden)
	}
	write("nats: " + fmt.Sprintf(format, v...))
}

// take asks for one line's place, and tells how many were held back before it.
func (l *logger) take() (hidden int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if l.full.Before(now) {
		l.full = now
	}
	const each = time.Second / linesRate
	if l.full.Sub(now) > (linesBurst-1)*each {
		l.hidden++
		return 0, false
	}
	l.full = l.full.Add(each)
	hidden, l.hidden = l.hidden, 0
	return hidden, true
}
