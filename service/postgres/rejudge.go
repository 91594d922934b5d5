package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
)

const rejudgeBatch = 200 // alerts changed in one transaction

// After a change all alerts are looked at several times, since an intake that began before it may be committed after the
// first look: at first every second, then at growing intervals, and from time to time for good measure.
const (
	rejudgeSoon  = time.Second
	rejudgeEvery = 30 * time.Second
)

// bench is what the last look at all alerts was based on.
type bench struct {
	mu      sync.Mutex
	basis   string
	changed time.Time // when the basis was seen to change
	looked  time.Time
}

// due reports whether all alerts are to be looked at on this basis. Times are this process' own.
func (b *bench) due(basis string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if basis != b.basis {
		b.basis, b.changed = basis, now
	}
	if b.looked.Before(b.changed) {
		return true
	}
	return now.Sub(b.looked) >= min(max(b.looked.Sub(b.changed)/2, rejudgeSoon), rejudgeEvery)
}

func (b *bench) done(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked = now
}

// RejudgeAlerts looks at the alerts that fire and lets those whose verdict has changed join, open or hold incidents, also
// where nobody tells them again: a silence was set or has expired, a window opened or closed, an alert that inhibits
// others began or ended. It returns how many changed. While nothing of that changes it asks little. Any number of
// replicas may call it.
func (d *DB) RejudgeAlerts(ctx context.Context, routing Routing) (int, error) {
	turned, err := d.turned(ctx, routing)
	all := 0
	for err == nil && len(turned) > 0 {
		some := turned[:min(len(turned), rejudgeBatch)]
		turned = turned[len(some):]
		var n int
		n, err = d.rejudge(ctx, routing, some)
		all += n
	}
	return all, explain(ctx, err, "judge alerts again")
}

const firingAlertsSQL = `
select id, ` + alertColumns + `
from alerts
where open and ends_at > @now and (@everyone or verdict is not null)`

// turned returns the alerts whose verdict is not what is stored, in the order in which rows are locked.
func (d *DB) turned(ctx context.Context, routing Routing) (turned []stored, err error) {
	began := time.Now()
	looked := false
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		turned, looked = nil, false
		in := intake{tx: tx, routing: routing, now: now}
		basis, err := in.judgeAll(ctx)
		if err != nil || !d.bench.due(basis, began) {
			return err
		}
		looked = true
		firing, err := rows(ctx, tx, firingAlertsSQL, pgx.NamedArgs{"now": now, "everyone": in.judge != nil}, scanStored)
		for _, s := range firing {
			if !identical(s.Verdict, in.verdict(s.Alert)) {
				turned = append(turned, s)
			}
		}
		return err
	})
	if err == nil && looked {
		d.bench.done(began)
	}
	slices.SortFunc(turned, func(a, b stored) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return turned, err
}

// judgeAll prepares verdicts on any alert, and returns what they are based on.
func (in *intake) judgeAll(ctx context.Context) (basis string, err error) {
	rules := in.routing.Rules
	silences, err := rows(ctx, in.tx, silencesInForceSQL, pgx.NamedArgs{"now": in.now}, scanSilence)
	if err != nil {
		return "", err
	}
	firing, err := sources(ctx, in.tx, rules, in.now, nil)
	if err != nil {
		return "", err
	}
	var open []string
	for _, w := range rules.Maintenance {
		if _, _, ok := w.Active(in.now); ok {
			open = append(open, w.Name)
		}
	}
	if len(silences)+len(firing)+len(open) > 0 {
		in.seat(silences, firing)
	}
	keys := column(firing, keyOf)
	slices.SortFunc(keys, func(a, b alertKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.fingerprint, b.fingerprint))
	})
	slices.SortFunc(silences, func(a, b alerting.Silence) int { return cmp.Compare(a.ID, b.ID) })
	texts := column(keys, func(k alertKey) string { return k.tenant + "/" + k.fingerprint })
	text, err := json.Marshal([]any{silences, open, texts, rules.Inhibit, rules.Maintenance})
	return string(text), err
}

const lockFiringSQL = `
select id, ` + alertColumns + `
from alerts
where open and ends_at > @now and (tenant_id, id) in (select * from unnest(@tenants::text[], @ids::bigint[]))
order by tenant_id, fingerprint
for no key update skip locked`

// rejudge applies the verdicts on some alerts as they are once their rows are locked; those that somebody else has locked
// are judged there, or the next time.
func (d *DB) rejudge(ctx context.Context, routing Routing, some []stored) (n int, err error) {
	err = d.paging.change(ctx, access.Operator(), func(ctx context.Context, tx querier, now time.Time) error {
		n = 0
		in := intake{tx: tx, who: access.System("alerts"), routing: routing, now: now}
		if _, err := in.judgeAll(ctx); err != nil {
			return err
		}
		locked, err := rows(ctx, tx, lockFiringSQL, pgx.NamedArgs{
			"now": now, "tenants": column(some, func(s stored) string { return s.Tenant }),
			"ids": column(some, func(s stored) int64 { return s.id }),
		}, scanStored)
		if err != nil {
			return err
		}
		for _, s := range locked {
			if !identical(s.Verdict, in.verdict(s.Alert)) {
				in.classify(telling{stored: s, alert: s.Alert})
				n++
			}
		}
		if err := in.findNews(ctx); err != nil {
			return err
		}
		return in.settle(ctx)
	})
	return n, err
}
