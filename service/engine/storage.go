package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// longestBlock keeps a block small enough to lose: retention and quarantine take whole blocks.
const longestBlock = 31 * 24 * time.Hour

// headParts is everything that stands for samples not yet in a block. They belong together: chunk files name series by
// numbers that only the log beside them explains.
var headParts = []string{"wal", "wbl", "chunks_head"}

// blockName matches a ULID, the name of a block's folder.
var blockName = regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)

// store is the samples on disk.
type store struct {
	*tsdb.DB
	stats *tsdb.DBStats
	// headEnd is the time of the newest sample found at start, in Unix milliseconds; 0 where there was none.
	headEnd int64
}

// openStore opens the samples. What is damaged is moved to the quarantine folder, and the rest opened; only trouble that
// moving cannot mend is an error: no room, no permission, a folder in use.
func openStore(c Config, m *metrics) (*store, error) {
	q := quarantine{dir: c.quarantineDir(), data: c.tsdbDir(), log: c.Log, metrics: m}
	if err := q.blocksWithoutMeta(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "look through the samples in %s", c.tsdbDir())
	}
	const attempts = 3 // as it is, without bad blocks, without the head
	var err error
	for range attempts {
		var s *store
		if s, err = tryOpen(c, m); err == nil {
			return s, nil
		}
		if beyondRepair(err) {
			break
		}
		c.Log.Error("the samples do not open", "error", err)
		moved, moveErr := q.damaged()
		if moveErr != nil {
			return nil, fault.Wrap(fault.Unavailable, errors.Join(err, moveErr), "move damaged samples aside")
		}
		if !moved {
			break
		}
	}
	return nil, fault.Wrap(fault.Unavailable, err, "open the samples in %s", c.tsdbDir())
}

func tryOpen(c Config, m *metrics) (*store, error) {
	s := &store{stats: tsdb.NewDBStats()}
	registry := prometheus.NewRegistry() // a failed attempt leaves its metrics registered
	options := tsdb.DefaultOptions()
	options.RetentionDuration = c.Retention.Milliseconds()
	options.MaxBlockDuration = max(options.MinBlockDuration, min(longestBlock, c.Retention/10).Milliseconds())
	options.WALCompression = compression.Snappy
	options.EnableNativeHistograms = true
	options.EnableExemplarStorage = true
	options.MaxExemplars = config.DefaultExemplarsConfig.MaxExemplars
	db, err := tsdb.Open(c.tsdbDir(), c.library("tsdb"), registry, options, s.stats)
	if err != nil {
		return nil, err
	}
	s.DB = db
	if end := db.Head().MaxTime(); end > 0 {
		s.headEnd = end
	}
	m.storage = registry
	return s, nil
}

// beyondRepair reports trouble that is not in the data. Moving the data away then would lose it for nothing.
func beyondRepair(err error) bool {
	return slices.ContainsFunc([]error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
		syscall.EAGAIN, fs.ErrPermission,
	}, func(target error) bool { return errors.Is(err, target) }) || strings.Contains(err.Error(), "lock DB directory")
}

func (s *store) close() error { return s.DB.Close() }

// Stats and WALReplayStatus complete what the HTTP API asks of a database.
func (s *store) Stats(label string, limit int) (*tsdb.Stats, error) {
	return s.Head().Stats(label, limit), nil
}

// WALReplayStatus says how far reading back has come; the API is not served before it is done.
func (s *store) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return s.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

// quarantine is where damaged samples go, so that a person can look at them.
type quarantine struct {
	dir, data string
	log       *slog.Logger
	metrics   *metrics
}

// blocksWithoutMeta moves block folders that have lost their description, which the storage would ignore without a word.
func (q quarantine) blocksWithoutMeta() error {
	return q.eachBlock(func(name string) error {
		_, err := os.Stat(filepath.Join(q.data, name, "meta.json"))
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return q.move("block", name, "it has no meta.json")
	})
}

// damaged moves the blocks that do not open, or, where all do, the head.
func (q quarantine) damaged() (moved bool, err error) {
	err = q.eachBlock(func(name string) error {
		block, err := tsdb.OpenBlock(slog.New(slog.DiscardHandler), filepath.Join(q.data, name), nil, nil)
		if err == nil {
			return block.Close()
		}
		if beyondRepair(err) {
			return err
		}
		moved = true
		return q.move("block", name, err.Error())
	})
	if moved || err != nil {
		return moved, err
	}
	return q.head()
}

// head moves everything that is not yet in a block.
func (q quarantine) head() (moved bool, err error) {
	parts := slices.Clone(headParts)
	snapshots, _ := filepath.Glob(filepath.Join(q.data, "chunk_snapshot.*")) // the pattern is sound
	for _, s := range snapshots {
		parts = append(parts, filepath.Base(s))
	}
	for _, part := range parts {
		if _, err := os.Stat(filepath.Join(q.data, part)); err != nil {
			continue
		}
		if err := q.move("head", part, "the samples not yet in a block cannot be read back"); err != nil {
			return moved, err
		}
		moved = true
	}
	return moved, nil
}

func (q quarantine) eachBlock(do func(name string) error) error {
	entries, err := os.ReadDir(q.data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() || !blockName.MatchString(entry.Name()) {
			continue
		}
		if err := do(entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (q quarantine) move(part, name, why string) error {
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return err
	}
	to := filepath.Join(q.dir, fmt.Sprintf("%s-%s", time.Now().UTC().Format("20060102T150405.000000000"), name))
	if err := os.Rename(filepath.Join(q.data, name), to); err != nil {
		return err
	}
	q.metrics.quarantined.WithLabelValues(part).Inc()
	q.log.Error("damaged samples were moved aside; the time they covered is a gap now", "part", name, "to", to, "reason", why)
	return nil
}
