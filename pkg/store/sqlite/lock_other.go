//go:build !unix

package sqlite

import (
	"errors"
	"io/fs"
	"os"
)

// acquire takes the lock file for this process: a file that is open can't be
// removed on these systems, one that a crash left behind can.
func acquire(path string) (release func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errLocked
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errLocked
	}
	return func() {
		f.Close()
		os.Remove(path)
	}, nil
}
