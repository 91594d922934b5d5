package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func mail(to string) incidents.Target {
	return incidents.Target{Email: &incidents.EmailTarget{To: []string{to + "@example.com"}}}
}

func step(delay time.Duration, to ...string) incidents.Step {
	s := incidents.Step{Delay: delay}
	for _, name := range to {
		s.Targets = append(s.Targets, mail(name))
	}
	return s
}

func policy(repeat int, steps ...incidents.Step) incidents.Policy {
	return incidents.Policy{Name: "shop", Repeat: repeat, Steps: steps}
}

func signal(s incidents.Severity, p incidents.Policy) incidents.Signal {
	return incidents.Signal{
		Fingerprint: "25c2cdb12d31dc50", Tenant: "acme", GroupKey: "slo/shop-orders/{}", Title: "Orders fail", Severity: s,
		Service: "shop", SLO: "shop-orders", Policy: p, StartsAt: t0.Add(-time.Minute), EndsAt: t0.Add(4 * time.Minute), Firing: true,
	}
}

// paged lists who the pages of a change go to, as "action:name".
func paged(pages []incidents.Page) []string {
	var who []string
	for _, p := range pages {
		name, _, _ := strings.Cut(p.Target.Email.To[0], "@")
		who = append(who, string(p.Action)+":"+name)
	}
	return who
}

func kinds(events []incidents.Event) []incidents.EventKind {
	var ks []incidents.EventKind
	for _, e := range events {
		ks = append(ks, e.Kind)
	}
	return ks
}

func wantPages(t *testing.T, c incidents.Change, want ...string) {
	t.Helper()
	if got := paged(c.Pages); !slices.Equal(got, want) {
		t.Errorf("pages %v; want %v", got, want)
	}
}

func wantEvents(t *testing.T, c incidents.Change, want ...incidents.EventKind) {
	t.Helper()
	if got := kinds(c.Events); !slices.Equal(got, want) {
		t.Errorf("timeline %v; want %v", got, want)
	}
}

func TestOnlyCriticalAndErrorWakeSomebody(t *testing.T) {
	t.Parallel()
	for severity, pages := range map[incidents.Severity]bool{
		incidents.Critical: true, incidents.Error: true, incidents.Warning: false, incidents.Info: false,
	} {
		c := incidents.Open(signal(severity, policy(0, step(0, "ana"))), incidents.Roster{}, "i1", t0)
		if got := len(c.Pages) == 1; got != pages {
			t.Errorf("%s pages: %v; want %v", severity, got, pages)
		}
		silent := strings.Contains(c.Events[0].Text, "Nobody is woken")
		if silent == pages {
			t.Errorf("%s: timeline says %q", severity, c.Events[0].Text)
		}
		if !pages && (c.Incident.NextEscalationAt != nil || len(c.Incident.Policy.Steps) != 0) {
			t.Errorf("%s: a silent incident has a policy or an escalation: %+v", severity, c.Incident)
		}
	}
}

// TestEscalationFollowsThePolicy is GoAlert's escalation test in our words: ana at once, bo after 30 minutes, another
// round 60 minutes later if there is one.
func TestEscalationFollowsThePolicy(t *testing.T) {
	t.Parallel()
	steps := []incidents.Step{step(0, "ana"), step(30*time.Minute, "bo")}
	round := []string{"ana", "bo"}
	for _, test := range []struct {
		name   string
		repeat int
		want   []string
		ends   bool
	}{
		{"no repeat is one round", 0, round, true},
		{"repeat 2 is three rounds", 2, append(append(slices.Clone(round), round...), round...), true},
		{"repeat -1 never ends", -1, slices.Repeat(round, 20), false},
	} {
		p := policy(test.repeat, steps...)
		p.RepeatAfter = time.Hour
		got, at, exhausted := walk(incidents.Open(signal(incidents.Critical, p), incidents.Roster{}, "i1", t0), len(test.want))
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: paged %v; want %v", test.name, got, test.want)
		}
		for n, when := range at {
			want := time.Duration(n/2)*90*time.Minute + time.Duration(n%2)*30*time.Minute
			if when != want {
				t.Errorf("%s: page %d after %s; want %s", test.name, n+1, when, want)
			}
		}
		if exhausted != test.ends {
			t.Errorf("%s: exhausted %v; want %v", test.name, exhausted, test.ends)
		}
	}
}

// walk escalates whenever it is due, until the policy is exhausted or most pages were made. It returns who was paged and
// how long after opening.
func walk(c incidents.Change, most int) (who []string, at []time.Duration, exhausted bool) {
	now := c.Incident.OpenedAt
	for {
		for _, p := range paged(c.Pages) {
			who, at = append(who, strings.TrimPrefix(p, "trigger:")), append(at, now.Sub(c.Incident.OpenedAt))
		}
		exhausted = slices.Contains(kinds(c.Events), incidents.EventExhausted)
		if exhausted || c.Incident.NextEscalationAt == nil || (len(who) >= most && c.Incident.Policy.Repeat < 0) {
			return who, at, exhausted
		}
		now = *c.Incident.NextEscalationAt
		c = c.Incident.Escalate(incidents.Roster{}, now)
	}
}

func TestEscalateBeforeItsTimeDoesNothing(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"), step(time.Hour, "bo"))), incidents.Roster{}, "i1", t0).Incident
	c := i.Escalate(incidents.Roster{}, t0.Add(time.Hour-time.Second))
	wantPages(t, c)
	wantEvents(t, c)
	late := i.Escalate(incidents.Roster{}, t0.Add(3*time.Hour))
	wantPages(t, late, "trigger:bo")
}

func TestALatePauseNeverPagesSeveralStepsAtOnce(t *testing.T) {
	t.Parallel()
	p := policy(0, step(0, "ana"), step(5*time.Minute, "bo"), step(5*time.Minute, "cy"))
	i := incidents.Open(signal(incidents.Critical, p), incidents.Roster{}, "i1", t0).Incident
	c := i.Escalate(incidents.Roster{}, t0.Add(2*time.Hour))
	wantPages(t, c, "trigger:bo")
	if want := t0.Add(2*time.Hour + 5*time.Minute); !c.Incident.NextEscalationAt.Equal(want) {
		t.Errorf("next step at %v; want its delay after the late one, %v", c.Incident.NextEscalationAt, want)
	}
}

func TestAStepWithoutTargetsFallsThroughVisibly(t *testing.T) {
	t.Parallel()
	c := incidents.Open(signal(incidents.Critical, policy(0, step(0), step(time.Hour, "bo"))), incidents.Roster{}, "i1", t0)
	wantPages(t, c, "trigger:bo")
	wantEvents(t, c, incidents.EventOpened, incidents.EventNobody, incidents.EventEscalated)
}

func TestNobodyToPageIsSaidOnceAndEndsTheEscalation(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]incidents.Policy{
		"no policy": {}, "a policy that repeats for ever without any target": policy(-1, step(0), step(0)),
	} {
		c := incidents.Open(signal(incidents.Critical, p), incidents.Roster{}, "i1", t0)
		wantEvents(t, c, incidents.EventOpened, incidents.EventNobody)
		if c.Incident.NextEscalationAt != nil {
			t.Errorf("%s: escalates at %v; want never", name, c.Incident.NextEscalationAt)
		}
		again := c.Incident.Join(signal(incidents.Critical, p), false, incidents.Roster{}, t0.Add(time.Minute))
		wantEvents(t, again)
	}
}

func TestAPolicyThatIsWrittenDuringTheIncidentStillPages(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, incidents.Policy{}), incidents.Roster{}, "i1", t0).Incident
	c := i.Join(signal(incidents.Critical, policy(0, step(0, "ana"))), false, incidents.Roster{}, t0.Add(time.Minute))
	wantPages(t, c, "trigger:ana")
}

func TestAPolicyWithoutDelaysDoesNotRepeatInATightLoop(t *testing.T) {
	t.Parallel()
	c := incidents.Open(signal(incidents.Critical, policy(-1, step(0, "ana"))), incidents.Roster{}, "i1", t0)
	wantPages(t, c, "trigger:ana")
	if wait := c.Incident.NextEscalationAt.Sub(t0); wait < time.Minute {
		t.Errorf("the next round starts after %s", wait)
	}
}

func TestTheFasterTierRaisesTheSeverityAndPages(t *testing.T) {
	t.Parallel()
	p := policy(0, step(0, "ana"))
	silent := incidents.Open(signal(incidents.Warning, p), incidents.Roster{}, "i1", t0).Incident
	sig := signal(incidents.Critical, p)
	sig.Title = "Orders fail fast"
	c := silent.Join(sig, true, incidents.Roster{}, t0.Add(time.Minute))
	wantEvents(t, c, incidents.EventAlertJoined, incidents.EventSeverity, incidents.EventEscalated)
	wantPages(t, c, "trigger:ana")
	if c.Incident.Title != "Orders fail fast" || c.Incident.Severity != incidents.Critical {
		t.Errorf("incident is %q, %s; want the worse alert's words and severity", c.Incident.Title, c.Incident.Severity)
	}
	slower := c.Incident.Join(signal(incidents.Info, p), true, incidents.Roster{}, t0.Add(2*time.Minute))
	if slower.Incident.Severity != incidents.Critical {
		t.Errorf("a milder alert lowered it to %s", slower.Incident.Severity)
	}
}

func TestARefreshWithoutNewsChangesNothing(t *testing.T) {
	t.Parallel()
	sig := signal(incidents.Critical, policy(0, step(0, "ana")))
	i := incidents.Open(sig, incidents.Roster{}, "i1", t0).Incident
	c := i.Join(sig, false, incidents.Roster{}, t0.Add(time.Minute))
	wantEvents(t, c)
	wantPages(t, c)
	if !c.Incident.UpdatedAt.Equal(i.UpdatedAt) {
		t.Error("a refresh without news counts as an update")
	}
}

func TestThePolicyIsTheOneInForceWhenPagingBegan(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Error, policy(0, step(0, "ana"), step(time.Hour, "bo"))), incidents.Roster{}, "i1", t0).Incident
	edited := signal(incidents.Critical, policy(0, step(0, "eve")))
	i = i.Join(edited, false, incidents.Roster{}, t0.Add(time.Minute)).Incident
	wantPages(t, i.Escalate(incidents.Roster{}, t0.Add(time.Hour)), "trigger:bo")
}

func TestAcknowledgingStopsTheEscalationAndTellsThosePaged(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, policy(-1, step(0, "ana"), step(time.Minute, "bo"))), incidents.Roster{}, "i1", t0).Incident
	ana := incidents.Actor{ID: "user:1", Name: "ana@example.com"}
	c, err := i.Acknowledge(ana, []incidents.Target{mail("ana"), mail("ana"), mail("bo")}, t0.Add(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	wantPages(t, c, "acknowledge:ana", "acknowledge:bo")
	wantEvents(t, c, incidents.EventAcknowledged)
	if !c.CancelPages || c.Incident.NextEscalationAt != nil || c.Incident.AcknowledgedBy != "ana@example.com" {
		t.Errorf("cancel %v, next %v, by %q", c.CancelPages, c.Incident.NextEscalationAt, c.Incident.AcknowledgedBy)
	}
	wantPages(t, c.Incident.Escalate(incidents.Roster{}, t0.Add(31*time.Minute)))
	again, err := c.Incident.Acknowledge(incidents.Actor{ID: "user:2"}, []incidents.Target{mail("ana")}, t0.Add(time.Minute))
	if err != nil || len(again.Events)+len(again.Pages) != 0 || again.CancelPages || again.Incident.AcknowledgedBy != "ana@example.com" {
		t.Errorf("acknowledging twice gave %+v, %v; want no change", again, err)
	}
}

func TestAnAcknowledgementOfATicketDoesNotSilenceAnOutage(t *testing.T) {
	t.Parallel()
	p := policy(0, step(0, "ana"))
	ticket := incidents.Open(signal(incidents.Warning, p), incidents.Roster{}, "i1", t0).Incident
	acked, err := ticket.Acknowledge(incidents.Actor{ID: "user:2", Name: "bo"}, nil, t0.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	c := acked.Incident.Join(signal(incidents.Critical, p), true, incidents.Roster{}, t0.Add(time.Hour))
	wantPages(t, c, "trigger:ana")
	if c.Incident.State != incidents.Triggered || c.Incident.AcknowledgedAt != nil {
		t.Errorf("it is %s; want triggered anew", c.Incident.State)
	}
}

func TestAnAcknowledgedPageStaysQuietWhenItGetsWorse(t *testing.T) {
	t.Parallel()
	p := policy(0, step(0, "ana"), step(time.Minute, "bo"))
	i := incidents.Open(signal(incidents.Error, p), incidents.Roster{}, "i1", t0).Incident
	acked, err := i.Acknowledge(incidents.Actor{ID: "user:1", Name: "ana"}, []incidents.Target{mail("ana")}, t0)
	if err != nil {
		t.Fatal(err)
	}
	c := acked.Incident.Join(signal(incidents.Critical, p), true, incidents.Roster{}, t0.Add(time.Minute))
	wantPages(t, c)
	if c.Incident.State != incidents.Acknowledged || c.Incident.Severity != incidents.Critical {
		t.Errorf("it is %s, %s; want acknowledged, critical", c.Incident.State, c.Incident.Severity)
	}
}

func TestItResolvesWhenTheLastAlertHasEndedForAWhile(t *testing.T) {
	t.Parallel()
	sig := signal(incidents.Critical, policy(0, step(0, "ana")))
	i := incidents.Open(sig, incidents.Roster{}, "i1", t0).Incident
	one := i.AlertEnded(sig, 1, t0.Add(time.Minute))
	wantEvents(t, one, incidents.EventAlertEnded)
	wantPages(t, one)
	last := one.Incident.AlertEnded(sig, 0, t0.Add(2*time.Minute))
	wantEvents(t, last, incidents.EventAlertEnded)
	wantPages(t, last)
	if early := last.Incident.Calm([]incidents.Target{mail("ana")}, t0.Add(2*time.Minute+9*time.Second)); len(early.Events) != 0 {
		t.Errorf("resolved early: %+v", early)
	}
	over := last.Incident.Calm([]incidents.Target{mail("ana")}, t0.Add(2*time.Minute+10*time.Second))
	wantEvents(t, over, incidents.EventResolved)
	wantPages(t, over, "resolve:ana")
	if over.Incident.State != incidents.Resolved || !over.CancelPages {
		t.Errorf("state %s, cancel %v", over.Incident.State, over.CancelPages)
	}
}

func TestResolvedIsTheEnd(t *testing.T) {
	t.Parallel()
	sig := signal(incidents.Critical, policy(-1, step(0, "ana")))
	i := incidents.Open(sig, incidents.Roster{}, "i1", t0).Incident
	by := incidents.Actor{ID: "user:1", Name: "ana"}
	done, err := i.Resolve(by, "rolled back", []incidents.Target{mail("ana")}, t0.Add(time.Minute))
	if err != nil || !strings.Contains(done.Events[0].Text, "rolled back") {
		t.Fatalf("resolving gave %+v, %v", done, err)
	}
	r := done.Incident
	for name, c := range map[string]incidents.Change{
		"escalate": r.Escalate(incidents.Roster{}, t0.Add(time.Hour)), "join": r.Join(sig, true, incidents.Roster{}, t0.Add(time.Hour)),
		"end": r.AlertEnded(sig, 0, t0.Add(time.Hour)), "calm": r.Calm(nil, t0.Add(time.Hour)),
		"hold": r.Hold("window", t0.Add(time.Hour)), "fall back": r.FallBack(incidents.Tally{}, incidents.Roster{}, t0.Add(time.Hour)),
	} {
		if len(c.Events)+len(c.Pages) != 0 || c.Incident.State != incidents.Resolved {
			t.Errorf("%s after the end changed it: %+v", name, c)
		}
	}
	if _, err := r.Acknowledge(by, nil, t0); !fault.Is(err, fault.Conflict) {
		t.Errorf("acknowledging what is resolved: %v; want a conflict", err)
	}
	if _, err := r.Resolve(by, "", nil, t0); !fault.Is(err, fault.Conflict) {
		t.Errorf("resolving what is resolved: %v; want a conflict", err)
	}
	if note, err := r.Note(by, " it was DNS ", t0); err != nil || note.Events[0].Text != "it was DNS" {
		t.Errorf("a note after the end: %+v, %v; want it kept for the postmortem", note, err)
	}
}

func TestNotesAreBounded(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Info, incidents.Policy{}), incidents.Roster{}, "i1", t0).Incident
	for name, text := range map[string]string{"empty": " \n", "too long": strings.Repeat("x", 10_001)} {
		if _, err := i.Note(incidents.Actor{ID: "user:1"}, text, t0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want invalid", name, err)
		}
	}
}

func TestAllPagesOfAnIncidentShareOneDedupKey(t *testing.T) {
	t.Parallel()
	i := incidents.Open(signal(incidents.Critical, policy(0, step(0, "ana"))), incidents.Roster{}, "i1", t0)
	done, err := i.Incident.Resolve(incidents.Actor{ID: "user:1"}, "", []incidents.Target{mail("ana")}, t0)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := i.Pages[0].DedupKey, done.Pages[0].DedupKey; a != "i1/shop" || a != b {
		t.Errorf("keys %q and %q; want both i1/shop", a, b)
	}
}
