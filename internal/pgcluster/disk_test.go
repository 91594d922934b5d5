package pgcluster

import "testing"

func TestTheDiskOfTheClusterIsLookedAt(t *testing.T) {
	t.Parallel()
	c := &Cluster{config: Config{Dir: t.TempDir()}}
	if free, err := c.FreeBytes(); err != nil || free <= 0 {
		t.Errorf("%d bytes are free: %v", free, err)
	}
	c.config.Dir += "/gone"
	if free, err := c.FreeBytes(); err == nil {
		t.Errorf("a folder that is gone has %d bytes free", free)
	}
}
