package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// intake is one transaction in which alerts arrive or end. Locks are taken in one order everywhere: alerts by
// fingerprint, then incidents by id, then pages.
type intake struct {
	tx     querier
	who    access.Principal
	router incidents.Router
	now    time.Time           // the database's
	trace  string              // W3C traceparent of the request
	traces map[alertKey]string // of each alert its own, where several requests are worked off together

	refreshed []telling // firing as before
	joining   []telling // firing, with news for an incident
	ended     []telling

	byID   map[string]*working   // incidents that are locked or new
	open   map[groupKey]*working // of those, the open one of each group
	order  []*working            // in which they were met
	firing map[string]int        // open alerts by incident, as they will be
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
	fresh  bool // was not firing before
}

// working is an incident within the transaction, with what happens to it.
type working struct {
	incidents.Incident
	isNew   bool
	changes []incidents.Change
}

func (w *working) apply(c incidents.Change) {
	w.Incident = c.Incident
	w.changes = append(w.changes, c)
}

// stillFiringGrace is how long an alert may keep firing after somebody resolved its incident by hand, before it counts as
// trouble anew: as long as the short window of the slower page, in which a mended service still looks broken.
const stillFiringGrace = 30 * time.Minute

func (in *intake) receive(ctx context.Context, told []alerting.Alert) error {
	rows, fresh, err := in.lockAlerts(ctx, told)
	if err != nil {
		return err
	}
	for _, a := range told {
		row, known := rows[keyOf(a)]
		if !known {
			continue // ended, and nobody knew it
		}
		in.classify(row, a, fresh[keyOf(a)])
	}
	if err := in.findNews(ctx); err != nil {
		return err
	}
	return in.settle(ctx)
}

func (in *intake) classify(row stored, a alerting.Alert, fresh bool) {
	if fresh {
		in.joining = append(in.joining, telling{row, a, true})
		return
	}
	merged := alerting.Merge(row.Alert, a)
	// Trouble anew while the row is still open keeps the row and its incident: that is flapping.
	merged.Incident = row.Incident
	t := telling{stored: row, alert: merged}
	if merged.Firing(in.now) {
		in.refreshed = append(in.refreshed, t)
		return
	}
	in.ended = append(in.ended, t)
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

// lockAlerts makes rows for the alerts that fire and have none, and locks the rows of all.
func (in *intake) lockAlerts(ctx context.Context, told []alerting.Alert) (map[alertKey]stored, map[alertKey]bool, error) {
	args := alertArgs(told)
	args["now"] = in.now
	batch := &pgx.Batch{}
	fresh, found := map[alertKey]bool{}, map[alertKey]stored{}
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
	return found, fresh, send(ctx, in.tx, batch)
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
			in.joining = append(in.joining, t)
		} else {
			quiet = append(quiet, t)
		}
	}
	in.refreshed = quiet
	return nil
}

func (in *intake) hasNews(t telling, i incidents.Incident) bool {
	if i.State == incidents.Resolved {
		return i.ResolvedAt == nil || in.now.Sub(*i.ResolvedAt) >= stillFiringGrace
	}
	c := i.Join(in.signal(t.alert), false, in.now)
	return len(c.Events) > 0 || len(c.Pages) > 0 || !c.Incident.UpdatedAt.Equal(i.UpdatedAt)
}

func (in *intake) signal(a alerting.Alert) incidents.Signal {
	s := in.router.Signal(incidents.AlertFacts{
		Tenant: a.Tenant, Fingerprint: a.Fingerprint, Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt,
	}, in.now)
	s.Trace = cmp.Or(in.traces[keyOf(a)], in.trace)
	return s
}

// settle lets incidents hear of what joins and what ends, and writes it all.
func (in *intake) settle(ctx context.Context) error {
	if len(in.joining) > 0 || len(in.ended) > 0 {
		if err := in.lockIncidents(ctx); err != nil {
			return err
		}
		// Joining first: an incident that one alert leaves and another joins in the same message goes on.
		for n := range in.joining {
			in.join(&in.joining[n])
		}
		for n := range in.ended {
			if err := in.end(ctx, &in.ended[n]); err != nil {
				return err
			}
		}
	}
	return in.write(ctx)
}

const lockIncidentsSQL = `
select ` + incidentColumns + `
from incidents
where id in (
    select i.id from incidents i
    where i.state <> 'resolved' and (i.tenant_id, i.group_key) in (select * from unnest(@tenants::text[], @groups::text[]))
    union
    select * from unnest(@ids::uuid[]))
order by id
for no key update`

const firingSQL = `
select incident_id::text, count(*) from alerts where open and (tenant_id, incident_id) in (select * from unnest(@tenants::text[], @ids::uuid[]))
group by incident_id`

func (in *intake) lockIncidents(ctx context.Context) error {
	in.byID, in.open, in.firing = map[string]*working{}, map[groupKey]*working{}, map[string]int{}
	locked, err := rows(ctx, in.tx, lockIncidentsSQL, in.candidates(), scanIncident)
	if err != nil {
		return err
	}
	for _, i := range locked {
		w := &working{Incident: i}
		in.byID[i.ID] = w
		in.order = append(in.order, w)
		if i.State != incidents.Resolved {
			in.open[groupKey{i.Tenant, i.GroupKey}] = w
		}
	}
	if len(in.ended) == 0 || len(locked) == 0 {
		return nil
	}
	counts, err := in.tx.Query(ctx, firingSQL, pgx.NamedArgs{
		"tenants": column(locked, func(i incidents.Incident) string { return i.Tenant }),
		"ids":     column(locked, func(i incidents.Incident) string { return i.ID }),
	})
	if err != nil {
		return err
	}
	var id string
	var n int
	_, err = pgx.ForEachRow(counts, []any{&id, &n}, func() error { in.firing[id] = n; return nil })
	return err
}

// candidates names the incidents that may hear of something: by the alerts' groups and by the alerts' rows.
func (in *intake) candidates() pgx.NamedArgs {
	var tenants, groups, ids []string
	for _, t := range in.joining {
		s := in.signal(t.alert)
		tenants, groups = append(tenants, s.Tenant), append(groups, s.GroupKey)
	}
	for _, t := range slices.Concat(in.joining, in.ended) {
		if t.alert.Incident != "" {
			ids = append(ids, t.alert.Incident)
		}
	}
	return pgx.NamedArgs{"tenants": tenants, "groups": groups, "ids": ids}
}

// join tells an alert's own incident of it, else the open one of its group, else a new one.
func (in *intake) join(t *telling) {
	s := in.signal(t.alert)
	w := in.byID[t.alert.Incident]
	if w == nil || w.State == incidents.Resolved {
		w = in.open[groupKey{s.Tenant, s.GroupKey}]
	}
	if w == nil {
		w = &working{isNew: true}
		w.apply(incidents.Open(s, uuid.NewString(), in.now))
		in.byID[w.ID], in.open[groupKey{w.Tenant, w.GroupKey}] = w, w
		in.order = append(in.order, w)
	} else {
		w.apply(w.Join(s, t.alert.Incident != w.ID, in.now))
	}
	if t.alert.Incident != w.ID {
		in.firing[t.alert.Incident]--
		in.firing[w.ID]++
		t.alert.Incident = w.ID
	}
}

func (in *intake) end(ctx context.Context, t *telling) error {
	w := in.byID[t.alert.Incident]
	if w == nil || w.State == incidents.Resolved {
		return nil
	}
	in.firing[w.ID]--
	still := max(in.firing[w.ID], 0)
	var paged []incidents.Target
	if still == 0 && !w.isNew {
		var err error
		if paged, err = lockPaged(ctx, in.tx, w.Incident); err != nil {
			return err
		}
	}
	w.apply(w.AlertEnded(in.signal(t.alert), still, paged, in.now))
	return nil
}

const tellAlertsSQL = `
update alerts a set annotations = t.annotations::jsonb, starts_at = t.starts, ends_at = t.ends, updated_at = t.updated,
    generator_url = t.url, incident_id = t.incident, open = t.open
from unnest(@tenants::text[], @rows::bigint[], @annotations::text[], @starts::timestamptz[], @ends::timestamptz[],
    @updated::timestamptz[], @urls::text[], @incidents::uuid[], @open::bool[])
    as t (tenant, id, annotations, starts, ends, updated, url, incident, open)
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

func (in *intake) writeIncident(w writes, i *working) {
	if len(i.changes) == 0 {
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
	if i.State == incidents.Resolved {
		in.audit(w, i, "incident.resolve")
	}
}

func (in *intake) audit(w writes, i *working, action string) {
	record(w.Batch, in.who, i.Tenant, action, "incident/"+i.ID, map[string]any{"severity": i.Severity, "title": i.Title, "slo": i.SLO})
}

func (in *intake) writeAlerts(w writes) {
	all := slices.Concat(in.refreshed, in.joining, in.ended)
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b telling) int { return cmp.Compare(a.stored.id, b.stored.id) })
	args := alertArgs(column(all, func(t telling) alerting.Alert { return t.alert }))
	delete(args, "fingerprints")
	delete(args, "labels")
	args["rows"] = column(all, func(t telling) int64 { return t.stored.id })
	args["incidents"] = column(all, func(t telling) *string { return orNull(t.alert.Incident) })
	args["open"] = column(all, func(t telling) bool { return t.alert.Firing(in.now) })
	w.Queue(tellAlertsSQL, args)
	news := map[string]bool{}
	for _, t := range all {
		if t.fresh || !t.alert.Firing(in.now) {
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
