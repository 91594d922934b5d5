package telemetry

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

// How the client sends. A batch that Loki does not take is given up on after about half a minute, because the lines
// behind it wait that long.
const (
	lokiBatchWait  = time.Second
	lokiBatchSize  = 1 << 20
	lokiTimeout    = 5 * time.Second
	lokiRetries    = 4
	lokiMinBackoff = 500 * time.Millisecond
	lokiMaxBackoff = 5 * time.Second
)

// lokiSender sends through Grafana's client. The label is service_name alone; level and trace_id are fields of the
// line, where they cost no streams.
type lokiSender struct {
	client  *loki.Client
	labels  model.LabelSet
	lost    func() float64
	trouble *lastTrouble
}

func newLoki(raw, service string) (*lokiSender, error) {
	push, err := endpoint(raw, "/loki/api/v1/push")
	if err != nil {
		return nil, err
	}
	config, err := loki.NewDefaultConfig(push)
	if err != nil {
		return nil, fmt.Errorf("configure Loki's client: %w", err)
	}
	config.BatchWait, config.BatchSize, config.Timeout = lokiBatchWait, lokiBatchSize, lokiTimeout
	config.BackoffConfig.MaxRetries = lokiRetries
	config.BackoffConfig.MinBackoff, config.BackoffConfig.MaxBackoff = lokiMinBackoff, lokiMaxBackoff
	return startLoki(config, service)
}

func startLoki(config loki.Config, service string) (*lokiSender, error) {
	trouble := &lastTrouble{}
	client, err := loki.NewWithLogger(config, trouble)
	if err != nil {
		return nil, fmt.Errorf("start Loki's client: %w", err)
	}
	labels := model.LabelSet{"service_name": model.LabelValue(service)}
	return &lokiSender{client: client, labels: labels, lost: givenUp(config.URL.Host), trouble: trouble}, nil
}

func (l *lokiSender) Send(at time.Time, line string) { _ = l.client.Handle(l.labels, at, line) } // its error is always nil
func (l *lokiSender) Lost() float64                  { return l.lost() }
func (l *lokiSender) Trouble() string                { return l.trouble.text() }
func (l *lokiSender) Stop()                          { l.client.Stop() }

// lastTrouble takes the place of the client's own logger, which would write to stdout for every failed request. It
// keeps the last error for the report on drops.
type lastTrouble struct{ last atomic.Pointer[string] }

// Log is go-kit's logger interface: keys and values in turn.
func (t *lastTrouble) Log(keyvals ...any) error {
	for i := 0; i+1 < len(keyvals); i += 2 {
		if keyvals[i] == "error" && keyvals[i+1] != nil {
			text := fmt.Sprint(keyvals[i+1])
			t.last.Store(&text)
		}
	}
	return nil
}

func (t *lastTrouble) text() string {
	if p := t.last.Load(); p != nil {
		return *p
	}
	return "the store is slower than the log"
}

// givenUp reads how many lines for the host the client has taken and then given up on. The client counts them only in
// a metric of the default registry, which hands out the existing one to whoever registers it again.
func givenUp(host string) func() float64 {
	again := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "promtail", Name: "dropped_entries_total",
		Help: "Number of log entries dropped because failed to be sent to the ingester after all retries.",
	}, []string{"host"})
	var taken prometheus.AlreadyRegisteredError
	if !errors.As(prometheus.Register(again), &taken) {
		return func() float64 { return 0 }
	}
	vec, ok := taken.ExistingCollector.(*prometheus.CounterVec)
	if !ok {
		return func() float64 { return 0 }
	}
	only := prometheus.NewRegistry()
	only.MustRegister(vec.WithLabelValues(host))
	start := countOf(only)
	return func() float64 { return countOf(only) - start }
}

func countOf(g prometheus.Gatherer) float64 {
	families, err := g.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 1 {
		return 0
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}
