package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/jira/jiratest"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
)

// shelf keeps one action item as storage does.
type shelf struct {
	item   incidents.ActionItem
	agreed *track.Fields
	tries  int
	last   postgres.Synced
	meant  func() // what people do while a sync is under way
}

func (s *shelf) DueSyncs(context.Context, int, time.Duration) ([]postgres.DueSync, error) {
	return []postgres.DueSync{{ActionItem: s.item, Tries: s.tries, Agreed: s.agreed}}, nil
}

func (s *shelf) FinishSync(_ context.Context, d postgres.DueSync, r postgres.Synced) error {
	changed := s.meant != nil
	if changed {
		s.meant()
		s.meant = nil
	}
	s.last, s.tries = r, s.tries+1
	s.item.TrackerKey, s.item.TrackerURL = r.Key, r.URL
	if r.Error == "" {
		s.tries = 0
	}
	switch {
	case r.Told == nil:
	case changed:
		s.agreed = r.Told
	default:
		s.agreed = r.Agreed
		if r.Theirs != nil {
			after, err := d.Apply(*r.Theirs, time.Now())
			if err != nil {
				return err
			}
			after.TrackerKey, after.TrackerURL = r.Key, r.URL
			s.item = after
		}
	}
	return nil
}

func shelved(t *testing.T) (*shelf, trackers, *jiratest.Server) {
	t.Helper()
	t.Setenv("JIRA_TEST_TOKEN", jiratest.Token)
	j := jiratest.New(t)
	set, problems := definitions.Load([]manifest.File{{Name: "t.yaml", Text: `apiVersion: nines/v1
kind: Tracker
metadata: {name: ops}
spec:
  default: true
  jira: {url: "` + j.URL + `", user: nines@example.com, token: {env: JIRA_TEST_TOKEN}, project: OPS, status: {dropped: "Won't Do"}}
`}}, nil, func(string) bool { return false })
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	due := time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC)
	s := &shelf{item: incidents.ActionItem{ID: "6b2f8c1e-54d7-4a59-8f0a-0c1d2e3f4a5b", Number: 3, Postmortem: "p", Incident: "i", Title: "Alert on the pool", Kind: incidents.Detect,
		State: incidents.ActionOpen, DueAt: &due, Tracker: "ops", CreatedAt: due}}
	return s, trackers{store: s, catalog: func() *definitions.Catalog { return set.Catalog }, baseURL: "https://nines.example", now: time.Now, rests: &rests{}}, j
}

func turn(t *testing.T, tr trackers) {
	t.Helper()
	if err := tr.run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnActionItemAndItsTicketFollowEachOther(t *testing.T) {
	s, tr, j := shelved(t)
	turn(t, tr)
	i := j.Issues()[0]
	if s.item.TrackerKey != "OPS-1" || !strings.HasSuffix(s.item.TrackerURL, "/browse/OPS-1") || i.Summary != "Alert on the pool" || i.Due != "2026-12-24" ||
		!strings.Contains(strings.Join(i.Lines, "\n"), "to notice it sooner.\nhttps://nines.example/postmortems/p\nhttps://nines.example/incidents/i") {
		t.Fatalf("%+v, %+v", s.item, i)
	}
	s.item.Title = "Alert on the pool's size"
	turn(t, tr)
	if i := j.Issues()[0]; i.Summary != "Alert on the pool's size" || len(j.Issues()) != 1 {
		t.Errorf("changed here: %+v", i)
	}
	j.Move("OPS-1", "Done")
	turn(t, tr)
	if s.item.State != incidents.ActionDone || s.item.ClosedAt == nil || s.last.Again != lookClosed {
		t.Errorf("done there: %+v, again in %s", s.item, s.last.Again)
	}
	j.Move("OPS-1", "Won't Do")
	turn(t, tr)
	if s.item.State != incidents.ActionDropped || s.item.Reason != "closed in ops as not to be done" {
		t.Errorf("dropped there: %+v", s.item)
	}
	j.Move("OPS-1", "In Progress")
	turn(t, tr)
	if s.item.State != incidents.ActionOpen || s.last.Again != lookOpen {
		t.Errorf("open there again: %+v", s.item)
	}
	if refused := j.Refused(); len(refused) > 0 {
		t.Errorf("Jira would refuse: %q", refused)
	}
}

// TestAChangeHereDuringASyncIsNotLost lets somebody reopen an item while it is told that it is done.
func TestAChangeHereDuringASyncIsNotLost(t *testing.T) {
	s, tr, j := shelved(t)
	turn(t, tr)
	s.item.State, s.item.ClosedAt = incidents.ActionDone, &s.item.CreatedAt
	s.meant = func() { s.item.State, s.item.ClosedAt = incidents.ActionOpen, nil }
	turn(t, tr)
	if j.Issues()[0].Status != "Done" {
		t.Fatalf("it is %s", j.Issues()[0].Status)
	}
	turn(t, tr)
	if j.Issues()[0].Status == "Done" || s.item.State != incidents.ActionOpen {
		t.Errorf("the tracker says %s, we %s", j.Issues()[0].Status, s.item.State)
	}
	j.Move("OPS-1", "Done")
	s.meant = func() { s.item.Title = "Worded anew" }
	turn(t, tr)
	turn(t, tr)
	if i := j.Issues()[0]; i.Status != "Done" || i.Summary != "Worded anew" || s.item.State != incidents.ActionDone || s.item.Title != "Worded anew" {
		t.Errorf("both changed: %+v, %+v", i, s.item)
	}
}

func TestALostAnswerAndAnOutageMakeOneTicketAndAreTriedAgain(t *testing.T) {
	s, tr, j := shelved(t)
	j.Fail(notifytest.Failure{Pass: true}, notifytest.Failure{Lose: true})
	turn(t, tr)
	if s.last.Error == "" || s.last.Again != syncRetry {
		t.Fatalf("%+v", s.last)
	}
	j.FailAlways(&notifytest.Failure{Status: 429, RetryAfter: 90 * time.Second})
	turn(t, tr)
	if s.last.Again != 90*time.Second || !strings.Contains(s.last.Error, "Jira answered 429") || strings.Contains(s.last.Error, jiratest.Token) {
		t.Errorf("%+v", s.last)
	}
	j.FailAlways(nil)
	turn(t, tr)
	if s.last.Again != syncRetry<<2 || s.last.Error != "ops asked to be left alone for a while" {
		t.Errorf("asked on: %+v", s.last)
	}
	tr.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	turn(t, tr)
	if s.last.Error != "" || len(j.Issues()) != 1 || s.item.TrackerKey != "OPS-1" {
		t.Errorf("%+v, %d issues", s.last, len(j.Issues()))
	}
	j.Remove("OPS-1")
	turn(t, tr)
	if !strings.Contains(s.last.Error, "no ticket OPS-1 any more") || s.last.Again != syncRefused || s.item.TrackerKey != "OPS-1" {
		t.Errorf("gone: %+v", s.last)
	}
	s.item.Tracker = "nowhere"
	turn(t, tr)
	if !strings.Contains(s.last.Error, `no tracker named "nowhere"`) {
		t.Errorf("not defined: %+v", s.last)
	}
}

// TestWhatBothSidesWordedAnewIsTold has both change the title: ours holds, and theirs is told.
func TestWhatBothSidesWordedAnewIsTold(t *testing.T) {
	s, tr, j := shelved(t)
	turn(t, tr)
	s.item.Title = "Ours"
	j.Change("OPS-1", track.Fields{Title: "Theirs", State: incidents.ActionOpen, Due: "2026-12-24"})
	turn(t, tr)
	want := track.Conflict{Field: "title", Ours: "Ours", Theirs: "Theirs", Kept: "Ours"}
	if len(s.last.Overrule) != 1 || s.last.Overrule[0] != want || j.Issues()[0].Summary != "Ours" {
		t.Errorf("%+v, %+v", s.last, j.Issues()[0])
	}
}

// TestATicketThatCannotBeTakenOverIsTold has a ticket without words; the item stays as it is and says why.
func TestATicketThatCannotBeTakenOverIsTold(t *testing.T) {
	s, tr, j := shelved(t)
	turn(t, tr)
	j.Change("OPS-1", track.Fields{Title: " ", State: incidents.ActionOpen, Due: "2026-12-24"})
	turn(t, tr)
	if !strings.Contains(s.last.Error, "what ops says of OPS-1 cannot be taken over: title: has 0 characters") || s.item.Title != "Alert on the pool" || s.last.Theirs != nil {
		t.Errorf("%+v, %+v", s.last, s.item)
	}
}
