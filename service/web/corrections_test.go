package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

var edith = access.Principal{ID: "user:3c11", Name: "edith@example.com", Role: access.Editor}

// corrections is the world's maintenance: one now for all, one that was counted as good for globex, and a revoked one.
type corrections struct{ w *world }

func (c corrections) Corrections(_ context.Context, who access.Principal, id string) ([]slo.Correction, error) {
	if c.w.failing != nil || c.w.empty || id != "shop-availability" {
		return nil, c.w.failing
	}
	now := c.w.now
	all := []slo.Correction{
		{ID: "11111111-2222-4333-8444-555555555555", SLO: id, From: now.Add(-time.Hour), To: now.Add(time.Hour), Mode: slo.ModeExclude, Kind: slo.KindMaintenance,
			Reason: "new disks <b>", Note: "the cheap ones", Author: "edith@example.com", Created: now.Add(-2 * time.Hour)},
		{ID: "22222222-2222-4333-8444-555555555555", SLO: id, Labels: map[string]string{"tenant": "globex"}, From: now.Add(-50 * time.Hour), To: now.Add(-49 * time.Hour),
			Mode: slo.ModeGood, Kind: slo.KindCorrection, Reason: "the probe of globex was broken", Author: "edith@example.com", Created: now},
		{ID: "33333333-2222-4333-8444-555555555555", SLO: id, From: now.Add(30 * time.Hour), To: now.Add(31 * time.Hour), Mode: slo.ModeExclude, Kind: slo.KindMaintenance,
			Reason: "a rehearsal", Created: now.Add(-time.Hour), Revoked: now.Add(-time.Minute), RevokedBy: "edith@example.com", RevokedReason: "put off"},
	}
	var out []slo.Correction
	for _, one := range all {
		if who.Tenant != "" {
			if !one.TouchesTenant(who.Tenant) {
				continue
			}
			one = one.ForTenant()
		}
		out = append(out, one)
	}
	return out, nil
}

func (c corrections) Add(_ context.Context, who access.Principal, made slo.Correction) error {
	if err := made.Check(nil, c.Bucket()); err != nil {
		return err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	made.Author = who.Name
	c.w.added = append(c.w.added, made)
	return c.w.failing
}

func (c corrections) Revoke(_ context.Context, who access.Principal, id, reason string) error {
	if strings.HasPrefix(id, "3333") {
		return fault.New(fault.Conflict, "this correction was revoked already")
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.added = append(c.w.added, slo.Correction{ID: id, RevokedBy: who.Name, RevokedReason: reason})
	return c.w.failing
}

func (c corrections) Bucket() time.Duration { return 5 * time.Minute }

// reported are the corrections of the report's month: an outage's hour, entered afterwards.
func (w *world) reported(from time.Time) []slo.Correction {
	day := from.AddDate(0, 0, 19).Truncate(24 * time.Hour).Add(13 * time.Hour)
	return []slo.Correction{{ID: "c", SLO: "shop-availability", From: day, To: day.Add(time.Hour), Mode: slo.ModeExclude, Kind: slo.KindMaintenance,
		Reason: "new disks <b>", Author: "edith@example.com", Created: day.Add(48 * time.Hour)}}
}

func TestAPromiseShowsItsCorrections(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for name, who := range map[string]access.Principal{"editor": edith, "viewer": vic, "tenant": acme} {
		a := get(t, w.app(as(who)), "/slos/shop-availability")
		sound(t, name, a)
		for _, want := range []string{"new disks &lt;b&gt;", "1" + thin + "h 55" + thin + "min", "maintenance, not counted", `class="band"`, "not counted: new disks"} {
			if !a.has(want) {
				t.Errorf("%s: the page does not say %q", name, want)
			}
		}
		if edits := a.has("Add maintenance") && a.has("/revoke"); edits != (name == "editor") {
			t.Errorf("%s: has forms: %t", name, edits)
		}
		if inside := a.has("the cheap ones") || a.has("edith@example.com"); inside != (name != "tenant") {
			t.Errorf("%s: sees what is the operator's own: %t", name, inside)
		}
		if name == "tenant" && a.has("globex") {
			t.Error("acme sees globex")
		}
	}
	if a := get(t, w.app(as(vic)), "/slos/shop-availability?tenant=acme"); a.has("globex was broken") {
		t.Error("acme's budget shows a correction of globex")
	}
	globex := get(t, w.app(as(vic)), "/slos/shop-availability?tenant=globex")
	if !globex.has("entered afterwards") || !globex.has("errors count as good") || !globex.has("put off") {
		t.Error("globex's budget does not show what was corrected")
	}
	w.failing = errEngine
	failed := get(t, w.app(as(vic)), "/slos/shop-availability")
	if sound(t, "failing", failed); failed.has("every recorded event counts") {
		t.Error("what could not be asked is shown as none")
	}
	w.failing = nil
	if a := get(t, w.app(as(vic)), "/slos/nines-queries"); !a.has("every recorded event counts") {
		t.Error("a promise without corrections does not say so")
	}
}

func TestOnlyEditorsCorrect(t *testing.T) {
	t.Parallel()
	w := newWorld()
	form := url.Values{"from": {"2026-11-23T10:00"}, "to": {"2026-11-23T12:00"}, "mode": {"exclude"}, "kind": {"maintenance"}, "reason": {"disks"}, "tenant": {"acme"}}
	add, revoke := "/slos/shop-availability/corrections", "/slos/shop-availability/corrections/11111111-2222-4333-8444-555555555555/revoke"
	for _, who := range []access.Principal{ada, vic, acme, {ID: "user:1", Name: "root@acme.example", Role: access.Admin, Tenant: "acme"}} {
		for _, path := range []string{add, revoke} {
			if a := post(t, w.app(as(who)), path, form); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s posts %s: %d", who.Name, path, a.StatusCode)
			}
		}
	}
	if len(w.added) != 0 {
		t.Fatalf("added %+v", w.added)
	}
	app := w.app(as(edith))
	for _, path := range []string{add, revoke} {
		if a := post(t, app, path, form); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/slos/shop-availability?tenant=acme#corrections" {
			t.Errorf("%s: %d to %s", path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if len(w.added) != 2 {
		t.Fatalf("added %+v", w.added)
	}
	got := w.added[0]
	if got.SLO != "shop-availability" || got.Labels["tenant"] != "acme" || !got.From.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) || got.Author != edith.Name || got.Reason != "disks" {
		t.Errorf("added %+v", got)
	}
	if w.added[1].RevokedReason != "disks" || w.added[1].RevokedBy != edith.Name {
		t.Errorf("revoked %+v", w.added[1])
	}
	for name, change := range map[string]url.Values{"a time that is none": {"from": {"tomorrow"}}, "an empty span": {"to": {"2026-11-23T10:00"}}, "no reason": {"reason": {" "}}} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		for k, v := range change {
			bad[k] = v
		}
		if a := post(t, app, add, bad); a.StatusCode != http.StatusBadRequest || !a.has(map[string]string{"a time that is none": "is not a time", "an empty span": "does not lie after", "no reason": "reason: is missing"}[name]) {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	if a := post(t, app, "/slos/shop-availability/corrections/33333333-2222-4333-8444-555555555555/revoke", form); a.StatusCode != http.StatusConflict {
		t.Errorf("revoking again: %d", a.StatusCode)
	}
}

func TestReportShowsBothFiguresAndWhoCorrected(t *testing.T) {
	t.Parallel()
	a := get(t, newWorld().app(as(acme)), "/reports?month=2026-11")
	sound(t, "report", a)
	for _, want := range []string{"As measured, without corrections:", "new disks &lt;b&gt;", "entered afterwards", "edith@example.com", "events left out had failed", "of the month do not count"} {
		if !a.has(want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}

func TestWhatIsNotAsMeasuredIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range w.statuses {
		w.statuses[i].Adjusted = slo.Adjusted{ExcludedMinutes: 75, Forgiven: 1200, Imputed: 3, ImputedCounts: slo.Counts{Good: 0, Total: 30}}
	}
	a := get(t, w.app(as(vic)), "/slos/shop-availability?tenant=acme")
	sound(t, "adjusted", a)
	for _, want := range []string{"75 min not counted", "1,200 errors count as good", "3" + thin + "intervals without data count as bad"} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
