//go:build unix

package sqlite

import (
	"os"
	"syscall"
)

// acquire takes the lock file for this process. The kernel gives the lock back
// when the process ends, however it ends.
func acquire(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errLocked
	}
	return func() { f.Close() }, nil
}
