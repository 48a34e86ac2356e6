// Package keyring keeps the house's own keys in a folder: seeds of nkeys are
// made at the first start, written with mode 0600 and read back afterwards. The
// signing key of the auth service and the keys of the mesh roles come from here.
package keyring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
)

// The names of the keys that belong to no role.
const (
	Issuer = "issuer" // account nkey: signs principal tokens, user JWTs and tickets
	Curve  = "xkey"   // curve nkey: encrypts what passes between NATS and the auth callout
)

// Ring is a folder of seeds, <name>.nk each. It is not safe for concurrent use.
type Ring struct{ dir string }

// Open returns the Ring of a folder, which it makes with mode 0700 if needed.
func Open(dir string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of keys cannot be made: %w", err)
	}
	return &Ring{dir: dir}, nil
}

// Path returns the file of a key.
func (r *Ring) Path(name string) string { return filepath.Join(r.dir, name+".nk") }

// Role returns the seed of a mesh role, a user nkey ("SU…").
func (r *Ring) Role(name string) (string, error) { return r.seed(name, nkeys.PrefixByteUser) }

// Roles returns the seeds of several roles by name.
func (r *Ring) Roles(names ...string) (map[string]string, error) {
	seeds := make(map[string]string, len(names))
	for _, n := range names {
		s, err := r.Role(n)
		if err != nil {
			return nil, err
		}
		seeds[n] = s
	}
	return seeds, nil
}

// Issuer returns the seed of the auth service's signing key ("SA…").
func (r *Ring) Issuer() (string, error) { return r.seed(Issuer, nkeys.PrefixByteAccount) }

// Curve returns the seed of the auth callout's encryption key ("SX…").
func (r *Ring) Curve() (string, error) { return r.seed(Curve, nkeys.PrefixByteCurve) }

// Public returns a seed's public key.
func Public(seed string) (string, error) {
	kp, err := pair(seed)
	if err != nil {
		return "", err
	}
	return kp.PublicKey()
}

func pair(seed string) (nkeys.KeyPair, error) {
	if strings.HasPrefix(seed, "SX") {
		return nkeys.FromCurveSeed([]byte(seed))
	}
	return nkeys.FromSeed([]byte(seed))
}

func (r *Ring) seed(name string, kind nkeys.PrefixByte) (string, error) {
	path := r.Path(name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r.create(path, kind)
	}
	if err != nil {
		return "", fmt.Errorf("the key %s cannot be read: %w", name, err)
	}
	seed := strings.TrimSpace(string(b))
	if got, _, err := nkeys.DecodeSeed([]byte(seed)); err != nil || got != kind {
		// Never replaced in silence: everything signed with it would fall.
		return "", fmt.Errorf("%s holds no seed of the right kind; restore it, or remove it to have a new one made", path)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return "", fmt.Errorf("%s can be read by others: %w", path, err)
		}
	}
	return seed, nil
}

func (r *Ring) create(path string, kind nkeys.PrefixByte) (string, error) {
	kp, err := nkeys.CreatePair(kind)
	if err != nil {
		return "", err
	}
	seed, err := kp.Seed()
	if err != nil {
		return "", err
	}
	if err := WriteOnce(path, append(seed, '\n')); err != nil {
		if errors.Is(err, fs.ErrExist) { // another process was faster: its key counts
			return r.seed(strings.TrimSuffix(filepath.Base(path), ".nk"), kind)
		}
		return "", fmt.Errorf("a key cannot be written: %w", err)
	}
	return string(seed), nil
}

// WriteOnce writes a secret file with mode 0600 and syncs it: whole, or not at
// all. An existing file is left alone and gives an error that is fs.ErrExist.
func WriteOnce(path string, content []byte) (err error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }() // gone already where all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Link(temp, path) // unlike a rename it never replaces
}
