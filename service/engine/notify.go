package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	alertsPerPost  = 64
	mostPending    = 50_000 // alerts; the oldest news goes first
	postTimeout    = 5 * time.Second
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 5 * time.Second
	lastPosts      = 2 * time.Second // for what is pending when the engine stops
	tracerName     = "github.com/nines-sre/nines/service/engine"
)

// postedAlert is the Alertmanager API's form of an alert.
type postedAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// news is up to alertsPerPost alerts of one evaluation of one rule, which travel together under one trace.
type news struct {
	alerts map[string]postedAlert // by labels
	span   trace.Span
}

// sender posts alerts until the receiver takes them. Of each alert only the newest state waits, so a receiver that was
// away hears what is true now; what it refuses as malformed is given up, as it would be refused again.
type sender struct {
	url      string // "" sends nothing
	token    string
	external string
	client   *http.Client
	tracer   trace.Tracer
	log      *slog.Logger
	metrics  *metrics
	cancel   context.CancelFunc
	done     chan struct{}
	wake     chan struct{}

	mu      sync.Mutex
	common  labels.Labels // external labels, put on every alert that lacks them
	queue   []*news       // oldest first
	waiting map[string]*news
}

func newSender(c Config, m *metrics) *sender {
	s := &sender{
		token: c.AlertsToken, external: strings.TrimRight(c.ExternalURL, "/"),
		client: &http.Client{Timeout: postTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		tracer: tracer(), log: c.Log.With("part", "alerts"), metrics: m,
		wake: make(chan struct{}, 1), waiting: map[string]*news{},
	}
	if c.AlertsURL != "" {
		s.url = strings.TrimRight(c.AlertsURL, "/") + "/api/v2/alerts"
	}
	return s
}

// tracer returns the process's tracer, or, where nobody collects traces, one that only makes ids: the receiver's trace of
// an alert begins here either way.
func tracer() trace.Tracer {
	t := otel.Tracer(tracerName)
	_, span := t.Start(context.Background(), "probe")
	defer span.End()
	if span.SpanContext().IsValid() {
		return t
	}
	return sdktrace.NewTracerProvider().Tracer(tracerName)
}

// notify takes the news of one rule's evaluation. It never waits.
func (s *sender) notify(ctx context.Context, expr string, alerts ...*rules.Alert) {
	if s.url == "" {
		return
	}
	for len(alerts) > 0 {
		n := min(len(alerts), alertsPerPost)
		s.add(ctx, expr, alerts[:n])
		alerts = alerts[n:]
	}
}

func (s *sender) add(ctx context.Context, expr string, alerts []*rules.Alert) {
	item := &news{alerts: make(map[string]postedAlert, len(alerts))}
	_, item.span = s.tracer.Start(ctx, "send alerts", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.Int("nines.alerts", len(alerts)), attribute.String("nines.alert", alerts[0].Labels.Get(labels.AlertName))))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range alerts {
		posted := s.posted(expr, a)
		key := labels.FromMap(posted.Labels).String()
		s.forget(key)
		item.alerts[key] = posted
		s.waiting[key] = item
	}
	s.queue = append(s.queue, item)
	s.dropOverflow()
	s.metrics.alertsPending.Set(float64(len(s.waiting)))
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sender) posted(expr string, a *rules.Alert) postedAlert {
	p := postedAlert{
		Labels: a.Labels.Map(), Annotations: a.Annotations.Map(),
		StartsAt: a.FiredAt.UTC(), EndsAt: a.ValidUntil.UTC(),
		GeneratorURL: s.external + strutil.GraphLinkForExpression(expr),
	}
	if !a.ResolvedAt.IsZero() {
		p.EndsAt = a.ResolvedAt.UTC()
	}
	s.common.Range(func(l labels.Label) {
		if _, present := p.Labels[l.Name]; !present {
			p.Labels[l.Name] = l.Value
		}
	})
	return p
}

// forget removes older news of the same alert that waits.
func (s *sender) forget(key string) {
	if older := s.waiting[key]; older != nil {
		delete(older.alerts, key)
		delete(s.waiting, key)
	}
}

func (s *sender) dropOverflow() {
	for len(s.waiting) > mostPending {
		oldest := s.queue[0]
		s.queue = s.queue[1:]
		s.metrics.alertsDropped.WithLabelValues("overflow").Add(float64(len(oldest.alerts)))
		for key := range oldest.alerts {
			delete(s.waiting, key)
		}
		s.end(oldest, fault.New(fault.Limited, "too many alerts wait"))
	}
}

func (s *sender) setCommon(common labels.Labels) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.common = common
}

func (s *sender) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
}

// stop gives what is pending a last chance.
func (s *sender) stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), lastPosts)
	defer cancel()
	for item := s.take(); item != nil && ctx.Err() == nil; item = s.take() {
		s.end(item, s.post(ctx, item))
	}
}

func (s *sender) run(ctx context.Context) {
	backoff := firstBackoff
	for {
		item := s.take()
		if item == nil {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
			continue
		}
		err := s.post(ctx, item)
		switch {
		case err == nil:
			backoff = firstBackoff
			s.metrics.alertsSent.Add(float64(len(item.alerts)))
			s.end(item, nil)
			continue
		case ctx.Err() == nil && fault.Is(err, fault.Invalid):
			s.metrics.alertsDropped.WithLabelValues("refused").Add(float64(len(item.alerts)))
			s.log.Error("alerts were refused and are given up", "alerts", len(item.alerts), "error", err)
			s.end(item, err)
			continue
		}
		s.putBack(item)
		s.metrics.alertsFailed.Inc()
		s.log.Warn("alerts could not be sent; trying again", "alerts", len(item.alerts), "in", backoff, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(backoff*2, longestBackoff)
	}
}

// take removes the oldest news from the queue; nil if there is none.
func (s *sender) take() *news {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		item := s.queue[0]
		s.queue = s.queue[1:]
		for key := range item.alerts {
			delete(s.waiting, key)
		}
		if len(item.alerts) > 0 {
			s.metrics.alertsPending.Set(float64(len(s.waiting)))
			return item
		}
		s.end(item, nil) // overtaken
	}
	return nil
}

// putBack queues what could not be sent behind the rest, so that one bad post never holds up the others, and without the
// alerts of which there is newer news.
func (s *sender) putBack(item *news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range item.alerts {
		if s.waiting[key] != nil {
			delete(item.alerts, key)
			continue
		}
		s.waiting[key] = item
	}
	s.queue = append(s.queue, item)
	s.metrics.alertsPending.Set(float64(len(s.waiting)))
}

func (s *sender) end(item *news, err error) {
	if err != nil {
		item.span.SetStatus(codes.Error, err.Error())
	}
	item.span.End()
}

// post sends once. A refusal that would come again is fault.Invalid, everything else may pass later.
func (s *sender) post(ctx context.Context, item *news) error {
	batch := make([]postedAlert, 0, len(item.alerts))
	for _, a := range item.alerts {
		batch = append(batch, a)
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "encode alerts")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(ctx, item.span), propagation.HeaderCarrier(req.Header))
	resp, err := s.client.Do(req)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "post alerts")
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only for the message
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusRequestEntityTooLarge || resp.StatusCode == http.StatusUnprocessableEntity:
		return fault.New(fault.Invalid, "the alert receiver answered %s: %s", resp.Status, answer)
	}
	return fault.New(fault.Unavailable, "the alert receiver answered %s: %s", resp.Status, answer)
}
