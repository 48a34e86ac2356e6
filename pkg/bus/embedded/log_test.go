package embedded

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A client that is refused a million times must not fill the disk.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	var b bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&b, nil)), func() time.Time { return now })
	lines := func() int { return strings.Count(b.String(), "\n") }
	for range 1_000_000 {
		l.Errorf("Publish Violation - Subject %q", "octo.admin.x")
	}
	if got := lines(); got != linesBurst {
		t.Errorf("%d lines at once, want %d", got, linesBurst)
	}
	b.Reset()
	now = now.Add(time.Second)
	for range 1000 {
		l.Warnf("again")
	}
	if got := lines(); got != linesRate+1 || !strings.Contains(b.String(), "lines=999800") {
		t.Errorf("%d lines a second later, want %d and one that counts the others:\n%.300s", got, linesRate, b.String())
	}
	b.Reset()
	l.Fatalf("the disk is full")
	if lines() != 1 {
		t.Errorf("a fatal line was held back")
	}
}
