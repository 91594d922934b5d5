package pgcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
)

// makeOnce makes the cluster unless it exists. It is made beside its place and then renamed, so that a start that was
// cut short leaves nothing half made.
func (c *Cluster) makeOnce(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(c.data(), "PG_VERSION")); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the PostgreSQL cluster: %w", err)
	}
	fresh := filepath.Join(c.config.Dir, "data.new")
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove a half-made PostgreSQL cluster: %w", err)
	}
	args := []string{"-D", fresh, "-U", Superuser, "--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=peer", "--no-instructions"}
	if c.config.ExtraSettings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	if err := c.finish(ctx, c.bin.initdb, "", args...); err != nil {
		return err
	}
	single := []string{"--single", "-D", fresh, "-c", "exit_on_error=on", "-c", "log_checkpoints=off", "postgres"}
	if err := c.finish(ctx, c.bin.postgres, firstSQL, single...); err != nil {
		return err
	}
	if err := os.Rename(fresh, c.data()); err != nil {
		return fmt.Errorf("put the PostgreSQL cluster in place: %w", err)
	}
	return syncFolder(c.config.Dir)
}

// firstSQL makes the role and database, one statement a line as single-user mode wants it.
var firstSQL = strings.Join([]string{
	"create role " + Role + " login nosuperuser nobypassrls nocreatedb nocreaterole",
	"create database " + Database + " owner " + Role,
	"revoke all on database " + Database + " from public",
	"",
}, "\n")

// finish runs a command to its end, or until ctx ends.
func (c *Cluster) finish(ctx context.Context, path, input string, args ...string) error {
	cmd := c.command(path, args...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	pid, ended := startAndWait(cmd, func() string { return "" })
	if pid == 0 {
		return <-ended
	}
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, errEnded) {
			return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, strings.TrimSpace(said.String()))
		}
		return nil
	case <-ctx.Done():
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		<-ended
		return ctx.Err()
	}
}

// writeAccess lets exactly us in: the kernel tells PostgreSQL which user is at the other end of the socket. It is
// written at every start, because who we are may have changed.
func (c *Cluster) writeAccess() error {
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("find out who we are: %w", err)
	}
	hba := fmt.Sprintf("# Written by Nines at every start.\nlocal all %s,%s peer map=nines\n", Role, Superuser)
	var ident strings.Builder
	ident.WriteString("# Written by Nines at every start.\n")
	for _, role := range []string{Role, Superuser} {
		fmt.Fprintf(&ident, "nines %q %s\n", me.Username, role)
	}
	for name, text := range map[string]string{"pg_hba.conf": hba, "pg_ident.conf": ident.String()} {
		path := filepath.Join(c.data(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if c.owner.drop {
			if err := os.Lchown(path, int(c.owner.uid), int(c.owner.gid)); err != nil {
				return fmt.Errorf("give %s to %s: %w", name, c.owner.name, err)
			}
		}
	}
	return nil
}

// syncFolder makes a rename in the folder survive a power cut.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
