package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/octomesh/octomesh/pkg/freeport"
)

// Server is one running server. Its methods are for one goroutine at a time.
type Server struct {
	engine  *engine
	options Options
	dir     string // holds data, log and pid; the reaper removes it
	port    int
	admin   string
	cmd     *exec.Cmd
	alive   *os.File // the reaper's standard input: its end is the sign
	reaper  *exec.Cmd
}

var databases atomic.Int64

// freshName is a name that no other process uses on the same server.
func freshName() string {
	return fmt.Sprintf("octotest_%d_%d_%d", os.Getpid(), time.Now().UnixNano()%1e9, databases.Add(1))
}

// reap waits until the test process is gone, ends the server and removes its
// directory. $1 is the directory, $2 the signal.
const reap = `trap "" INT HUP TERM
cat >/dev/null
if [ -s "$1/pid" ]; then
	p=$(cat "$1/pid"); kill -"$2" "$p" 2>/dev/null; i=0
	while kill -0 "$p" 2>/dev/null && [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done
	kill -9 "$p" 2>/dev/null
fi
rm -rf "$1"`

func newServer(e *engine, o Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "octomesh-testserver-")
	if err != nil {
		return nil, err
	}
	// Another user's server must reach its data directory below.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	s := &Server{engine: e, options: o, dir: dir}
	if err := s.watch(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	if s.port, err = freeport.Find(); err == nil {
		s.admin = e.admin(s.port)
		if err = e.prepare(s); err == nil {
			err = s.launch()
		}
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// watch starts the reaper.
func (s *Server) watch() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	s.reaper = exec.Command("/bin/sh", "-c", reap, "reap", s.dir, s.engine.kill)
	s.reaper.Stdin = read
	detach(s.reaper)
	if err := s.reaper.Start(); err != nil {
		_ = write.Close()
		return err
	}
	s.alive = write
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Database makes an empty database and returns its URI. It goes with the server.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	uri, _, err := s.engine.create(ctx, s.admin, freshName())
	if err != nil {
		t.Fatalf("%s gives no database: %v", s.engine.name, err)
	}
	return uri
}

// Address is where the server listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// PID is the server's first process, whose children work for it.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Start starts a server that was stopped or killed, on its old port and data,
// and returns when it takes work.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.cmd != nil {
		t.Fatal("the server runs already")
	}
	// What a killed server's children still hold (PostgreSQL: its shared memory)
	// is free a moment later.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for try := 1; ; try++ {
		err := s.launch()
		if err == nil {
			return
		}
		if !errors.Is(err, errEnded) || try == triesStart {
			t.Fatalf("%s does not start again: %v", s.engine.name, err)
		}
		<-tick.C
	}
}

const triesStart = 25

var errEnded = errors.New("it ended at once")

// Stop ends the server in an orderly way; connections are broken off.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.end(t, s.engine.stop) }

// Kill ends the server with SIGKILL: what it had not made durable is lost.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.end(t, "KILL") }

// Restart is Stop and Start.
func (s *Server) Restart(t testing.TB) { t.Helper(); s.Stop(t); s.Start(t) }

func (s *Server) end(t testing.TB, signal string) {
	t.Helper()
	if s.cmd == nil {
		t.Fatal("the server does not run")
	}
	if err := send(s.cmd.Process, signal); err != nil {
		t.Fatalf("signal %s: %v", signal, err)
	}
	_ = s.cmd.Wait()
	s.cmd = nil
	_ = os.Remove(filepath.Join(s.dir, "pid"))
}

// launch starts the process and waits until it takes work.
func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := s.engine.command(s)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	detach(cmd)
	if s.engine == &postgres {
		asUser(cmd, "postgres")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	if err := os.WriteFile(filepath.Join(s.dir, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	return s.await()
}

func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, stop := context.WithTimeout(ctx, 2*time.Second)
		err := s.engine.ping(attempt, s.admin)
		stop()
		if err == nil {
			return nil
		}
		if exited(s.cmd.Process) {
			s.cmd = nil
			return errors.Join(errEnded, s.lastWords())
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, s.lastWords())
		case <-tick.C:
		}
	}
}

// lastWords is the end of the server's log.
func (s *Server) lastWords() error {
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return errors.New(string(bytes.Join(lines[max(0, len(lines)-15):], []byte("\n"))))
}

// remove leaves the rest to the reaper and waits for it.
func (s *Server) remove() {
	if s.cmd != nil {
		_ = send(s.cmd.Process, s.engine.kill)
		_ = s.cmd.Wait()
		_ = os.Remove(filepath.Join(s.dir, "pid"))
	}
	_ = s.alive.Close()
	_ = s.reaper.Wait()
}
