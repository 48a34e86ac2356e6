package projects

import (
	"context"
	"sync"
	"time"

	"github.com/octomesh/octomesh/pkg/fault"
	"github.com/octomesh/octomesh/pkg/mesh"
)

// gate counts the calls that use a project's database, so that it is closed
// behind the last of them. A stop of the endpoint is no such wait: it lets what
// has arrived come through later.
type gate struct {
	mu      sync.Mutex
	running int
	shut    bool
	idle    chan struct{} // closed when it is shut and nothing runs
}

func newGate() *gate { return &gate{idle: make(chan struct{})} }

// through lets calls pass until the gate is shut. Errors of later ones:
// NO_HANDLER, since nothing was executed.
func (g *gate) through(next mesh.Caller) mesh.Caller {
	return mesh.CallerFunc(func(ctx context.Context, r *mesh.Request) (*mesh.Reply, error) {
		if !g.enter() {
			return nil, fault.New(fault.NoHandler, "the project is not served here any more; nothing was executed")
		}
		reply, err := next.Call(ctx, r)
		if err == nil && reply.Chunks != nil {
			reply.Chunks = &counted{Chunks: reply.Chunks, gate: g}
			return reply, nil
		}
		g.leave()
		return reply, err
	})
}

// counted is a reply that still reads the database.
type counted struct {
	mesh.Chunks
	gate *gate
	once sync.Once
}

// Close gives the producer up, and the place at the gate back.
func (c *counted) Close() error {
	defer c.once.Do(c.gate.leave)
	return c.Chunks.Close()
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.running++
	}
	return !g.shut
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running--; g.shut && g.running == 0 {
		close(g.idle)
	}
}

// close shuts the gate and waits for what has passed it, but no longer than
// most: then those calls end with the database.
func (g *gate) close(most time.Duration) {
	g.mu.Lock()
	if !g.shut {
		if g.shut = true; g.running == 0 {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-g.idle:
	case <-t.C:
	}
}
