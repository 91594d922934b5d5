package incidents_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

func TestLabelSimilarityIsSymmetricAndWithinZeroAndOne(t *testing.T) {
	labels := rapid.MapOf(rapid.SampledFrom([]string{"alertname", "service", "pod", "replica", "x"}), rapid.SampledFrom([]string{"a", "b"}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := labels.Draw(t, "a"), labels.Draw(t, "b")
		got, back := incidents.LabelSimilarity(a, b), incidents.LabelSimilarity(b, a)
		if got < 0 || got > 1 || got-back > 1e-9 || back-got > 1e-9 {
			t.Fatalf("%v and %v: %v, and the other way %v", a, b, got, back)
		}
	})
}

func TestOnlyResolvedIncidentsOfTheSameTenantAreAlike(t *testing.T) {
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	over := now.Add(-time.Hour)
	this := incidents.Incident{ID: "1", Tenant: "acme", Service: "shop"}
	past := func(id, tenant string, resolved *time.Time) incidents.Precedent {
		return incidents.Precedent{Incident: incidents.Incident{ID: id, Tenant: tenant, Service: "shop", ResolvedAt: resolved}}
	}
	got := incidents.Alike(this, []incidents.Precedent{past("1", "acme", &over), past("2", "", &over), past("3", "acme", nil), past("4", "acme", &over)}, now, 5)
	if len(got) != 1 || got[0].Incident.ID != "4" {
		t.Errorf("got %+v", got)
	}
}
