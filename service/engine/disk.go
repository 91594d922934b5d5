package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// smallestRoom is what opening the data needs at least: a log segment's first page, the head's chunk file and a repair.
const smallestRoom = 1 << 20

// disk watches the free space of the data folder. The storage below panics on a full disk, in a goroutine that nothing
// can catch, so samples stop before that.
type disk struct {
	config  Config
	log     *slog.Logger
	metrics *metrics
	low     atomic.Bool
	changed chan struct{} // wakes the scraper; holds at most one signal
	quit    chan struct{}
	group   sync.WaitGroup
}

func newDisk(c Config, m *metrics) *disk {
	d := &disk{config: c, log: c.Log, metrics: m, changed: make(chan struct{}, 1), quit: make(chan struct{})}
	d.look()
	return d
}

// roomToOpen refuses to open the data on a disk that is as good as full: that would panic and, started again at once,
// panic again.
func (d *disk) roomToOpen() error {
	need := max(int64(smallestRoom), d.config.MinFree/16)
	free, err := d.config.free(d.config.DataDir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "ask for the free space of %s", d.config.DataDir)
	}
	if free < need {
		return fault.New(fault.Unavailable, "the disk of %s is full: %d bytes are free and opening the samples needs %d; make room", d.config.DataDir, free, need)
	}
	return nil
}

// look takes the free space's measure. Samples stop below the mark and come back a fifth above it.
func (d *disk) look() {
	free, err := d.config.free(d.config.DataDir)
	if err != nil {
		d.log.Error("the free disk space is unknown", "error", err)
		return
	}
	d.metrics.diskFree.Set(float64(free))
	was := d.low.Load()
	is := free < d.config.MinFree || was && free < d.config.MinFree+d.config.MinFree/5
	if is == was {
		return
	}
	d.low.Store(is)
	d.metrics.setDiskLow(is)
	select {
	case d.changed <- struct{}{}:
	default:
	}
	if is {
		d.log.Error("the disk is nearly full; no samples are taken until there is room", "free", free, "needed", d.config.MinFree)
		return
	}
	d.log.Info("there is room on the disk again; samples are taken", "free", free)
}

func (d *disk) start() {
	d.group.Go(func() {
		tick := time.NewTicker(d.config.diskPoll)
		defer tick.Stop()
		for {
			select {
			case <-d.quit:
				return
			case <-tick.C:
				d.look()
			}
		}
	})
}

func (d *disk) stop() {
	close(d.quit)
	d.group.Wait()
}

// freeBytes returns what an unprivileged user may still write to the file system of dir.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the fields' types differ by system
}
