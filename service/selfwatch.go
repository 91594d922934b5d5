package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
)

const (
	selfwatchEvery  = 5 * time.Second
	engineDownAfter = 30 * time.Second // a restart takes a second or two and is no reason to wake anybody
	engineDownLasts = 5 * time.Minute  // the alert's end while it is told again
)

// engineWatch raises the one alert that the metrics engine cannot: that it is down, and with it every burn alert.
type engineWatch struct {
	ready func(context.Context) error
	tell  func(context.Context, alerting.Alert) error
	url   string // of the runbook

	downSince time.Time // zero while it answers
	told      time.Time // when the alert began; zero while there is none
}

// look asks the engine once and tells the alert, its going on or its end. What could not be told is told at the next look.
func (w *engineWatch) look(ctx context.Context, now time.Time) error {
	if w.ready(ctx) == nil {
		w.downSince = time.Time{}
		if w.told.IsZero() {
			return nil
		}
		if err := w.tell(ctx, w.alert(now)); err != nil {
			return err
		}
		w.told = time.Time{}
		return nil
	}
	if w.downSince.IsZero() {
		w.downSince = now
	}
	if now.Sub(w.downSince) < engineDownAfter {
		return nil
	}
	if w.told.IsZero() {
		w.told = w.downSince
	}
	return w.tell(ctx, w.alert(now.Add(engineDownLasts)))
}

func (w *engineWatch) alert(ends time.Time) alerting.Alert {
	labels := map[string]string{"alertname": "EngineDown", "service": "nines", "severity": "critical"}
	return alerting.Alert{
		Fingerprint: alerting.Fingerprint(labels), Labels: labels, StartsAt: w.told, EndsAt: ends,
		Annotations: map[string]string{
			"title":       "The metrics engine does not answer",
			"summary":     "Nothing is measured and no burn alert can fire until it is back. Alerts that arrive from elsewhere still page.",
			"runbook_url": w.url,
		},
	}
}

// watchEngineDown is the watch as periodic work.
func (p *plane) watchEngineDown() func(context.Context) error {
	w := &engineWatch{ready: p.engine.Ready, url: p.runbookURL("engine-down"), tell: func(ctx context.Context, a alerting.Alert) error {
		return p.db.ReceiveAlerts(ctx, access.System("selfwatch"), []alerting.Alert{a}, p.routing())
	}}
	return func(ctx context.Context) error { return w.look(ctx, time.Now().UTC()) }
}
