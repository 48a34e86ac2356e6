package octomesh

import "os"

// writeWhole writes a file so that a reader sees all of it or what was there
// before.
func writeWhole(path string, b []byte, mode os.FileMode) error {
	part := path + ".part"
	if err := os.WriteFile(part, b, mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}
