package service

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/telemetry"
)

const (
	watchdogTimeout = 10 * time.Second
	watchdogFirst   = 5 * time.Second // after the start, when the engine has come up
	watchdogLeast   = time.Second     // tests; production asks a switch once a minute
)

// watchdog tells a dead man's switch outside of us that alerts still reach people. It keeps silent when they don't, and
// when we are dead it cannot but be silent: then the switch pages.
type watchdog struct {
	address func() (string, error) // read at each ping, so that a new one needs no restart
	method  string
	every   time.Duration
	trouble func(context.Context) []string // what keeps alerts from reaching people, in plain words
	client  *http.Client
	metrics *telemetry.WatchdogMetrics
	log     *slog.Logger

	said string // the last trouble that was logged
}

// run pings until ctx ends.
func (w *watchdog) run(ctx context.Context) error {
	next := time.NewTimer(min(w.every, watchdogFirst))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		next.Reset(w.every)
		w.metrics.Pinged(w.ping(ctx), time.Now())
	}
}

// ping returns "sent", "failed" or "withheld".
func (w *watchdog) ping(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, watchdogTimeout)
	defer cancel()
	if trouble := w.trouble(ctx); len(trouble) > 0 {
		w.say("the outside switch is not told that we are well", strings.Join(trouble, "; "))
		return "withheld"
	}
	if err := w.tell(ctx); err != nil {
		w.say("the outside switch could not be told that we are well", err.Error())
		return "failed"
	}
	w.say("the outside switch is told that we are well", "")
	return "sent"
}

// say logs what is news.
func (w *watchdog) say(what, why string) {
	if said := what + why; said == w.said {
		return
	} else if w.said = said; why == "" {
		w.log.Info(what)
		return
	}
	w.log.Error(what, "reason", why)
}

// tell never lets the address, which is a secret at most switches, into an error.
func (w *watchdog) tell(ctx context.Context) error {
	address, err := w.address()
	if err != nil {
		return fault.New(fault.Invalid, "the file of --watchdog-url-file cannot be read")
	}
	req, err := http.NewRequestWithContext(ctx, w.method, address, nil)
	if err != nil {
		return fault.New(fault.Invalid, "the watchdog's URL is not valid")
	}
	res, err := w.client.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "no answer")
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", res.StatusCode)
	}
	return nil
}

// watchdog returns the configured one, nil for none.
func (p *plane) watchdog() *watchdog {
	c := p.config
	if c.WatchdogURL == "" && c.WatchdogURLFile == "" {
		return nil
	}
	return &watchdog{
		address: c.watchdogAddress, method: strings.ToUpper(c.WatchdogMethod), every: c.WatchdogEvery, trouble: p.pagingTrouble,
		client:  &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		metrics: telemetry.NewWatchdogMetrics(p.telemetry.Registry), log: p.log,
	}
}

func (c Config) watchdogAddress() (string, error) {
	if c.WatchdogURLFile == "" {
		return c.WatchdogURL, nil
	}
	raw, err := os.ReadFile(c.WatchdogURLFile)
	return strings.TrimSpace(string(raw)), err
}

// pagingTrouble looks at all that lies between trouble and people.
func (p *plane) pagingTrouble(ctx context.Context) (out []string) {
	if err := p.engine.Ready(ctx); err != nil {
		out = append(out, "the metrics engine does not answer: "+err.Error())
	}
	found, err := p.db.PagingTrouble(ctx)
	if err != nil {
		out = append(out, "the database does not answer: "+err.Error())
	}
	return slices.Concat(out, found)
}
