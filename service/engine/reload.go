package engine

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/prometheus/config"
)

// reloads serialises taking up configurations, and remembers the one in force.
type reloads struct {
	self string // address of the engine's own listener

	mu      sync.Mutex
	inForce *config.Config
	ok      bool
	at      time.Time
}

// reload reads the configuration and the rules again. A configuration that cannot be used changes nothing; a rule file
// that cannot be used leaves its last good rules in force and holds up no other file. Both are the returned error.
func (e *engine) reload() error {
	s, err := e.config.load(e.reloads.self)
	if err != nil {
		e.reloaded(err)
		return err
	}
	err = e.apply(s)
	e.reloaded(err)
	return err
}

// apply puts settings in force. Bad rule files at the start are logged and do not stop it: one promise that cannot be
// evaluated must not blind all others.
func (e *engine) apply(s *settings) error {
	e.reloads.mu.Lock()
	defer e.reloads.mu.Unlock()
	first := e.reloads.inForce == nil
	if err := e.store.ApplyConfig(s.prometheus); err != nil {
		return err
	}
	if err := e.scraper.apply(s.prometheus); err != nil {
		return err
	}
	e.sender.setCommon(s.prometheus.GlobalConfig.ExternalLabels)
	e.reloads.inForce = s.prometheus
	err := e.rules.update(s.prometheus, s.ruleFiles)
	e.reloads.ok, e.reloads.at = err == nil, time.Now()
	if first {
		e.noteReload(err)
		return nil
	}
	return err
}

func (e *engine) reloaded(err error) {
	e.noteReload(err)
	if err != nil {
		e.log.Error("the configuration and rules could not be taken up as they are", "error", err)
		return
	}
	e.log.Info("the configuration and rules were read again")
}

func (e *engine) noteReload(err error) {
	if err != nil {
		e.metrics.reloads.WithLabelValues("failure").Inc()
		e.metrics.reloadOK.Set(0)
		return
	}
	e.metrics.reloads.WithLabelValues("success").Inc()
	e.metrics.reloadOK.Set(1)
	e.metrics.reloadedAt.SetToCurrentTime()
}

// current returns the configuration in force.
func (r *reloads) current() config.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inForce == nil {
		return config.DefaultConfig
	}
	return *r.inForce
}

// outcome returns whether the last reload was good, and when it was.
func (r *reloads) outcome() (ok bool, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ok, r.at
}

var errNotReady = errors.New("the engine is still reading back its samples")
