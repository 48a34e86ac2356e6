package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/octomesh/octomesh/pkg/access"
	"github.com/octomesh/octomesh/services/auth/keyring"
	"github.com/octomesh/octomesh/services/auth/keys"
	"github.com/octomesh/octomesh/services/auth/system"
)

// adminKeyFile holds the admin key that the first start made.
const adminKeyFile = "admin.key"

// firstKey makes the admin key when the system store has no key yet: the one
// that was given, or a new one. The file is written before the record, so that
// a start that is cut short in between leaves no key that nobody knows.
func (s *Service) firstKey(ctx context.Context) error {
	all, err := system.All[keys.Key](ctx, s.records, system.APIKey, system.Args{})
	if err != nil {
		return err
	}
	if len(all) > 0 {
		return nil
	}
	key, path, made := s.AdminKey, "", false
	if key == "" {
		path = s.path(adminKeyFile)
		if key, made, err = keyFile(path); err != nil {
			return err
		}
	}
	if _, err := s.keys.CreateGiven(ctx, key, "admin (first start)"); err != nil {
		return fmt.Errorf("the admin key: %w", err)
	}
	if made && s.FirstKey != nil {
		s.FirstKey(key, path)
	}
	return nil
}

// watchExpiries looks after the keys that have an end, once revocations can be
// told.
func (s *Service) watchExpiries(ctx context.Context) error {
	all, err := system.All[keys.Key](ctx, s.records, system.APIKey, system.Args{"expiresAt": system.Args{"$ne": nil}})
	for i := range all {
		if all[i].Alive(s.Now()) == nil {
			s.expire(all[i].ID, *all[i].ExpiresAt)
		}
	}
	return err
}

// keyFile returns the key in a file, and writes a new one if there is none.
func keyFile(path string) (key string, made bool, err error) {
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		key = strings.TrimSpace(string(b))
		if _, err := access.ParseKey(key); err != nil {
			return "", false, fmt.Errorf("%s holds no API key; remove the file to have a new one made", path)
		}
		return key, false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("the admin key cannot be read: %w", err)
	}
	key = keys.Generate("live")
	if err := keyring.WriteOnce(path, []byte(key+"\n")); err != nil {
		return "", false, fmt.Errorf("the admin key cannot be written: %w", err)
	}
	return key, true, nil
}
