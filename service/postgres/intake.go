package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// intake is one transaction in which alerts arrive or end. Locks are taken in one order everywhere: alerts by
// fingerprint, then incidents by id, then pages.
type intake struct {
	tx      querier
	who     access.Principal
	routing Routing
	now     time.Time           // the database's
	trace   string              // W3C traceparent of the request
	traces  map[alertKey]string // of each alert its own, where several requests are worked off together
	judge   *alerting.Judge     // nil where nothing can keep an alert from paging
	words   map[string]string   // for people, of silences by id and of alerts by fingerprint

	aside     []telling // no incident hears of them
	refreshed []telling // firing as before
	joining   []telling // firing, with news for an incident
	muted     []telling // firing in an incident, and kept from paging from now on
	ended     []telling

	byID   map[string]*working   // incidents that are locked or new
	open   map[groupKey]*working // of those, the open one of each group
	order  []*working            // in which they were met
	voices map[string]*voices    // by incident; nil where nobody asks
	lately lately
	roster incidents.Roster // who can be called, where that may happen
}

// alertKey identifies an alert, groupKey the alerts that share an incident.
type (
	alertKey struct{ tenant, fingerprint string }
	groupKey struct{ tenant, group string }
)

func keyOf(a alerting.Alert) alertKey { return alertKey{a.Tenant, a.Fingerprint} }

// stored is an alert's open row.
type stored struct {
	id int64
	alerting.Alert
}

func scanStored(row pgx.CollectableRow) (s stored, err error) {
	return s, row.Scan(append([]any{&s.id}, alertFields(&s.Alert)...)...)
}

// telling is an alert as it will be stored, with its row as it was.
type telling struct {
	stored stored
	alert  alerting.Alert
	signal incidents.Signal // of those that an incident hears of
	fresh  bool             // was not firing before
}

// released reports whether the alert may page now and might not before.
func (t telling) released() bool { return t.stored.Verdict != nil && t.alert.Verdict == nil }

// working is an incident within the transaction, with what happens to it.
type working struct {
	incidents.Incident
	isNew    bool
	touched  bool
	changes  []incidents.Change
	gathered int      // alerts that joined it as a storm
	last     *telling // the last alert of a storm that ended
	closed   bool     // it keeps its group for itself from now on
	took     func([]incidents.Turn)
}

func (w *working) apply(c incidents.Change) {
	w.Incident, w.touched = c.Incident, true
	if len(c.Turns) > 0 {
		w.took(c.Turns)
	}
	if len(c.Events) > 0 || len(c.Pages) > 0 || c.CancelPages {
		w.changes = append(w.changes, c)
	}
}

// stillFiringGrace is how long an alert may keep firing after somebody resolved its incident by hand, before it counts as
// trouble anew: as long as the short window of the slower page, in which a mended service still looks broken.
const stillFiringGrace = 30 * time.Minute

func (in *intake) receive(ctx context.Context, told []alerting.Alert) error {
	rows, fresh, silences, err := in.lockAlerts(ctx, told)
	if err != nil {
		return err
	}
	if err := in.convene(ctx, told, silences); err != nil {
		return err
	}
	for _, a := range told {
		row, known := rows[keyOf(a)]
		if !known {
			continue // ended, and nobody knew it
		}
		if fresh[keyOf(a)] {
			in.classify(telling{stored: row, alert: a, fresh: true})
			continue
		}
		merged := alerting.Merge(row.Alert, a)
		// Trouble anew while the row is still open keeps the row and its incident: that is flapping.
		merged.Incident = row.Incident
		in.classify(telling{stored: row, alert: merged})
	}
	if err := in.findNews(ctx); err != nil {
		return err
	}
	return in.settle(ctx)
}

// classify says who is to hear of an alert. What ends passes always.
func (in *intake) classify(t telling) {
	if !t.alert.Firing(in.now) {
		t.alert.Verdict = nil
		in.ended = append(in.ended, t)
		return
	}
	t.alert.Verdict = in.verdict(t.alert)
	switch before, now := t.stored.Verdict != nil, t.alert.Verdict != nil; {
	case now && (before || t.stored.Incident == ""):
		in.aside = append(in.aside, t)
	case now:
		in.muted = append(in.muted, t)
	case t.fresh:
		in.joins(t)
	default:
		in.refreshed = append(in.refreshed, t)
	}
}

// joins lets an incident hear of the alert, unless the definitions say that none is to.
func (in *intake) joins(t telling) {
	if t.signal = in.signal(t.alert); t.signal.Drop {
		in.aside = append(in.aside, t)
		return
	}
	in.joining = append(in.joining, t)
}

const newAlertsSQL = `
insert into alerts (tenant_id, fingerprint, labels, annotations, starts_at, ends_at, updated_at, generator_url)
select tenant, fingerprint, labels::jsonb, annotations::jsonb, starts, ends, updated, url
from unnest(@tenants::text[], @fingerprints::text[], @labels::text[], @annotations::text[], @starts::timestamptz[],
    @ends::timestamptz[], @updated::timestamptz[], @urls::text[])
    as a (tenant, fingerprint, labels, annotations, starts, ends, updated, url)
where ends > @now
order by tenant, fingerprint
on conflict (tenant_id, fingerprint) where open do nothing
returning tenant_id, fingerprint`

const lockAlertsSQL = `
select id, ` + alertColumns + `
from alerts
where open and (tenant_id, fingerprint) in (select * from unnest(@tenants::text[], @fingerprints::text[]))
order by tenant_id, fingerprint
for no key update`

// lockAlerts makes rows for the alerts that fire and have none, locks the rows of all, and reads what is silenced.
func (in *intake) lockAlerts(ctx context.Context, told []alerting.Alert) (
	found map[alertKey]stored, fresh map[alertKey]bool, silences []alerting.Silence, err error,
) {
	args := alertArgs(told)
	args["now"] = in.now
	batch := &pgx.Batch{}
	fresh, found = map[alertKey]bool{}, map[alertKey]stored{}
	batch.Queue(newAlertsSQL, args).Query(func(r pgx.Rows) error {
		var k alertKey
		_, err := pgx.ForEachRow(r, []any{&k.tenant, &k.fingerprint}, func() error { fresh[k] = true; return nil })
		return err
	})
	batch.Queue(lockAlertsSQL, pgx.NamedArgs{"tenants": args["tenants"], "fingerprints": args["fingerprints"]}).Query(func(r pgx.Rows) error {
		all, err := pgx.CollectRows(r, scanStored)
		for _, s := range all {
			found[keyOf(s.Alert)] = s
		}
		return err
	})
	batch.Queue(silencesInForceSQL, pgx.NamedArgs{"now": in.now}).Query(func(r pgx.Rows) (err error) {
		silences, err = pgx.CollectRows(r, scanSilence)
		return err
	})
	return found, fresh, silences, send(ctx, in.tx, batch)
}

func alertArgs(alerts []alerting.Alert) pgx.NamedArgs {
	return pgx.NamedArgs{
		"tenants":      column(alerts, func(a alerting.Alert) string { return a.Tenant }),
		"fingerprints": column(alerts, func(a alerting.Alert) string { return a.Fingerprint }),
		"labels":       column(alerts, func(a alerting.Alert) string { return pairs(a.Labels) }),
		"annotations":  column(alerts, func(a alerting.Alert) string { return pairs(a.Annotations) }),
		"starts":       column(alerts, func(a alerting.Alert) time.Time { return a.StartsAt }),
		"ends":         column(alerts, func(a alerting.Alert) time.Time { return a.EndsAt }),
		"updated":      column(alerts, func(a alerting.Alert) time.Time { return a.UpdatedAt }),
		"urls":         column(alerts, func(a alerting.Alert) string { return a.GeneratorURL }),
	}
}

func pairs(m map[string]string) string {
	if m == nil {
		return "{}"
	}
	text, _ := json.Marshal(m) // a map of strings always encodes
	return string(text)
}

// findNews moves refreshed alerts that have something to say to their incident to those that join. The rest, nearly all
// of them, cost no lock on their incident.
func (in *intake) findNews(ctx context.Context) error {
	if len(in.refreshed) == 0 {
		return nil
	}
	found, err := rows(ctx, in.tx, claimedIncidentsSQL, pgx.NamedArgs{
		"tenants": column(in.refreshed, func(t telling) string { return t.alert.Tenant }),
		"ids":     column(in.refreshed, func(t telling) *string { return orNull(t.alert.Incident) }),
	}, scanIncident)
	if err != nil {
		return err
	}
	known := make(map[string]incidents.Incident, len(found))
	for _, i := range found {
		known[i.ID] = i
	}
	quiet := in.refreshed[:0]
	for _, t := range in.refreshed {
		if in.hasNews(t, known[t.alert.Incident]) {
			in.joins(t)
		} else {
			quiet = append(quiet, t)
		}
	}
	in.refreshed = quiet
	return nil
}

func (in *intake) hasNews(t telling, i incidents.Incident) bool {
	switch {
	case i.State == incidents.Resolved:
		return i.ResolvedAt == nil || in.now.Sub(*i.ResolvedAt) >= stillFiringGrace
	case i.ID == "", t.released():
		return true
	}
	signal := in.signal(t.alert)
	if i.Storm() {
		signal = signal.InStorm()
	}
	c := i.Join(signal, false, in.roster, in.now)
	return len(c.Events) > 0 || len(c.Pages) > 0 || !c.Incident.UpdatedAt.Equal(i.UpdatedAt)
}

func (in *intake) signal(a alerting.Alert) incidents.Signal {
	s := in.routing.Router.Signal(incidents.AlertFacts{
		Tenant: a.Tenant, Fingerprint: a.Fingerprint, Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt,
	}, in.now)
	s.Trace = cmp.Or(in.traces[keyOf(a)], in.trace)
	return s
}

const tellAlertsSQL = `
update alerts a set annotations = t.annotations::jsonb, starts_at = t.starts, ends_at = t.ends, updated_at = t.updated,
    generator_url = t.url, incident_id = t.incident, verdict = t.verdict::jsonb, open = t.open
from unnest(@tenants::text[], @rows::bigint[], @annotations::text[], @starts::timestamptz[], @ends::timestamptz[],
    @updated::timestamptz[], @urls::text[], @incidents::uuid[], @verdicts::text[], @open::bool[])
    as t (tenant, id, annotations, starts, ends, updated, url, incident, verdict, open)
where (a.tenant_id, a.id) = (t.tenant, t.id)`

// write sends all of it in one round trip.
func (in *intake) write(ctx context.Context) error {
	w := writes{&pgx.Batch{}}
	for _, i := range in.order {
		in.writeIncident(w, i)
	}
	in.writeAlerts(w)
	return send(ctx, in.tx, w.Batch)
}

const closeGroupSQL = `update incidents set group_key = @group where (tenant_id, id) = (@tenant, @id)`

func (in *intake) writeIncident(w writes, i *working) {
	if i.closed {
		w.Queue(closeGroupSQL, pgx.NamedArgs{"tenant": i.Tenant, "id": i.ID, "group": i.GroupKey})
	}
	if !i.touched {
		return
	}
	if i.isNew {
		w.Queue(insertIncidentSQL, incidentArgs(i.Incident)).Exec(func(tag pgconn.CommandTag) error {
			if tag.RowsAffected() == 0 {
				return errRaced
			}
			return nil
		})
		in.audit(w, i, "incident.open")
	} else {
		w.Queue(updateIncidentSQL, incidentArgs(i.Incident))
	}
	for _, c := range i.changes {
		w.rest(c)
	}
	if len(i.changes) == 0 {
		w.rest(incidents.Change{Incident: i.Incident})
	}
	if i.State == incidents.Resolved {
		in.audit(w, i, "incident.resolve")
	}
}

func (in *intake) audit(w writes, i *working, action string) {
	record(w.Batch, in.who, i.Tenant, action, "incident/"+i.ID, map[string]any{"severity": i.Severity, "title": i.Title, "slo": i.SLO})
}

func (in *intake) writeAlerts(w writes) {
	all := slices.Concat(in.aside, in.refreshed, in.joining, in.muted, in.ended)
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b telling) int { return cmp.Compare(a.stored.id, b.stored.id) })
	args := alertArgs(column(all, func(t telling) alerting.Alert { return t.alert }))
	delete(args, "fingerprints")
	delete(args, "labels")
	args["rows"] = column(all, func(t telling) int64 { return t.stored.id })
	args["incidents"] = column(all, func(t telling) *string { return orNull(t.alert.Incident) })
	args["verdicts"] = column(all, func(t telling) *string { return verdictText(t.alert.Verdict) })
	args["open"] = column(all, func(t telling) bool { return t.alert.Firing(in.now) })
	w.Queue(tellAlertsSQL, args)
	in.writeHistory(w, all)
	news := map[string]bool{}
	for _, t := range all {
		if t.fresh || !t.alert.Firing(in.now) || !alike(t.stored.Verdict, t.alert.Verdict) {
			news[t.alert.Tenant] = true
		}
	}
	for tenant := range news {
		announce(w.Batch, Change{Topic: TopicAlert, Tenant: tenant})
	}
}

// orNull makes the absent absent.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
