package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// lock keeps other processes of ours off the folder. The kernel drops it when this process dies, however it dies, so
// whoever holds it knows that a postmaster still running here is nobody's.
func (c *Cluster) lock() (unlock func(), err error) {
	path := filepath.Join(c.config.Dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the PostgreSQL cluster: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.New(fault.Conflict, "another process uses the data folder %s; stop it first, or choose another folder", c.config.Dir)
		}
		return nil, fmt.Errorf("lock the PostgreSQL cluster: %w", err)
	}
	return func() { f.Close() }, nil
}

// pidFile is what a postmaster writes about itself.
type pidFile struct {
	pid   int
	ready bool // accepts connections
}

// Lines of postmaster.pid, counted from 0.
const (
	pidLine    = 0
	statusLine = 7
)

// readPidFile returns the zero value where there is no postmaster.pid, or only the beginning of one.
func readPidFile(data string) pidFile {
	raw, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[pidLine]))
	if err != nil || pid <= 0 {
		return pidFile{}
	}
	return pidFile{pid: pid, ready: len(lines) > statusLine && strings.TrimSpace(lines[statusLine]) == "ready"}
}

// stopOrphan stops a postmaster that a killed process of ours left running on this folder. The caller holds the lock.
func (c *Cluster) stopOrphan(ctx context.Context) error {
	pid := readPidFile(c.data()).pid
	if pid == 0 || !alive(pid) {
		return nil // PostgreSQL itself clears what is stale
	}
	if !strings.Contains(arguments(pid), c.data()) {
		// The number belongs to another process by now. PostgreSQL would take that for a running server and refuse.
		return os.Remove(filepath.Join(c.data(), "postmaster.pid"))
	}
	c.config.Log.Info("stopping a PostgreSQL that an earlier process left running", "pid", pid)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL left running as process %d: %w", pid, err)
		}
		if gone(ctx, pid, stopTime) {
			return nil
		}
	}
	return fmt.Errorf("the PostgreSQL left running as process %d does not stop", pid)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

func gone(ctx context.Context, pid int, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(statusPoll)
	defer tick.Stop()
	for alive(pid) && !zombie(pid) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
