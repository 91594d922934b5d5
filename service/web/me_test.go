package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// reachOf keeps one person's ways in the world.
type reachOf struct{ *world }

func (r reachOf) Ways(_ context.Context, who access.Principal) (Ways, error) {
	w := r.world.ways
	w.Email = who.Name
	return w, r.failing
}

func (r reachOf) AddWay(_ context.Context, _ access.Principal, w Way) error {
	if w.Name == "" {
		return fault.New(fault.Invalid, "name: write one")
	}
	w.ID = "new"
	r.world.ways.Ways = append(r.world.ways.Ways, w)
	if w.Channel == "eu" {
		return fault.New(fault.Unavailable, "the code could not be sent")
	}
	return nil
}

func (r reachOf) SendCode(context.Context, access.Principal, string) error { return nil }

func (r reachOf) Verify(_ context.Context, _ access.Principal, id, code string) error {
	if code != "123456" {
		return fault.New(fault.Invalid, "code: is not the one that was sent")
	}
	for n, w := range r.world.ways.Ways {
		if w.ID == id {
			r.world.ways.Ways[n].VerifiedAt = &r.now
		}
	}
	return nil
}

func (r reachOf) RemoveWay(_ context.Context, _ access.Principal, id string) error {
	r.world.ways.Ways = slices.DeleteFunc(r.world.ways.Ways, func(w Way) bool { return w.ID == id })
	return nil
}

func (r reachOf) SetRules(_ context.Context, _ access.Principal, rules []incidents.Rule) error {
	r.world.ways.Rules = rules
	return nil
}

func (r reachOf) SetQuiet(_ context.Context, _ access.Principal, zone string, quiet []incidents.Quiet) error {
	if err := incidents.CheckQuiet(zone, quiet); err != nil {
		return err
	}
	r.world.ways.Zone, r.world.ways.Quiet = zone, quiet
	return nil
}

// reachable is a world in which ada is called by a telephone, and a new number waits for its code.
func reachable() *world {
	w := newWorld()
	verified := w.ago(48 * time.Hour)
	w.ways = Ways{
		Zone: "Europe/Berlin", Offered: map[string][]string{"sms": {"eu", "us"}, "email": {""}},
		Ways:  []Way{{ID: "m1", Name: "mobile", Way: "sms", Channel: "eu", Address: "+4915112345678", VerifiedAt: &verified}, {ID: "m2", Name: "<tablet>", Way: "email", Address: "ada@home.example"}},
		Rules: []incidents.Rule{{Urgency: incidents.HighUrgency, Method: "m1"}, {Urgency: incidents.LowUrgency, Delay: 5 * time.Minute, Method: "m1"}},
		Quiet: []incidents.Quiet{{From: 22 * time.Hour, To: 7 * time.Hour, Days: []time.Weekday{time.Monday, time.Friday}}},
	}
	w.links = []OnCallLink{{ID: "l1", Kind: "calendar", Person: ada.Name, MadeBy: ada.Name, MadeAt: verified}, {ID: "l2", Kind: "badge", Schedule: "shop", MadeBy: ada.Name, MadeAt: verified}}
	return w
}

func TestThePageAboutOneselfSaysHowAndWhenOneIsCalled(t *testing.T) {
	t.Parallel()
	w := reachable()
	a := get(t, w.app(as(ada)), "/me")
	for _, want := range []string{"times in Europe/Berlin", "mobile", "verified", "&lt;tablet&gt;", "waits for its code", `action="/me/ways/m2/verify"`, "high urgency, at once: mobile",
		"low urgency, after 5\u00a0min: mobile", "22:00 to 07:00 of the next day, Mon Fri", `value="sms eu"`, `value="sms us"`, `href="/oncall/shop"`, "Calendar of ada", `action="/me/links/l1/revoke"`} {
		if !a.has(want) {
			t.Errorf("%q is missing:\n%s", want, a.body)
		}
	}
	if a.has(`action="/me/ways/m1/verify"`) {
		t.Error("a verified way asks for a code")
	}
	if a := get(t, w.app(as(acme)), "/me"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's people: %d", a.StatusCode)
	}
	if a := get(t, w.app(as(vic)), "/me"); a.StatusCode != http.StatusOK || a.has("How you are called</h2>") || a.has("+4915112345678") {
		t.Errorf("a viewer, who is not called: %d %s", a.StatusCode, a.body)
	}
	w.failing = errEngine
	if a := get(t, w.app(as(ada)), "/me"); a.StatusCode != http.StatusOK || !a.has("Not known right now") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestWaysRulesAndQuietHoursAreChangedByForms(t *testing.T) {
	t.Parallel()
	w := reachable()
	app := w.app(as(ada))
	flashed := func(path string, form url.Values, word string) {
		t.Helper()
		a := post(t, app, path, form)
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Set-Cookie"), flashCookie+"="+word+";") {
			t.Errorf("%s: %d %s %s, want %s", path, a.StatusCode, a.Header.Get("Set-Cookie"), a.body, word)
		}
	}
	flashed("/me/ways", url.Values{"name": {"desk"}, "way": {"sms eu"}, "address": {"+4930123"}}, "code-unsent")
	if got := w.ways.Ways[2]; got.Way != "sms" || got.Channel != "eu" || got.Address != "+4930123" {
		t.Errorf("added %+v", got)
	}
	flashed("/me/ways/m2/verify", url.Values{"code": {"123 456"}}, "verified")
	if w.ways.Ways[1].VerifiedAt == nil {
		t.Error("not verified")
	}
	flashed("/me/ways/new/remove", nil, "saved")
	flashed("/me/rules", url.Values{"urgency": {"low"}, "minutes": {"2.5"}, "way": {"m2"}}, "saved")
	if got := w.ways.Rules[2]; got.Delay != 150*time.Second || got.Urgency != incidents.LowUrgency || got.Method != "m2" {
		t.Errorf("the rule is %+v", got)
	}
	flashed("/me/rules/remove", url.Values{"rule": {ruleKey(w.ways.Rules[0])}}, "saved")
	if len(w.ways.Rules) != 2 || w.ways.Rules[0].Urgency != incidents.LowUrgency {
		t.Errorf("the rules are %+v", w.ways.Rules)
	}
	flashed("/me/quiet", url.Values{"from": {"12:30"}, "to": {"13:00"}, "day0": {"1"}, "day6": {"1"}}, "saved")
	if got := w.ways.Quiet[1]; got.From != 12*time.Hour+30*time.Minute || !slices.Equal(got.Days, []time.Weekday{time.Sunday, time.Saturday}) {
		t.Errorf("the quiet hours are %+v", got)
	}
	flashed("/me/quiet/remove", url.Values{"quiet": {quietKey(w.ways.Quiet[0])}}, "saved")
	flashed("/me/zone", url.Values{"zone": {"Asia/Tokyo"}}, "saved")
	if w.ways.Zone != "Asia/Tokyo" || len(w.ways.Quiet) != 1 || w.ways.Quiet[0].From != 12*time.Hour+30*time.Minute {
		t.Errorf("%+v", w.ways)
	}
	for path, form := range map[string]url.Values{
		"/me/ways": {"way": {"sms"}}, "/me/ways/m2/verify": {"code": {"1"}}, "/me/rules": {"minutes": {"NaN"}}, "/me/quiet": {"from": {"25:00"}, "to": {"07:00"}}, "/me/zone": {"zone": {"Nowhere"}},
	} {
		if a := post(t, app, path, form); a.StatusCode != http.StatusUnprocessableEntity && a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s with %v: %d", path, form, a.StatusCode)
		}
	}
	if a := post(t, w.app(as(vic)), "/me/zone", url.Values{"zone": {"UTC"}}); a.StatusCode != http.StatusForbidden || w.ways.Zone != "Asia/Tokyo" {
		t.Errorf("a viewer: %d", a.StatusCode)
	}
}

func TestAnAddressOfACalendarOrBadgeIsShownOnceAndRevoked(t *testing.T) {
	t.Parallel()
	w := reachable()
	app := w.app(as(ada))
	a := post(t, app, "/oncall/shop/links", url.Values{"kind": {"badge"}})
	for _, want := range []string{"Shown this once", `src="/api/v1/made"`, "[![on call for shop](/api/v1/made)]", "&lt;img alt="} {
		if a.StatusCode != http.StatusOK || !a.has(want) {
			t.Errorf("%q is missing: %d %s", want, a.StatusCode, a.body)
		}
	}
	if a := post(t, app, "/me/links", nil); !a.has("Subscribe to it in your calendar") || w.links[len(w.links)-1].Person != ada.Name {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := get(t, app, "/oncall/shop"); !a.has("Badge of shop") || a.has("/api/v1/made") {
		t.Error("the list lacks the link, or shows its secret")
	}
	for _, path := range []string{"/oncall/shop/links/l2/revoke", "/me/links/l1/revoke", "/me/links/gone/revoke"} {
		if a := post(t, app, path, nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if len(w.links) != 2 {
		t.Errorf("left are %+v", w.links)
	}
	if a := post(t, w.app(as(acme)), "/oncall/shop/links", url.Values{"kind": {"badge"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's people: %d", a.StatusCode)
	}
}

func (w onCallOf) MakeLink(_ context.Context, who access.Principal, l OnCallLink) (OnCallLink, string, error) {
	l.ID, l.MadeBy, l.MadeAt = "made", who.Name, w.now
	w.links = append(w.links, l)
	return l, "/api/v1/made", nil
}

func (w onCallOf) Links(context.Context, access.Principal) ([]OnCallLink, error) {
	return w.links, w.failing
}

func (w onCallOf) RevokeLink(_ context.Context, _ access.Principal, id string) error {
	before := len(w.links)
	w.links = slices.DeleteFunc(w.links, func(l OnCallLink) bool { return l.ID == id })
	if len(w.links) == before {
		return fault.New(fault.NotFound, "you have no link %q", id)
	}
	return nil
}
