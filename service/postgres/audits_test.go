package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// worn is a policy with all that can come to a halt.
func worn() incidents.Policy {
	p := steps(
		incidents.Step{
			Targets: []incidents.Target{person("ana")}, Fallback: &incidents.Fallback{After: time.Minute, Targets: []incidents.Target{person("bo")}},
		},
		incidents.Step{Delay: time.Hour, Targets: []incidents.Target{person("bo")}},
	)
	p.AcknowledgeTimeout, p.AutoResolve = 30*time.Minute, 24*time.Hour
	return p
}

const acknowledgedSQL = `update incidents set state = 'acknowledged', acknowledged_at = now(), acknowledged_by = 'ana', next_escalation_at = null,
	fallback_at = null, return_at = now() + interval '30 minutes'`

func TestTheAuditorPutsRightEachKindOfDamageAndSaysSo(t *testing.T) {
	t.Parallel()
	long := "clock_timestamp() - interval '10 minutes'"
	for _, c := range []struct {
		damage incidents.Damage
		sql    []string
		after  string // what holds of the incident afterwards
		called string // names of those who are called anew
	}{
		{incidents.StepOverdue, []string{"update incidents set next_escalation_at = " + long}, "step = 2", "bo"},
		{incidents.FallbackOverdue, []string{"update incidents set fallback_at = " + long}, "fallback_at is null", "bo"},
		{incidents.ReturnOverdue, []string{acknowledgedSQL, "update incidents set return_at = " + long}, "state = 'triggered' and turn = 1", "ana"},
		{
			incidents.RaiseOverdue, []string{"update incidents set urgency = 'low', raise_at = " + long},
			"urgency = 'high' and raise_at is null", "ana",
		},
		{incidents.ResolveOverdue, []string{"update incidents set resolve_at = " + long}, "state = 'resolved'", ""},
		{incidents.ExpiryOverdue, []string{"update incidents set auto_resolve_at = " + long}, "state = 'resolved'", ""},
		{incidents.NoClock, []string{"update incidents set next_escalation_at = null"}, "step = 2 and next_escalation_at is not null", "bo"},
		{
			incidents.NoReturn, []string{acknowledgedSQL, "update incidents set return_at = null"},
			"return_at between now() + interval '29 minutes' and now() + interval '31 minutes'", "",
		},
		{incidents.NoExpiry, []string{"update incidents set auto_resolve_at = null"}, "auto_resolve_at > now() + interval '23 hours'", ""},
		{incidents.StepOutOfRange, []string{"update incidents set step = 7"}, "step = 2 and turn = 1", "bo"},
		{incidents.StepOutOfRange, []string{"update incidents set step = -1"}, "step = 1 and turn = 1", "ana"},
		{
			incidents.AcknowledgedByNo, []string{acknowledgedSQL, "update incidents set acknowledged_by = '', acknowledged_at = null"},
			"state = 'triggered'", "ana",
		},
		{incidents.PagesMissing, []string{"delete from pages"}, "turn = 1", "ana"},
		{incidents.PagesMissing, []string{"update pages set state = 'canceled'"}, "turn = 1", "ana"},
		{
			incidents.HeldByNothing, []string{"update incidents set held = 'maintenance window gone', next_escalation_at = " + long},
			"held = '' and step = 2", "bo",
		},
	} {
		t.Run(string(c.damage)+" "+c.called, func(t *testing.T) {
			t.Parallel()
			db, conn := openBoth(t)
			accounts(t, db, "ana", "bo")
			receiveBy(t, db, by(worn()), alert("Down", "critical"))
			if found := must(db.AuditEscalations(context.Background(), incidents.AuditBound))(t); len(found) != 0 {
				t.Fatalf("a sound incident has %v", found)
			}
			for _, sql := range c.sql {
				do(t, conn, sql)
			}
			last := value[int](t, conn, "select coalesce(max(id), 1)::int from pages")
			found := must(db.AuditEscalations(context.Background(), incidents.AuditBound))(t)
			if len(found) != 1 || found[0].Damage != c.damage {
				t.Fatalf("found %v, want %s", found, c.damage)
			}
			if !value[bool](t, conn, "select "+c.after+" from incidents") {
				t.Errorf("afterwards it is not so that %s: %s", c.after, value[string](t, conn, "select row_to_json(i)::text from incidents i"))
			}
			names := value[string](t, conn, `select coalesce(string_agg(split_part(person, '@', 1), ' ' order by id), '')
				from pages where action = 'trigger' and id > $1`, last)
			if names != c.called {
				t.Errorf("called %q anew, want %q", names, c.called)
			}
			told := must(db.Timeline(context.Background(), access.Operator(), found[0].Incident.ID))(t)
			if !slices.ContainsFunc(told, func(e incidents.Event) bool {
				return e.Kind == incidents.EventAudited && strings.Contains(e.Text, "The auditor found that") && e.Detail["damage"] == string(c.damage)
			}) {
				t.Errorf("the timeline does not say so: %s", kinds(t, db, found[0].Incident.ID))
			}
			if n := value[int](t, conn, "select count(*)::int from audit where action = 'incident.repair'"); n != 1 {
				t.Errorf("%d audit records, want 1", n)
			}
			if again := must(db.AuditEscalations(context.Background(), incidents.AuditBound))(t); len(again) != 0 {
				t.Errorf("and then %v", again)
			}
		})
	}
}

func TestEveryKindOfDamageHasATest(t *testing.T) {
	t.Parallel()
	if n := len(incidents.Damages()); n != 13 {
		t.Errorf("there are %d kinds of damage; the auditor's test knows 13", n)
	}
}

func TestWhatIsOverdueByLessThanTheBoundIsLeftToTheClockwork(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	receiveBy(t, db, by(worn()), alert("Down", "critical"))
	do(t, conn, "update incidents set next_escalation_at = clock_timestamp() - interval '1 minute'")
	if found := must(db.AuditEscalations(context.Background(), incidents.AuditBound))(t); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

func TestOneIncidentThatCannotBePutRightDoesNotKeepOthersFromIt(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	accounts(t, db, "ana", "bo")
	receiveBy(t, db, by(worn()), alerts(3, "x")...)
	do(t, conn, "update incidents set next_escalation_at = null")
	do(t, conn, `create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	do(t, conn, `create trigger fail before update on incidents for each row when (old.service = 'x-1') execute function fail()`)
	found, err := db.AuditEscalations(context.Background(), incidents.AuditBound)
	if len(found) != 2 || err == nil {
		t.Errorf("put right %v, and %v", found, err)
	}
}

func TestManyOpenIncidentsAreAuditedToTheLast(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	receive(t, db, alerts(1, "first")...)
	do(t, conn, `insert into incidents (tenant_id, id, group_key, title, summary, severity, state, service, slo, labels, runbook_url, policy,
		step, loop, started_at, opened_at, acknowledged_by, resolved_by, updated_at, trace, next_escalation_at)
		select '', gen_random_uuid(), 'g' || n, 't', '', 'critical', 'triggered', '', '', '{}', '', policy, 0, 0, now(), now(), '', '', now(), '', now() + interval '1 hour'
		from incidents, generate_series(1, 1200) n`)
	do(t, conn, "update incidents set next_escalation_at = null where group_key in ('g1', 'g600', 'g1200')")
	if found := must(db.AuditEscalations(context.Background(), incidents.AuditBound))(t); len(found) != 3 {
		t.Errorf("put right %d, want 3", len(found))
	}
}
