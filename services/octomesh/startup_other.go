//go:build !linux

package octomesh

// forgetStartup does nothing here: see startup_linux.go.
func forgetStartup() {}
