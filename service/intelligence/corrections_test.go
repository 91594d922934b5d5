package intelligence

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// entries keeps corrections in memory.
type entries struct {
	all   []slo.Correction
	asked atomic.Int32
}

func (e *entries) CorrectionsIn(_ context.Context, from, to time.Time) ([]slo.Correction, error) {
	e.asked.Add(1)
	var out []slo.Correction
	for _, c := range e.all {
		if c.To.After(from) && (to.IsZero() || c.From.Before(to)) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (w *world) corrected(all ...slo.Correction) (*Service, *entries) {
	s, e := w.service(), &entries{all: all}
	s.Corrections = e
	return s, e
}

func maintenance(from, to time.Time, labels ...string) slo.Correction {
	c := slo.Correction{ID: "m-" + from.Format("15:04"), SLO: shop.SLO.ID, From: from, To: to, Mode: slo.ModeExclude, Kind: slo.KindMaintenance,
		Reason: "new disks", Author: "ada@example.com", Created: from.Add(-time.Hour)}
	for i := 0; i+1 < len(labels); i += 2 {
		c.Labels = map[string]string{labels[i]: labels[i+1]}
	}
	return c
}

func TestEveryAnswerLeavesMaintenanceOut(t *testing.T) {
	t.Parallel()
	w, i := outage()
	w.open = []incidents.Incident{i}
	s, e := w.corrected(maintenance(ago(40*time.Minute), now.Add(time.Hour)))
	st := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID, Tenant: "acme"})).Statuses[0]
	if st.Counts.Errors() != 0 || st.Remaining != 1 || st.Burn != 0 || !st.Excluded || st.Adjusted.Excluded.Errors() != 1001 || st.Coverage != 1 {
		t.Errorf("status %+v", st)
	}
	points := must[slo.BurnedDown](t)(s.BurnDown(bg, operator, shop.SLO.ID, "acme", 100)).Points
	for _, p := range points {
		if p.Remaining != 1 || p.Errors != 0 {
			t.Errorf("the burn-down has %+v", p)
		}
	}
	impact := must[incidents.Impact](t)(s.Impact(bg, operator, i))
	if impact.Errors() != 0 || *impact.BudgetShare != 0 || *impact.BadMinutes != 0 || impact.Coverage != 1 || !strings.Contains(strings.Join(impact.Unknown, " "), "Maintenance and corrections leave 20 minutes of the span and 600 errors") {
		t.Errorf("impact %+v", impact)
	}
	risk := must[Posture](t)(s.Posture(bg, operator)).Promises
	if !strings.Contains(risk[0].Reason+risk[1].Reason+risk[2].Reason, "in maintenance now") {
		t.Errorf("the posture does not say it: %+v", risk)
	}
	if n := e.asked.Load(); n != 1 {
		t.Errorf("corrections were read %d times in a moment", n)
	}
	w.contracts["acme"] = slo.Contract{Tenant: "acme", Promises: []slo.Promise{{SLO: shop.SLO.ID, Objective: 99.9}}}
	month := slo.Month{Year: 2026, Month: time.November}
	p := must[slo.Report](t)(s.SLAReport(bg, acme, "acme", month)).Promises[0]
	if p.Counts.Errors() != 0 || p.Measured.Counts.Errors() != 801 || len(p.Corrections) != 1 {
		t.Errorf("report %+v", p)
	}
}

func TestAnotherTenantsMaintenanceChangesNothing(t *testing.T) {
	t.Parallel()
	w, i := outage()
	plain := must[incidents.Impact](t)(w.service().Impact(bg, operator, i))
	s, _ := w.corrected(maintenance(ago(24*time.Hour), now, "tenant", "globex"))
	if got := must[incidents.Impact](t)(s.Impact(bg, operator, i)); got.Errors() != plain.Errors() || *got.BudgetShare != *plain.BudgetShare || len(got.Unknown) != len(plain.Unknown) {
		t.Errorf("%+v, want %+v", got, plain)
	}
	w.contracts["acme"] = slo.Contract{Tenant: "acme", Promises: []slo.Promise{{SLO: shop.SLO.ID, Objective: 99.9}}}
	text, _ := must[slo.Report](t)(s.SLAReport(bg, acme, "acme", slo.Month{Year: 2026, Month: time.November})).Canonical()
	if strings.Contains(string(text), "globex") || strings.Contains(string(text), "disks") {
		t.Errorf("another tenant's maintenance stands in the report: %s", text)
	}
}

func TestSilenceInMaintenanceIsNoRisk(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.slos = []slo.Versioned{shop}
	w.closed[shop.SLO.ID] = now
	w.fill(shop, "acme", "eu", ago(24*time.Hour), ago(time.Hour), 0, 1000)
	if p := must[Posture](t)(w.service().Posture(bg, operator)).Promises[0]; p.State != Unknown {
		t.Errorf("silence without maintenance is %s", p.State)
	}
	s, _ := w.corrected(maintenance(ago(time.Hour), now.Add(time.Hour)))
	if p := must[Posture](t)(s.Posture(bg, operator)).Promises[0]; p.State != Fine || !strings.Contains(p.Reason, "in maintenance now") {
		t.Errorf("in maintenance it is %s: %s", p.State, p.Reason)
	}
}

func TestTheBurnDownHoldsWhatTheGapPolicyCounts(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{slo.GapGood, slo.GapBad} {
		w := newWorld()
		v := shop
		v.SLO.Gap = policy
		w.slos = []slo.Versioned{v}
		w.closed[v.SLO.ID] = now
		w.fill(v, "acme", "eu", ago(10*time.Hour), ago(8*time.Hour), 1, 1000)
		w.fill(v, "acme", "eu", ago(7*time.Hour), now, 0, 1000)
		s, _ := w.corrected(maintenance(ago(440*time.Minute), ago(7*time.Hour)))
		st := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: v.SLO.ID})).Statuses[0]
		points := must[slo.BurnedDown](t)(s.BurnDown(bg, operator, v.SLO.ID, "acme", 300)).Points
		last := points[len(points)-1]
		if math.Abs(last.Remaining-st.Remaining) > 1e-9 || st.Adjusted.Imputed != 40 {
			t.Errorf("%s: ends at %v, the status says %v with %d imputed", policy, last.Remaining, st.Remaining, st.Adjusted.Imputed)
		}
		var total float64
		for _, p := range points {
			total += p.Total
		}
		if total != 108*1000 {
			t.Errorf("%s: %v events are shown as seen", policy, total)
		}
		split := must[Split](t)(s.Split(bg, operator, v.SLO.ID, "", ByIncident))
		if math.Abs(1-split.Spent-st.Remaining) > 1e-9 || split.Parts[0].Kind != PartUnmeasured && policy == slo.GapBad {
			t.Errorf("%s: split %+v, the status has %v left", policy, split, st.Remaining)
		}
	}
}

func TestAPreviewSaysWhatWouldChange(t *testing.T) {
	t.Parallel()
	w, _ := outage()
	s, _ := w.corrected(maintenance(ago(35*time.Minute), ago(30*time.Minute)))
	c := maintenance(ago(32*time.Minute), ago(8*time.Minute), "tenant", "acme")
	got := must[Preview](t)(s.Preview(bg, operator, c))
	if !got.From.Equal(ago(30*time.Minute)) || !got.To.Equal(ago(10*time.Minute)) {
		t.Errorf("holds from %v to %v", got.From, got.To)
	}
	if got.Effect.Excluded != (slo.Counts{Good: 4*500 + 4*800, Total: 4*500 + 4*1000}) || got.Effect.Minutes != 20 {
		t.Errorf("effect %+v", got.Effect)
	}
	if len(got.Budgets) != 1 || got.Budgets[0].Labels["tenant"] != "acme" || got.Budgets[0].Before.Errors != 1000 || got.Budgets[0].After.Errors != 200 ||
		got.Budgets[0].After.ExcludedMinutes != 25 || got.Budgets[0].Before.Remaining >= got.Budgets[0].After.Remaining {
		t.Errorf("budgets %+v", got.Budgets)
	}
	if _, err := s.Preview(bg, acme, c); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant asks: %v", err)
	}
	c.SLO = "nope"
	if _, err := s.Preview(bg, operator, c); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown SLO: %v", err)
	}
	st := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID, Tenant: "acme"})).Statuses[0]
	if st.Counts.Errors() != 1000 {
		t.Errorf("the preview has changed something: %+v", st)
	}
}

func TestASplitAddsUpToTheBudgetSpent(t *testing.T) {
	t.Parallel()
	w, i := outage()
	earlier := i
	resolved := ago(5 * time.Hour)
	earlier.ID, earlier.Number, earlier.State, earlier.ResolvedAt, earlier.StartedAt = "i-0", 40, incidents.Resolved, &resolved, ago(6*time.Hour)
	for n := range w.buckets { // an outage of an hour that the earlier incident is about, and one that nobody was told of
		b := &w.buckets[n]
		if age := now.Sub(b.Start); b.Tenant == "acme" && b.Region == "eu" && (age > 5*time.Hour && age <= 6*time.Hour || age == 10*time.Hour) {
			b.Good -= 30
		}
	}
	second := i // opened while the first was going on: its errors are the first one's
	second.ID, second.Number, second.StartedAt = "i-2", 42, ago(12*time.Minute)
	other := i
	other.ID, other.Number, other.Tenant, other.Labels = "i-3", 43, "globex", map[string]string{"tenant": "globex"}
	everyone := everyState{w, []incidents.Incident{other, second, i, earlier}}
	s := w.service()
	s.Incidents = everyone
	st := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID, Tenant: "acme"})).Statuses[0]
	got := must[Split](t)(s.Split(bg, operator, shop.SLO.ID, "acme", ByIncident))
	var errors, share, ofSpent float64
	by := map[string]float64{}
	for _, p := range got.Parts {
		errors, share, ofSpent = errors+p.Errors, share+p.Share, ofSpent+p.OfSpent
		by[p.Name] = p.Errors
	}
	if by["#40"] != 12*30 || by["#41"] != 1001 || by["no incident"] != 30 || len(by) != 3 {
		t.Errorf("parts %+v", got.Parts)
	}
	if errors != st.Counts.Errors() || math.Abs(share-(1-st.Remaining)) > 1e-9 || math.Abs(ofSpent-1) > 1e-9 || got.Spent != share {
		t.Errorf("%v errors, %v of the budget, %v of the whole; the status has %+v", errors, share, ofSpent, st)
	}
	if last := got.Parts[len(got.Parts)-1]; last.Kind != PartRest {
		t.Errorf("last comes %+v", last)
	}
	tenants := must[Split](t)(s.Split(bg, operator, shop.SLO.ID, "", ByTenant))
	if len(tenants.Parts) != 2 || tenants.Parts[0].Name != "globex" || tenants.Parts[1].Errors != st.Counts.Errors() || math.Abs(tenants.Parts[0].OfSpent+tenants.Parts[1].OfSpent-1) > 1e-9 {
		t.Errorf("by tenant %+v", tenants.Parts)
	}
	mine := must[Split](t)(s.Split(bg, acme, shop.SLO.ID, "", ByTenant))
	if len(mine.Parts) != 1 || mine.Parts[0].Name != "acme" {
		t.Errorf("acme sees %+v", mine.Parts)
	}
	for _, p := range must[Split](t)(s.Split(bg, acme, shop.SLO.ID, "acme", ByIncident)).Parts {
		if p.Name == "#43" {
			t.Error("acme sees an incident of globex")
		}
	}
	if _, err := s.Split(bg, acme, shop.SLO.ID, "globex", ByTenant); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	if _, err := s.Split(bg, operator, shop.SLO.ID, "", "colour"); !fault.Is(err, fault.Invalid) {
		t.Errorf("by colour: %v", err)
	}
	if _, err := s.Split(bg, acme, api.SLO.ID, "", ByTenant); !fault.Is(err, fault.NotFound) {
		t.Errorf("the operator's own promise: %v", err)
	}
}

// everyState lists incidents whatever their state.
type everyState struct {
	*world
	all []incidents.Incident
}

func (e everyState) Incidents(context.Context, access.Scope, incidents.Filter) ([]incidents.Incident, error) {
	return e.all, nil
}
func (e everyState) Incident(ctx context.Context, scope access.Scope, id string) (incidents.Incident, error) {
	return incidentStore{e.world}.Incident(ctx, scope, id)
}
func (e everyState) Timeline(context.Context, access.Scope, string) ([]incidents.Event, error) {
	return nil, nil
}
func (e everyState) Attempts(context.Context, access.Scope, string) ([]incidents.Attempt, error) {
	return nil, nil
}
