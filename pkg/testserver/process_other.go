//go:build !unix

package testserver

import (
	"os"
	"os/exec"
)

// Servers are started on Unix only; elsewhere the tests take a URL.

func detach(*exec.Cmd) {}

func asUser(*exec.Cmd, string) {}

func give(dir, _ string) error { return os.Mkdir(dir, 0o700) }

func send(p *os.Process, _ string) error { return p.Kill() }

func exited(*os.Process) bool { return false }
