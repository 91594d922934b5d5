// Package notify has what every provider of pages needs: resolving secrets, calling a provider's HTTP API with bounds,
// and the facts that a page tells. It leaves out the providers themselves, each in a package below, and when and to
// whom pages go.
package notify

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// maxSecret bounds a secret file.
const maxSecret = 64 << 10

// Resolve reads a secret from where it is kept, without surrounding white space. A relative file lies below baseDir and
// cannot leave it; an absolute one is read as it is. A secret that is not there is a fault.Unavailable, because putting
// it in place makes the next attempt work; a reference that is none is a fault.Invalid. No error holds the secret.
func Resolve(s incidents.Secret, baseDir string) (string, error) {
	switch {
	case s.Env != "" && s.File == "":
		return present(os.Getenv(s.Env), "environment variable "+s.Env+" is not set")
	case s.File != "" && s.Env == "":
		text, err := readSecret(s.File, baseDir)
		if err != nil {
			return "", fault.Wrap(fault.Unavailable, err, "secret file %s cannot be read: %s", s.File, reason(err))
		}
		return present(text, "secret file "+s.File+" is empty")
	}
	return "", fault.New(fault.Invalid, "the secret names neither or both of env and file")
}

func present(value, missing string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", fault.New(fault.Unavailable, "%s", missing)
	}
	return value, nil
}

func readSecret(path, baseDir string) (string, error) {
	if filepath.IsAbs(path) {
		return readLimited(os.Open(path))
	}
	if baseDir == "" {
		baseDir = "."
	}
	root, err := os.OpenRoot(baseDir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return readLimited(root.Open(path))
}

func readLimited(f *os.File, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(errors.New("is not a regular file"), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = errors.New("is over 64 KB")
	}
	return string(text), err
}

func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
