package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// onCallOf keeps overrides and swaps in the world.
type onCallOf struct{ *world }

var berlin = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

func (w onCallOf) Schedules() map[string]oncall.Schedule {
	if w.empty {
		return nil
	}
	layer := func(unit oncall.Unit, parties ...[]string) []oncall.Layer {
		return []oncall.Layer{{Name: "main", Rotation: oncall.Rotation{
			Unit: unit, Length: 1, Start: time.Date(2026, 1, 5, 9, 0, 0, 0, berlin), Zone: berlin, Parties: parties,
		}}}
	}
	return map[string]oncall.Schedule{
		"shop":   {Name: "shop", Description: "Checkout and payments", Zone: berlin, Layers: layer(oncall.Daily, []string{"ada@example.com"}, []string{"bea@example.com"}, []string{"cal@example.com"})},
		"search": {Name: "search", Zone: berlin, Layers: layer(oncall.Weekly, []string{"vic@example.com"}, nil)},
	}
}

func (w onCallOf) Overlays(context.Context, access.Scope, []string, time.Time, time.Time) (map[string]oncall.Overlay, error) {
	return map[string]oncall.Overlay{"shop": {Overrides: w.overrides}}, w.failing
}

func (w onCallOf) Override(_ context.Context, who access.Principal, v oncall.Override, _ []string) (oncall.Override, error) {
	for _, other := range w.overrides {
		if v.Contradicts(other) {
			return v, fault.New(fault.Conflict, "override %s already stands there", other.ID)
		}
	}
	v.ID, v.By, v.MadeAt = "made", who.Name, w.now
	w.overrides = append(w.overrides, v)
	return v, v.Check()
}

func (w onCallOf) EndOverride(context.Context, access.Principal, string) error {
	w.overrides = nil
	return nil
}

func (w onCallOf) Swaps(context.Context, access.Scope, string, bool) ([]oncall.Swap, error) {
	give := oncall.Span{From: w.now.Add(48 * time.Hour), To: w.now.Add(50 * time.Hour)}
	return []oncall.Swap{{ID: "one", Schedule: "shop", Asker: "bea@example.com", Taker: ada.Name, Give: give, Reason: "<dentist>", State: oncall.Proposed}}, w.failing
}

func (w onCallOf) ProposeSwap(_ context.Context, _ access.Principal, s oncall.Swap) (oncall.Swap, error) {
	return s, nil
}

func (w onCallOf) AcceptSwap(_ context.Context, _ access.Principal, id string) (oncall.Swap, error) {
	if id != "one" {
		return oncall.Swap{}, fault.New(fault.NotFound, "there is no swap %q", id)
	}
	return oncall.Swap{ID: id, State: oncall.Accepted}, nil
}

func (w onCallOf) DeclineSwap(_ context.Context, _ access.Principal, id string) (oncall.Swap, error) {
	return oncall.Swap{ID: id, State: oncall.Declined}, nil
}

func (w onCallOf) CancelSwap(_ context.Context, _ access.Principal, id string) (oncall.Swap, error) {
	return oncall.Swap{ID: id, State: oncall.Cancelled}, nil
}

func (w onCallOf) Fair(context.Context, access.Scope, string, time.Time, time.Time) ([]oncall.Load, error) {
	return []oncall.Load{{Person: "ada@example.com", Hours: 240, Nights: 10, Pages: 7, HoursRatio: 1.5}, {Person: "bea@example.com", Hours: 80, HoursRatio: 0.5}}, w.failing
}

func TestThePageSaysWhoIsOnCallAndWhenNobodyWillBe(t *testing.T) {
	w := newWorld()
	page := get(t, w.app(as(ada)), "/oncall")
	for _, want := range []string{"Checkout and payments", "nobody from Mon", "Next: ", "240 h", "1.50×"} {
		if !page.has(want) {
			t.Errorf("%q is missing:\n%s", want, page.body)
		}
	}
	if page := get(t, w.app(as(acme)), "/oncall"); page.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's people: %d", page.StatusCode)
	}
}

func TestADayOnWhichTheClockChangesIsDrawnAsLongAsItIs(t *testing.T) {
	w := newWorld()
	app := w.app(as(ada))
	for date, hours := range map[string]string{"2026-03-29": "23 h", "2026-10-25": "25 h"} {
		if page := get(t, app, "/oncall/shop?from="+date); !page.has(hours) || strings.Count(page.body, `class="card oncall-day`) != 7 {
			t.Errorf("%s: no day of %s", date, hours)
		}
	}
	if page := get(t, app, "/oncall/shop?view=month&from=2028-02-10"); strings.Count(page.body, `class="card oncall-day`) != 29 {
		t.Error("February of a leap year has not 29 days")
	}
	if page := get(t, app, "/oncall/nope"); page.StatusCode != http.StatusNotFound {
		t.Error(page.StatusCode)
	}
}

func TestAnOverrideIsMadeByAFormAndTheSecondIsTold(t *testing.T) {
	w := newWorld()
	app := w.app(as(ada))
	form := url.Values{"from": {"2026-11-24T10:00"}, "to": {"2026-11-24T12:00"}, "add": {ada.Name}, "reason": {"<b>"}}
	if a := post(t, app, "/oncall/shop/overrides", form); a.StatusCode != http.StatusSeeOther || len(w.overrides) != 1 {
		t.Fatal(a.StatusCode, a.body)
	}
	if got := w.overrides[0].From.UTC().Format("15:04"); got != "09:00" {
		t.Errorf("10:00 in Berlin was read as %s UTC", got)
	}
	if a := post(t, app, "/oncall/shop/overrides", form); a.StatusCode != http.StatusConflict {
		t.Error(a.StatusCode)
	}
	form.Set("from", "soon")
	if a := post(t, app, "/oncall/shop/overrides", form); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity {
		t.Error(a.StatusCode)
	}
	page := get(t, app, "/oncall/shop")
	if !page.has("ada is on call") || !page.has(", changed") || page.has("<dentist>") || !page.has(">Accept<") {
		t.Error(page.body)
	}
	if a := post(t, app, "/oncall/shop/overrides/made/end", nil); a.StatusCode != http.StatusSeeOther || len(w.overrides) != 0 {
		t.Error(a.StatusCode)
	}
	for answer, status := range map[string]int{"one/accept": http.StatusSeeOther, "two/accept": http.StatusNotFound, "one/eat": http.StatusNotFound} {
		if a := post(t, app, "/oncall/shop/swaps/"+answer, nil); a.StatusCode != status {
			t.Error(answer, a.StatusCode)
		}
	}
}

func TestPeopleSideBySideHaveColoursOfTheirOwn(t *testing.T) {
	t.Parallel()
	people := []string{"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example", "f@x.example", "g@x.example", "h@x.example"}
	of, seen := apart(people), map[string]bool{}
	for _, p := range people {
		seen[of(p).Colour] = true
	}
	if len(seen) != len(people) {
		t.Errorf("%d people have %d colours", len(people), len(seen))
	}
	if of = apart(append(people, "i@x.example", "j@x.example")); of("j@x.example").Colour == "" || of("somebody@else.example").Short != "somebody" {
		t.Error("more people than colours")
	}
}
