package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// together is what people did in the world's rooms.
type together struct {
	did         []string
	tasks       []incidents.Task
	updates     []incidents.StatusUpdate
	related     []incidents.Related
	subscribers []incidents.Subscriber
}

// roomOf lets people work together on the world's incidents.
type roomOf struct{ w *world }

func (r roomOf) note(format string, args ...any) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.together.did = append(r.w.together.did, fmt.Sprintf(format, args...))
}

func (r roomOf) Declare(_ context.Context, who access.Principal, w incidents.DeclareWish) (incidents.Incident, error) {
	if _, err := w.Declaration.Check(incidents.Matrix{}); err != nil {
		return incidents.Incident{}, err
	}
	r.note("declare %s %s %s by %s, commander %q, alerts %v, users %v", w.Title, w.Level, w.Service, who.Name, w.Commander, w.Fingerprints, w.Users)
	return r.w.incidents[0], nil
}

func (r roomOf) Rate(_ context.Context, _ access.Principal, id string, want incidents.Rating) (incidents.Incident, error) {
	return r.w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		i.Level, i.Impact = want.Level, want.Impact
		return incidents.Event{Kind: incidents.EventRated, Text: "Rated."}, want.Check()
	})
}

func (r roomOf) Cast(_ context.Context, who access.Principal, id string, want incidents.Casting) (incidents.Incident, error) {
	return r.w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		c, err := i.Cast(incidents.Actor{ID: who.ID, Name: who.Name}, want, r.w.now)
		if *i = c.Incident; err != nil || len(c.Events) == 0 {
			return incidents.Event{}, err
		}
		return c.Events[0], nil
	})
}

func (r roomOf) Merge(_ context.Context, _ access.Principal, id, into, reason string) (incidents.Incident, error) {
	if into == "999" {
		return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident 999")
	}
	r.note("merge %s into %s: %s", id, into, reason)
	return r.w.incidents[1], nil
}

func (r roomOf) Split(_ context.Context, _ access.Principal, id string, fingerprints []string, title, _ string) (incidents.Incident, error) {
	if len(fingerprints) == 0 {
		return incidents.Incident{}, fault.New(fault.Invalid, "alerts: names none")
	}
	r.note("split %v from %s as %s", fingerprints, id, title)
	return r.w.incidents[1], nil
}

func (r roomOf) Reopen(_ context.Context, _ access.Principal, id, reason string) (incidents.Incident, error) {
	r.note("reopen %s: %s", id, reason)
	return r.w.incidents[0], nil
}

func (r roomOf) Related(context.Context, access.Scope, string) ([]incidents.Related, error) {
	return r.w.together.related, r.w.failing
}

func (r roomOf) AlertsOf(context.Context, access.Scope, string) ([]alerting.Alert, error) {
	return []alerting.Alert{{Fingerprint: "f1", Labels: map[string]string{"alertname": "Down", "pod": "a"}},
		{Fingerprint: "f2", Labels: map[string]string{"alertname": "Down", "pod": "b"}}}, r.w.failing
}

func (r roomOf) Tasks(context.Context, access.Scope, string) ([]incidents.Task, error) {
	return r.w.together.tasks, r.w.failing
}

func (r roomOf) AddTask(_ context.Context, who access.Principal, _ string, e incidents.TaskEdit) (incidents.Task, error) {
	c, t, err := incidents.Incident{}.AddTask(incidents.Actor{Name: who.Name}, e, 1, r.w.now)
	if err == nil {
		r.note("%s due %v", c.Events[0].Text, t.DueAt != nil)
	}
	return t, err
}

func (r roomOf) EditTask(_ context.Context, _ access.Principal, _ string, number int, e incidents.TaskEdit) (incidents.Task, error) {
	if e.Revision != nil && *e.Revision != 1 {
		return incidents.Task{}, fault.New(fault.Conflict, "changed meanwhile")
	}
	r.note("task %d %v %v", number, e.State != nil, e.Owner != nil)
	return incidents.Task{}, nil
}

func (r roomOf) Updates(_ context.Context, scope access.Scope, _ string) ([]incidents.StatusUpdate, error) {
	return slices.DeleteFunc(slices.Clone(r.w.together.updates), func(u incidents.StatusUpdate) bool { return !scope.IsOperator() && !u.Public }), r.w.failing
}

func (r roomOf) Tell(_ context.Context, _ access.Principal, _ string, s incidents.Statement) (incidents.StatusUpdate, error) {
	s, err := s.Check()
	if err == nil {
		r.note("tell %s %s public %t next %s", s.Phase, s.Text, s.Public, s.NextIn)
	}
	return incidents.StatusUpdate{}, err
}

func (r roomOf) Subscribers(_ context.Context, _ access.Principal, id string) ([]incidents.Subscriber, error) {
	return slices.DeleteFunc(slices.Clone(r.w.together.subscribers), func(s incidents.Subscriber) bool { return (s.Incident == "") != (id == "") }), r.w.failing
}

func (r roomOf) Subscribe(_ context.Context, who access.Principal, want incidents.Subscriber) (incidents.Subscriber, error) {
	if want.Address == "" {
		want.Address = who.Name
	}
	want, err := want.Check()
	if err == nil {
		r.note("subscribe %s to %q %q %s", want.Address, want.Incident, want.Service, want.Level)
	}
	return want, err
}

func (r roomOf) Unsubscribe(_ context.Context, _ access.Principal, id string) error {
	r.note("unsubscribe %s", id)
	return nil
}

func (r roomOf) Leave(_ context.Context, id string) (string, error) {
	if id != "s1" {
		return "", fault.New(fault.NotFound, "there is no such subscription")
	}
	return "ada@example.com", nil
}

func (r roomOf) Services() []string { return []string{"billing", "shop"} }

// busy gives the first incident people, tasks and words.
func busy() *world {
	w := newWorld()
	i := &w.incidents[0]
	i.Level, i.Roles, i.UpdateDue = 1, map[incidents.Role]string{incidents.Commander: "linus@example.com", incidents.Scribe: ada.Name}, at(w.now.Add(-time.Minute))
	w.together = together{
		tasks: []incidents.Task{
			{Number: 1, Text: "fail over to the standby", Owner: "linus@example.com", State: incidents.TaskDone, ClosedBy: "linus@example.com", ClosedAt: at(w.now), Revision: 2},
			{Number: 2, Text: "call the card provider", State: incidents.TaskOpen, DueAt: at(w.now.Add(-5 * time.Minute)), Revision: 1}},
		updates: []incidents.StatusUpdate{
			{Number: 2, At: w.ago(4 * time.Minute), Phase: incidents.Identified, Text: "A database is full. We are moving to another.", Public: true, Name: "linus@example.com"},
			{Number: 1, At: w.ago(9 * time.Minute), Phase: incidents.Investigating, Text: "internal words", Name: "linus@example.com"}},
		related: []incidents.Related{{Relation: incidents.RelationMerged, ID: "m", Number: 40, Title: "Disk of db-2 is full", State: incidents.Resolved, Level: 3}},
		subscribers: []incidents.Subscriber{{ID: "s1", Address: ada.Name, Incident: i.ID}, {ID: "s2", Address: "cto@example.com", Level: 2, CreatedBy: ada.Name},
			{ID: "s3", Address: ada.Name, Service: "shop"}},
	}
	return w
}

func TestTheRoomShowsWhoDoesWhatAndHowItStands(t *testing.T) {
	t.Parallel()
	w := busy()
	a := get(t, w.app(as(ada)), "/incidents/"+w.incidents[0].ID)
	for _, want := range []string{
		`<span class="level SEV1">SEV1</span>`, "linus@example.com", "fail over to the standby", "1 of 2 done", "call the card provider", "internal words",
		"Next update due", `id="take-communications"`, `id="leave-scribe"`, "Take over", "merged into this:", "#40 Disk of db-2 is full", `value="f2"`,
		"Stop mailing me updates", "Rate…", `id="merge-more"`,
	} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, who := range []access.Principal{vic, acme} {
		a := get(t, w.app(as(who)), "/incidents/"+w.incidents[0].ID)
		for _, never := range []string{"take-communications", `id="tell-more"`, `id="merge-more"`, `id="task-more"`} {
			if a.has(never) {
				t.Errorf("%s of %q is offered %q", who.Role, who.Tenant, never)
			}
		}
	}
	a = get(t, w.app(as(acme)), "/incidents/"+w.incidents[0].ID)
	if !a.has("A database is full.") || a.has("internal words") || a.has("linus@example.com") || a.has("card provider") {
		t.Error("a tenant's person sees more or less than what is public")
	}
}

func TestWhatPeopleDoInTheRoomIsDoneAndAnswered(t *testing.T) {
	t.Parallel()
	w := busy()
	app := w.app(as(ada))
	id := w.incidents[0].ID
	for _, c := range []struct {
		path, word string
		form       url.Values
		did        string
	}{
		{"rate", "rated", url.Values{"level": {"SEV2"}, "impact": {"many"}}, ""},
		{"rate", "unrated", url.Values{}, ""},
		{"roles", "cast", url.Values{"role": {"liaison"}, "take": {"1"}}, ""},
		{"roles", "conflict", url.Values{"role": {"commander"}, "take": {"1"}, "from": {"bo@example.com"}}, ""},
		{"roles", "cast", url.Values{"role": {"commander"}, "take": {"1"}, "from": {"linus@example.com"}}, ""},
		{"roles", "uncast", url.Values{"role": {"scribe"}, "user": {"nobody"}, "from": {ada.Name}}, ""},
		{"tasks", "task-added", url.Values{"text": {"look"}, "owner": {"bo@example.com"}, "minutes": {"15"}}, "Task 1 added by ada@example.com: look (for bo@example.com) due true"},
		{"tasks", "task-wrong", url.Values{"text": {" "}}, ""},
		{"tasks/2", "task-changed", url.Values{"state": {"done"}, "revision": {"1"}}, "task 2 true false"},
		{"tasks/2", "conflict", url.Values{"state": {"done"}, "revision": {"7"}}, ""},
		{"updates", "told", url.Values{"phase": {"monitoring"}, "text": {"better"}, "public": {"1"}, "next": {"30"}}, "tell monitoring better public true next 30m0s"},
		{"updates", "untold", url.Values{"phase": {"monitoring"}}, ""},
		{"merge", "merged", url.Values{"into": {"#41"}, "reason": {"same"}}, "merge " + id + " into 41: same"},
		{"merge", "unmerged", url.Values{"into": {"999"}}, ""},
		{"split", "split", url.Values{"alert": {"f1", "f2"}, "title": {"b"}}, "split [f1 f2] from " + id + " as b"},
		{"split", "unsplit", url.Values{}, ""},
		{"reopen", "reopened", url.Values{"reason": {"back"}}, "reopen " + id + ": back"},
		{"follow", "followed", url.Values{}, `subscribe ada@example.com to "` + id + `" "" `},
		{"follow", "unfollowed", url.Values{"end": {"s1"}}, "unsubscribe s1"},
	} {
		w.together.did = nil
		a := post(t, app, "/incidents/"+id+"/"+c.path, c.form)
		if cookie := a.Header.Get("Set-Cookie"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cookie, flashCookie+"="+c.word+";") {
			t.Errorf("%s with %v: %d with %s", c.path, c.form, a.StatusCode, cookie)
		}
		if c.did != "" && !slices.Equal(w.together.did, []string{c.did}) {
			t.Errorf("%s with %v did %q, want %q", c.path, c.form, w.together.did, c.did)
		}
		for _, who := range []access.Principal{vic, acme} {
			if a := post(t, w.app(as(who)), "/incidents/"+id+"/"+c.path, c.form); c.path != "follow" && a.StatusCode != http.StatusForbidden {
				t.Errorf("%s of %q may %s: %d", who.Role, who.Tenant, c.path, a.StatusCode)
			}
		}
	}
	if got := w.incidents[0].Roles; got[incidents.Commander] != ada.Name || got[incidents.Liaison] != ada.Name {
		t.Errorf("roles %v", got)
	}
}

func TestDeclaringAsksAgainWithWhatWasTypedWhereSomethingIsWrong(t *testing.T) {
	t.Parallel()
	w := busy()
	app := w.app(as(ada))
	if a := get(t, app, "/incidents"); !a.has(`href="/incidents/declare"`) {
		t.Error("the list does not lead to it")
	}
	if a := get(t, app, "/incidents/declare?alerts=f1,f2"); !a.has("<option>shop</option>") || !a.has(`name="take" value="1" checked`) || !a.has("f1 f2") {
		t.Errorf("the form: %s", a.body)
	}
	form := url.Values{"title": {"Checkout fails"}, "service": {"shop"}, "users": {"ada@example.com bo@example.com"}, "take": {"1"}, "alerts": {"f1 f2"}}
	if a := post(t, app, "/incidents/declare", form); a.StatusCode != http.StatusUnprocessableEntity || !a.has("severity, level: write one") || !a.has(`value="Checkout fails"`) {
		t.Errorf("without a level: %d %s", a.StatusCode, a.body)
	}
	form.Set("level", "SEV1")
	if a := post(t, app, "/incidents/declare", form); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != incidentURL(w.incidents[0]) {
		t.Errorf("declared: %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	want := `declare Checkout fails SEV1 shop by ada@example.com, commander "ada@example.com", alerts [f1 f2], users [ada@example.com bo@example.com]`
	if !slices.Equal(w.together.did, []string{want}) {
		t.Errorf("did %q", w.together.did)
	}
	for _, who := range []access.Principal{vic, acme} {
		if a := get(t, w.app(as(who)), "/incidents/declare"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s of %q may declare: %d", who.Role, who.Tenant, a.StatusCode)
		}
	}
}

func TestSubscriptionsAreShownAndEndedEvenWithoutAnAccount(t *testing.T) {
	t.Parallel()
	w := busy()
	a := get(t, w.app(as(ada)), "/subscriptions")
	for _, want := range []string{"SEV1 to SEV2", "cto@example.com", "every incident of shop", `action="/subscriptions/s2/end"`} {
		if !a.has(want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if a := post(t, w.app(as(ada)), "/subscriptions", url.Values{"address": {"nobody"}}); !strings.HasPrefix(a.Header.Get("Set-Cookie"), flashCookie+"=unsubscribable;") {
		t.Errorf("a wrong address: %d %s", a.StatusCode, a.Header.Get("Set-Cookie"))
	}
	nobody := w.app(as(access.Principal{}))
	if a := get(t, nobody, "/unsubscribe/s1"); a.StatusCode != http.StatusOK || !a.has("No more of these letters?") || a.has("ada@example.com") {
		t.Errorf("asks first: %d", a.StatusCode)
	}
	if a := post(t, nobody, "/unsubscribe/s1", nil); !a.has("ada@example.com gets no more") {
		t.Errorf("ends: %s", a.body)
	}
	if a := post(t, nobody, "/unsubscribe/s9", nil); a.StatusCode != http.StatusOK || !a.has("Ended already") {
		t.Errorf("ended already: %d", a.StatusCode)
	}
}
