package pgcluster

import (
	"fmt"
	"syscall"
)

// FreeBytes returns what an unprivileged user may still write to the file system that the cluster lies on.
func (c *Cluster) FreeBytes() (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(c.config.Dir, &s); err != nil {
		return 0, fmt.Errorf("look at the disk of the PostgreSQL cluster: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the fields' types differ by system
}
