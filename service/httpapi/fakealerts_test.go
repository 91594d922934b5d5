package httpapi

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// acmesSilence is always there, and acme's people may end it.
const acmesSilence = "6d8f0a52-3a51-4b4e-9b5e-0c8a3e4a1f01"

// kept are the silences of the world; it remembers them by Alertmanager's rules. The caller holds the lock.
func (w *world) kept() []alerting.Silence {
	if w.silences == nil {
		begin := time.Now().Add(-time.Hour)
		for tenant, id := range map[string]string{"acme": acmesSilence, "globex": "6d8f0a52-3a51-4b4e-9b5e-0c8a3e4a1f02"} {
			w.silences = append(w.silences, alerting.Silence{
				ID: id, Tenant: tenant, Matchers: []alerting.Matcher{{Name: "of", Value: tenant, IsEqual: true}}, StartsAt: begin,
				EndsAt: begin.Add(24 * time.Hour), UpdatedAt: begin, CreatedBy: tenant, Comment: "the world of " + tenant,
			})
		}
	}
	return w.silences
}

func (w *world) findSilence(scope access.Scope, id string) int {
	return slices.IndexFunc(w.kept(), func(s alerting.Silence) bool { return s.ID == id && scope.Allows(s.Tenant) })
}

func (w *world) PutSilence(ctx context.Context, who access.Principal, s alerting.Silence) (alerting.Silence, error) {
	now := time.Now()
	if err := w.gate(ctx); err != nil {
		return s, err
	}
	if err := alerting.CheckSilence(s, now); err != nil {
		return s, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if who.Tenant != "" {
		s.Tenant = who.Tenant
	}
	if s.ID == "" {
		made := s.Begin(uuid.NewString(), now)
		w.silences = append(w.kept(), made)
		return made, nil
	}
	i := w.findSilence(who.Scope(), s.ID)
	if i < 0 {
		return s, fault.New(fault.NotFound, "there is no such silence")
	}
	current, replaced := w.silences[i].Replace(s, uuid.NewString(), now)
	if replaced == nil {
		w.silences[i] = current
		return current, nil
	}
	w.silences[i] = *replaced
	w.silences = append(w.silences, current)
	return current, nil
}

func (w *world) ExpireSilence(ctx context.Context, who access.Principal, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := w.findSilence(who.Scope(), id)
	if i < 0 {
		return fault.New(fault.NotFound, "there is no such silence")
	}
	w.silences[i] = w.silences[i].Expire(time.Now())
	return nil
}

func (w *world) Silence(ctx context.Context, scope access.Scope, id string) (alerting.Silence, error) {
	if err := w.gate(ctx); err != nil {
		return alerting.Silence{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.findSilence(scope, id); i >= 0 {
		return w.silences[i], nil
	}
	return alerting.Silence{}, fault.New(fault.NotFound, "there is no such silence")
}

func (w *world) Silences(ctx context.Context, scope access.Scope, _ alerting.SilenceFilter) ([]alerting.Silence, error) {
	if err := w.gate(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return inScope(scope, w.kept(), func(s alerting.Silence) string { return s.Tenant }), nil
}

func (w *world) SilenceHistory(ctx context.Context, scope access.Scope, id string) ([]alerting.SilenceVersion, error) {
	s, err := w.Silence(ctx, scope, id)
	return []alerting.SilenceVersion{{Silence: s, Version: 1, Actor: "token:x", Name: "x"}}, err
}

func (w *world) AlertHistory(ctx context.Context, scope access.Scope, f alerting.HistoryFilter) (alerting.HistoryPage, error) {
	all := []alerting.Event{
		{ID: 8, Tenant: "acme", Fingerprint: "25c2cdb12d31dc50", Kind: alerting.EventSuppressed, Verdict: &alerting.Verdict{
			SilencedBy: []string{acmesSilence}, InhibitedBy: []string{}, MutedBy: []string{}}},
		{ID: 7, Tenant: "acme", Fingerprint: "25c2cdb12d31dc50", Kind: alerting.EventFired},
		{ID: 6, Tenant: "globex", Fingerprint: "25c2cdb12d31dc50", Kind: alerting.EventFired},
	}
	mine := inScope(scope, all, func(e alerting.Event) string { return e.Tenant })
	mine = slices.DeleteFunc(mine, func(e alerting.Event) bool { return f.Before > 0 && e.ID >= f.Before })
	page := alerting.HistoryPage{Events: mine[:min(len(mine), f.Limit)]}
	if len(mine) > f.Limit {
		page.Next = page.Events[f.Limit-1].ID
	}
	return page, w.gate(ctx)
}

func (w *world) PingHeartbeat(ctx context.Context, who access.Principal, name string) (alerting.Ping, error) {
	if name == "nobody" {
		return alerting.Ping{}, fault.New(fault.NotFound, "there is no heartbeat %q", name)
	}
	return alerting.Ping{Tenant: who.Tenant, Name: name, LastAt: time.Now(), Actor: who.ID}, w.gate(ctx)
}

func (w *world) PingWithKey(ctx context.Context, name, key string) (alerting.Ping, error) {
	if key != "the-right-key" {
		return alerting.Ping{}, fault.New(fault.Unauthorized, "this is not the key of heartbeat %q", name)
	}
	return alerting.Ping{Name: name, LastAt: time.Now()}, w.gate(ctx)
}

func (w *world) HeartbeatStates(ctx context.Context, scope access.Scope) ([]alerting.HeartbeatState, error) {
	all := []alerting.HeartbeatState{
		{Heartbeat: alerting.Heartbeat{Name: "acme-backup", Tenant: "acme", Interval: time.Hour, Severity: "critical"}},
		{Heartbeat: alerting.Heartbeat{Name: "globex-backup", Tenant: "globex", Interval: time.Hour, Severity: "critical"}},
	}
	return inScope(scope, all, func(h alerting.HeartbeatState) string { return h.Tenant }), w.gate(ctx)
}

func (w *world) Explain(ctx context.Context, who access.Principal, a alerting.Alert) (Explanation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	judge := alerting.NewJudge(alerting.Rules{}, inScope(who.Scope(), w.kept(), func(s alerting.Silence) string { return s.Tenant }), nil, time.Now())
	return Explanation{Findings: judge.Explain(a), Held: judge.Verdict(a).Suppressed()}, nil
}

// GiveWay has nothing to wait for.
func (w *world) GiveWay(context.Context) {}
