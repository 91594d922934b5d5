package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
)

// settle lets incidents hear of what joins and what ends, and writes it all.
func (in *intake) settle(ctx context.Context) error {
	if len(in.joining)+len(in.muted)+len(in.ended) == 0 {
		return in.write(ctx)
	}
	for n := range in.ended {
		in.ended[n].signal = in.signal(in.ended[n].alert)
	}
	if err := in.lockIncidents(ctx); err != nil {
		return err
	}
	// Joining first: an incident that one alert leaves and another joins in the same message goes on.
	for n := range in.joining {
		in.join(&in.joining[n])
	}
	for n := range in.muted {
		in.recount(in.muted[n])
	}
	for n := range in.ended {
		in.end(&in.ended[n])
	}
	for _, w := range in.order {
		in.conclude(w)
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
    select a.incident_id from incident_aliases a
    where (a.tenant_id, a.group_key) in (select * from unnest(@tenants::text[], @groups::text[]))
    union
    select * from unnest(@ids::uuid[]))
order by id
for no key update`

func (in *intake) lockIncidents(ctx context.Context) error {
	in.byID, in.open = map[string]*working{}, map[groupKey]*working{}
	var locked []incidents.Incident
	batch := &pgx.Batch{}
	candidates := in.candidates()
	batch.Queue(lockIncidentsSQL, candidates).Query(func(r pgx.Rows) (err error) {
		locked, err = pgx.CollectRows(r, scanIncident)
		return err
	})
	aliases := askAliases(batch, candidates)
	in.askLately(batch)
	if err := send(ctx, in.tx, batch); err != nil {
		return err
	}
	for _, i := range locked {
		w := &working{Incident: i, took: in.took}
		in.byID[i.ID] = w
		in.order = append(in.order, w)
		if i.State != incidents.Resolved {
			in.open[groupKey{i.Tenant, i.GroupKey}] = w
		}
	}
	in.redirect(*aliases)
	if err := in.askJoined(ctx, locked); err != nil {
		return err
	}
	if err := in.askCallable(ctx, locked); err != nil {
		return err
	}
	return in.hearVoices(ctx, locked)
}

const aliasesSQL = `
select tenant_id, group_key, incident_id::text from incident_aliases
where (tenant_id, group_key) in (select * from unnest(@tenants::text[], @groups::text[]))`

// alias leads the alerts of a group to the incident that theirs was merged into.
type alias struct {
	groupKey
	incident string
}

func askAliases(batch *pgx.Batch, candidates pgx.NamedArgs) *[]alias {
	var found []alias
	batch.Queue(aliasesSQL, candidates).Query(func(r pgx.Rows) error {
		var a alias
		_, err := pgx.ForEachRow(r, []any{&a.tenant, &a.group, &a.incident}, func() error {
			found = append(found, a)
			return nil
		})
		return err
	})
	return &found
}

// redirect leads groups whose incident was merged into another to that one, while it is open and they have none of their own.
func (in *intake) redirect(aliases []alias) {
	for _, a := range aliases {
		if w := in.byID[a.incident]; in.open[a.groupKey] == nil && w != nil && w.State != incidents.Resolved {
			in.open[a.groupKey] = w
		}
	}
}

// askCallable asks who can be called of all whom the policies at hand name.
func (in *intake) askCallable(ctx context.Context, locked []incidents.Incident) (err error) {
	named := map[string]bool{}
	var policies []incidents.Policy
	for _, t := range in.joining {
		if p := t.signal.Policy; !named[p.Name] {
			named[p.Name] = true
			policies = append(policies, p)
		}
	}
	for _, i := range locked {
		policies = append(policies, i.Policy) // as it was when it was paged first
	}
	in.roster, err = callable(ctx, in.tx, in.now, policies...)
	return err
}

func (in *intake) took(turns []incidents.Turn) { in.roster = in.roster.Took(turns) }

// candidates names the incidents that may hear of something: by the alerts' groups, storms among them, and by the
// alerts' rows.
func (in *intake) candidates() pgx.NamedArgs {
	groups, ids := map[groupKey]bool{}, map[string]bool{}
	for _, t := range in.joining {
		groups[groupKey{t.signal.Tenant, t.signal.GroupKey}] = true
		groups[groupKey{t.signal.Tenant, incidents.StormKey(t.signal.Service)}] = true
	}
	for _, t := range slices.Concat(in.joining, in.muted, in.ended) {
		if t.alert.Incident != "" {
			ids[t.alert.Incident] = true
		}
	}
	args := pgx.NamedArgs{"tenants": []string{}, "groups": []string{}, "ids": []string{}}
	var tenants, keys, all []string
	for k := range groups {
		tenants, keys = append(tenants, k.tenant), append(keys, k.group)
	}
	for id := range ids {
		all = append(all, id)
	}
	args["tenants"], args["groups"], args["ids"] = tenants, keys, all
	return args
}

// join tells an alert's own incident of it, else the open one of its group, else a new one, else its service's storm.
func (in *intake) join(t *telling) {
	s := t.signal
	s.Flaps = in.lately.flaps[groupKey{s.Tenant, s.GroupKey}]
	w := in.byID[t.alert.Incident]
	if w == nil || w.State == incidents.Resolved {
		w = in.openFor(s)
	}
	if w == nil && in.lately.opened[serviceKey{s.Tenant, s.Service}] >= incidents.MaxOpened {
		s = s.InStorm()
		w = in.open[groupKey{s.Tenant, s.GroupKey}]
	}
	switch {
	case w == nil:
		w = in.begin(s)
	case w.Storm():
		w.apply(w.Join(s.InStorm(), false, in.roster, in.now))
	default:
		w.apply(w.Join(s, t.alert.Incident != w.ID, in.roster, in.now))
	}
	if w.Storm() && t.alert.Incident != w.ID {
		w.gathered++
	}
	t.alert.Incident = w.ID
	in.lately.joined[w.ID] = in.now
	in.recount(*t)
}

// openFor returns the open incident of the signal's group. One whose window is over takes no more alerts: it keeps a group
// for itself from now on. A group that was merged into another's incident is bound by no window.
func (in *intake) openFor(s incidents.Signal) *working {
	w := in.open[groupKey{s.Tenant, s.GroupKey}]
	if w == nil || w.GroupKey != s.GroupKey || s.Joins(later(w.OpenedAt, in.lately.joined[w.ID]), in.now) {
		return w
	}
	delete(in.open, groupKey{w.Tenant, w.GroupKey})
	w.GroupKey, w.closed = incidents.ClosedGroup(w.GroupKey, w.ID), true
	return nil
}

// begin opens an incident.
func (in *intake) begin(s incidents.Signal) *working {
	w := &working{isNew: true, took: in.took}
	w.apply(incidents.Open(s, in.roster, uuid.NewString(), in.now))
	in.byID[w.ID], in.open[groupKey{w.Tenant, w.GroupKey}] = w, w
	in.order = append(in.order, w)
	in.lately.opened[serviceKey{w.Tenant, w.Service}]++
	return w
}

func (in *intake) end(t *telling) {
	in.recount(*t)
	w := in.byID[t.alert.Incident]
	if w == nil || w.State == incidents.Resolved {
		return
	}
	if w.Storm() { // one entry on its timeline for all that end together
		w.last = t
		return
	}
	in.tellEnd(w, t)
}

func (in *intake) tellEnd(w *working, t *telling) {
	s := t.signal
	s.Flaps = in.lately.flaps[groupKey{w.Tenant, w.GroupKey}]
	w.apply(w.AlertEnded(s, in.voicesOf(w.ID).firing, in.now))
}

// conclude tells an incident what follows from all that it heard: how large a storm is by now, and whether anything is
// left that may page.
func (in *intake) conclude(w *working) {
	if w.last != nil {
		in.tellEnd(w, w.last)
	}
	if w.State == incidents.Resolved {
		return
	}
	if w.gathered > 0 {
		w.apply(w.Gather(w.gathered, in.now))
	}
	if in.voices == nil {
		return
	}
	switch v := in.voicesOf(w.ID); {
	case w.Held == "" && v.firing > 0 && v.loud == 0:
		w.apply(w.Hold(in.why(v.muted), in.now))
	case w.Held != "" && v.loud > 0:
		w.apply(w.Release(in.roster, in.now))
	}
}

// voices are the open alerts of an incident; of a great many at least manyVoices more than this intake tells of, because
// what matters is whether there are any.
type voices struct {
	firing int
	loud   int               // of those, how many may page
	muted  *alerting.Verdict // of one that may not
}

const manyVoices = 1000

const voicesSQL = `
select i.id::text, f.n, l.n, (
    select verdict from alerts a where a.open and (a.tenant_id, a.incident_id) = (i.tenant, i.id) and (a.verdict is null) = false limit 1)
from unnest(@tenants::text[], @ids::uuid[]) as i (tenant, id)
cross join lateral (select count(*) as n from (
    select from alerts a where a.open and (a.tenant_id, a.incident_id) = (i.tenant, i.id) limit @most) as bounded) as f
cross join lateral (select count(*) as n from (
    select from alerts a where a.open and (a.tenant_id, a.incident_id) = (i.tenant, i.id) and (a.verdict is null) = true limit @most) as bounded) as l
where f.n > 0`

// hearVoices counts the alerts of the locked incidents, where it matters how many there are.
func (in *intake) hearVoices(ctx context.Context, locked []incidents.Incident) error {
	if !in.countsMatter(locked) {
		return nil
	}
	in.voices = map[string]*voices{}
	found, err := in.tx.Query(ctx, voicesSQL, pgx.NamedArgs{
		"tenants": column(locked, func(i incidents.Incident) string { return i.Tenant }),
		"ids":     column(locked, func(i incidents.Incident) string { return i.ID }),
		"most":    manyVoices + len(in.joining) + len(in.muted) + len(in.ended),
	})
	if err != nil {
		return err
	}
	var id string
	var v voices
	_, err = pgx.ForEachRow(found, []any{&id, &v.firing, &v.loud, &v.muted}, func() error {
		heard := v
		in.voices[id], v.muted = &heard, nil
		return nil
	})
	return err
}

func (in *intake) countsMatter(locked []incidents.Incident) bool {
	return len(in.ended)+len(in.muted) > 0 ||
		slices.ContainsFunc(locked, func(i incidents.Incident) bool { return i.Held != "" })
}

func (in *intake) voicesOf(incident string) *voices {
	if in.voices[incident] == nil {
		in.voices[incident] = &voices{}
	}
	return in.voices[incident]
}

// recount moves an alert from what it was to what it is.
func (in *intake) recount(t telling) {
	if in.voices == nil {
		return
	}
	if t.stored.Incident != "" {
		in.voicesOf(t.stored.Incident).count(t.stored.Verdict, -1)
	}
	if t.alert.Incident != "" && t.alert.Firing(in.now) {
		in.voicesOf(t.alert.Incident).count(t.alert.Verdict, 1)
	}
}

func (v *voices) count(verdict *alerting.Verdict, by int) {
	v.firing += by
	if verdict == nil {
		v.loud += by
	} else {
		v.muted = verdict
	}
}

// why names what holds an incident of which nothing may page, by what suppresses one of its alerts.
func (in *intake) why(v *alerting.Verdict) string {
	switch {
	case v == nil:
		return "all of its alerts are suppressed"
	case len(v.MutedBy) > 0:
		return "maintenance window " + v.MutedBy[0]
	case len(v.SilencedBy) > 0:
		return cmp.Or(in.words[v.SilencedBy[0]], "silence "+v.SilencedBy[0])
	}
	return cmp.Or(in.words[v.InhibitedBy[0]], "alert "+v.InhibitedBy[0]) + ", which explains it"
}
