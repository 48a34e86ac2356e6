package embedded_test

import (
	"runtime"
	"testing"

	"github.com/octomesh/octomesh/pkg/bus"
	"github.com/octomesh/octomesh/pkg/bus/embedded"
)

// A server that nobody uses costs a few megabytes: the all-in-one binary is to
// be small.
func TestIdleServerIsSmall(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := heap()
	s := start(t, embedded.Options{StoreDir: t.TempDir(), Port: embedded.NoListen})
	for _, role := range bus.Roles() {
		dial(t, s.Dialer(role))
	}
	used := heap() - before
	t.Logf("%d KiB with a connection of each role", used>>10)
	if used > 8<<20 {
		t.Errorf("an idle server holds %d KiB", used>>10)
	}
}
