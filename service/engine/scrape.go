package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// Changes of targets take effect this soon; the libraries' five seconds each would be most of a cold start.
const targetDelay = 200 * time.Millisecond

// scraper finds targets and takes their samples, except while the disk is nearly full.
type scraper struct {
	log       *slog.Logger
	disk      *disk
	scrapes   *scrape.Manager
	discovery *discovery.Manager
	cancel    context.CancelFunc
	group     sync.WaitGroup
	began     bool
}

func newScraper(samples storage.Appendable, d *disk, log *slog.Logger, registry prometheus.Registerer) (*scraper, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scraper{log: log, disk: d, cancel: cancel}
	found, err := discovery.CreateAndRegisterSDMetrics(registry)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("discovery metrics: %w", err)
	}
	s.discovery = discovery.NewManager(ctx, s.log, registry, found, discovery.Name("scrape"), discovery.Updatert(targetDelay))
	s.scrapes, err = scrape.NewManager(&scrape.Options{
		EnableNativeHistogramsIngestion: true,
		DiscoveryReloadInterval:         model.Duration(targetDelay),
	}, s.log, nil, samples, registry)
	if err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// apply takes over a configuration that has been checked.
func (s *scraper) apply(c *config.Config) error {
	if err := s.scrapes.ApplyConfig(c); err != nil {
		return fmt.Errorf("apply scrape configuration: %w", err)
	}
	jobs, err := c.GetScrapeConfigs()
	if err != nil {
		return fmt.Errorf("read scrape configuration: %w", err)
	}
	targets := make(map[string]discovery.Configs, len(jobs))
	for _, job := range jobs {
		targets[job.JobName] = job.ServiceDiscoveryConfigs
	}
	return s.discovery.ApplyConfig(targets)
}

func (s *scraper) start() {
	s.began = true
	admitted := make(chan map[string][]*targetgroup.Group)
	s.group.Go(func() { _ = s.discovery.Run() }) // ends only with its context
	ctx, cancel := context.WithCancel(context.Background())
	stop := s.cancel
	s.cancel = func() { stop(); cancel() }
	s.group.Go(func() { s.admit(ctx, admitted) })
	s.group.Go(func() { _ = s.scrapes.Run(admitted) }) // ends only when stopped
}

// admit passes targets on, and none of them while the disk is nearly full.
func (s *scraper) admit(ctx context.Context, out chan<- map[string][]*targetgroup.Group) {
	var latest map[string][]*targetgroup.Group
	for {
		select {
		case <-ctx.Done():
			return
		case latest = <-s.discovery.SyncCh():
		case <-s.disk.changed:
		}
		targets := latest
		if s.disk.low.Load() {
			targets = make(map[string][]*targetgroup.Group, len(latest))
			for job := range latest { // a job that is left out would keep its targets
				targets[job] = nil
			}
		}
		select {
		case <-ctx.Done():
			return
		case out <- targets:
		}
	}
}

func (s *scraper) stop() {
	s.cancel()
	if s.began {
		s.scrapes.Stop()
		s.group.Wait()
	}
}
