// Package pgcluster runs a private PostgreSQL cluster as a child process: it finds the binaries, makes the cluster once,
// starts it on a Unix socket that only we can reach, and stops it cleanly. What is kept in the database is not its
// business, and it never touches a PostgreSQL that is not its own.
package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Names within every cluster.
const (
	Role      = "nines"    // owns the database; neither superuser nor able to bypass row security
	Database  = "nines"    //
	Superuser = "postgres" // for tests and repair; nothing of the product connects as this role
)

const (
	port       = "5432" // only names the socket file: nothing listens on TCP
	stopTime   = 20 * time.Second
	quitTime   = 5 * time.Second
	statusPoll = 5 * time.Millisecond
)

// Config says where the cluster lives.
type Config struct {
	Dir string       // its folder, made when missing; everything in it belongs to the cluster
	Log *slog.Logger // what PostgreSQL says; nil is silent
	// ExtraSettings are server settings beside or instead of ours, such as fsync=off in tests.
	ExtraSettings map[string]string
}

// Cluster is a private PostgreSQL cluster. Run it as often as it ends.
type Cluster struct {
	config  Config
	bin     binaries
	owner   owner  // the operating system's user that PostgreSQL runs as
	sockets string // folder of the Unix socket
}

// Open checks that the cluster can run here and prepares its folders; nothing is started. Missing or old binaries are a
// fault.Unavailable that says what to install, folders that PostgreSQL's user cannot reach a fault.Invalid.
func Open(c Config) (*Cluster, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder of the PostgreSQL cluster: %w", err)
	}
	c.Dir = dir
	cluster := &Cluster{config: c}
	if cluster.bin, err = findBinaries(cluster.version()); err != nil {
		return nil, err
	}
	if cluster.owner, err = ownerOf(cluster.data()); err != nil {
		return nil, err
	}
	if err := cluster.prepareFolders(); err != nil {
		return nil, err
	}
	return cluster, nil
}

// URL returns the connection string of a role for the cluster's database, for as long as the cluster is open.
func (c *Cluster) URL(role string) string { return c.DatabaseURL(role, Database) }

// DatabaseURL returns the connection string of a role for any database of the cluster.
func (c *Cluster) DatabaseURL(role, database string) string {
	query := url.Values{"host": {c.sockets}, "port": {port}}
	return "postgres://" + url.PathEscape(role) + "@/" + url.PathEscape(database) + "?" + query.Encode()
}

// Run makes the cluster if there is none, starts it, calls ready when it accepts connections, and blocks until it ends.
// It returns nil after a clean stop because ctx ended, else why PostgreSQL ended. A postmaster that an earlier process
// of ours left behind is stopped first; a folder that another living process uses is a fault.Conflict.
func (c *Cluster) Run(ctx context.Context, ready func()) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.stopOrphan(ctx); err != nil {
		return err
	}
	if err := c.makeOnce(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := c.writeAccess(); err != nil {
		return err
	}
	return c.serve(ctx, ready)
}

// serve is one life of the postmaster.
func (c *Cluster) serve(ctx context.Context, ready func()) error {
	args := append([]string{"-D", c.data()}, c.settings()...)
	cmd := c.command(c.bin.postgres, args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	pid, ended := startAndWait(cmd, func() string { return c.forward(ctx, said) })
	if pid == 0 {
		return <-ended
	}
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go c.watch(watch, pid, ready)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return stop(pid, ended)
	}
}

// startAndWait starts cmd and waits for it on one locked thread: the kernel sends the parent-death signal when the
// thread that started a child ends, so that thread has to live as long as the child. A pid of 0 says that it did not start.
func startAndWait(cmd *exec.Cmd, drain func() string) (pid int, ended <-chan error) {
	started := make(chan int, 1)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- 0
			done <- fmt.Errorf("start %s: %w", cmd.Path, err)
			return
		}
		started <- cmd.Process.Pid
		last := drain()
		done <- describe(cmd.Wait(), last)
	}()
	return <-started, done
}

func describe(err error, last string) error {
	switch {
	case err != nil && last != "":
		return fmt.Errorf("postgres ended: %w: %s", err, last)
	case err != nil:
		return fmt.Errorf("postgres ended: %w", err)
	}
	return errEnded
}

var errEnded = errors.New("postgres ended by itself")

// stop asks for a fast shutdown, then insists.
func stop(pid int, ended <-chan error) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, stopTime}, {syscall.SIGQUIT, quitTime}} {
		_ = syscall.Kill(pid, step.signal)
		select {
		case err := <-ended:
			return cleanly(err)
		case <-time.After(step.wait):
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // its group: backends too
	return <-ended
}

// cleanly turns the exit that we asked for into nil.
func cleanly(err error) error {
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

// watch calls ready once the postmaster writes that it is.
func (c *Cluster) watch(ctx context.Context, pid int, ready func()) {
	tick := time.NewTicker(statusPoll)
	defer tick.Stop()
	for {
		if p := readPidFile(c.data()); p.pid == pid && p.ready {
			ready()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Cluster) data() string { return filepath.Join(c.config.Dir, "data") }

// command makes a command that runs as the cluster's owner, apart from our terminal and from our environment.
func (c *Cluster) command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = c.config.Dir
	cmd.Env = []string{"PATH=" + c.bin.dir + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = childAttributes()
	if c.owner.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.owner.uid, Gid: c.owner.gid}
	}
	return cmd
}

// settings returns the server's settings as arguments. Durability is not for sale; memory is modest, because the
// database is small and shares the machine with the metrics engine.
func (c *Cluster) settings() []string {
	settings := map[string]string{
		"listen_addresses": "", "port": port, "unix_socket_directories": c.sockets, "cluster_name": "nines",
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"max_connections": "60", "shared_buffers": "64MB", "work_mem": "8MB", "maintenance_work_mem": "64MB",
		"max_wal_size": "512MB", "max_worker_processes": "4", "max_parallel_workers": "2", "jit": "off",
		"timezone": "UTC", "log_timezone": "UTC", "log_destination": "stderr", "logging_collector": "off",
		"log_line_prefix": "", "log_checkpoints": "off",
		// "log" leaves out statements that failed: whoever sent one has been told and logs it in context.
		"log_min_messages": "log",
	}
	maps.Copy(settings, c.config.ExtraSettings)
	args := make([]string, 0, 2*len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) { // sorted, so that two starts look the same in a process list
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// version returns the major version that made the cluster, or "" where there is none yet.
func (c *Cluster) version() string {
	raw, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}
