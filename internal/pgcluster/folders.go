package pgcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/nines-sre/nines/internal/fault"
)

// maxSocketPath is what a Unix socket's address holds, in bytes.
var maxSocketPath = map[string]int{"linux": 107}

const maxSocketPathElsewhere = 103

func socketLimit() int {
	if n, ok := maxSocketPath[runtime.GOOS]; ok {
		return n
	}
	return maxSocketPathElsewhere
}

// owner is who PostgreSQL runs as. It refuses to run as root, so root drops to another user.
type owner struct {
	uid, gid uint32
	name     string
	drop     bool // we are root and start children as this user
}

// ownerOf returns who the cluster belongs to: for root whoever owns the data already, else the user postgres, else
// nobody; for everyone else themselves.
func ownerOf(data string) (owner, error) {
	if os.Geteuid() != 0 {
		return owner{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	if info, err := os.Stat(data); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return owner{uid: st.Uid, gid: st.Gid, name: "uid " + strconv.Itoa(int(st.Uid)), drop: true}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return owner{uid: uint32(uid), gid: uint32(gid), name: name, drop: true}, nil
		}
	}
	return owner{}, fault.New(fault.Unavailable, "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as; add one (adduser --system postgres)")
}

// prepareFolders makes the cluster's folders, gives them to its owner and finds a place for the socket.
func (c *Cluster) prepareFolders() error {
	if err := os.MkdirAll(c.config.Dir, 0o711); err != nil {
		return fmt.Errorf("make the folder of the PostgreSQL cluster: %w", err)
	}
	if err := c.give(c.config.Dir); err != nil {
		return err
	}
	if err := c.checkTraversable(filepath.Dir(c.config.Dir)); err != nil {
		return err
	}
	sockets, err := c.socketFolder()
	if err != nil {
		return err
	}
	c.sockets = sockets
	return nil
}

// give makes a folder its owner's alone.
func (c *Cluster) give(dir string) error {
	if c.owner.drop {
		if err := os.Lchown(dir, int(c.owner.uid), int(c.owner.gid)); err != nil {
			return fmt.Errorf("give %s to %s: %w", dir, c.owner.name, err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close %s to others: %w", dir, err)
	}
	return nil
}

// checkTraversable reports the first parent folder that the cluster's owner cannot pass.
func (c *Cluster) checkTraversable(dir string) error {
	if !c.owner.drop {
		return nil
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		if !c.owner.passes(info) {
			return fault.New(fault.Invalid,
				"PostgreSQL runs as %s, which cannot pass the folder %s: allow it with \"chmod o+x %s\", or choose another data folder",
				c.owner.name, dir, dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func (o owner) passes(info fs.FileInfo) bool {
	mode := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case st.Uid == o.uid:
			return mode&0o100 != 0
		case st.Gid == o.gid:
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// socketFolder returns where the socket goes: in the cluster's folder, or in a short private one where that path is too
// long for a socket's address.
func (c *Cluster) socketFolder() (string, error) {
	dir := filepath.Join(c.config.Dir, "run")
	if len(socketPath(dir)) <= socketLimit() {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the socket's folder: %w", err)
		}
		return dir, c.give(dir)
	}
	return c.shortSocketFolder()
}

func socketPath(dir string) string { return filepath.Join(dir, ".s.PGSQL."+port) }

// shortSocketFolder returns the private folder below the temporary one that the cluster's folder remembers, or makes it.
func (c *Cluster) shortSocketFolder() (string, error) {
	note := filepath.Join(c.config.Dir, "socket-folder")
	if raw, err := os.ReadFile(note); err == nil {
		if dir := strings.TrimSpace(string(raw)); c.private(dir) {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp(os.TempDir(), "nines-")
	if err != nil {
		return "", fmt.Errorf("make a short folder for the socket: %w", err)
	}
	if n := len(socketPath(dir)); n > socketLimit() {
		_ = os.Remove(dir)
		return "", fault.New(fault.Invalid,
			"the data folder %s is too deep for a Unix socket (at most %d bytes), and so is the temporary folder %s (%d): choose a shorter data folder, or set TMPDIR",
			c.config.Dir, socketLimit(), os.TempDir(), n)
	}
	if err := c.give(dir); err != nil {
		return "", err
	}
	if err := c.checkTraversable(filepath.Dir(dir)); err != nil {
		return "", err
	}
	return dir, os.WriteFile(note, []byte(dir+"\n"), 0o600)
}

// private reports whether dir is a folder, not a link, that belongs to the cluster's owner and is closed to others: in a
// shared temporary folder anybody could have put something of that name.
func (c *Cluster) private(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == c.owner.uid && len(socketPath(dir)) <= socketLimit()
}
