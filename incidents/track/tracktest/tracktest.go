// Package tracktest has what every tracker must do, whatever its vendor: keep tickets, find them again, hear what becomes of
// them, and take failures as documented. It leaves out what a vendor's API looks like.
package tracktest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/fault"
)

// Vendor is a fake of a tracker, as its people see it.
type Vendor interface {
	Tickets() []track.Ticket
	Change(key string, f track.Fields) // somebody edits a ticket over there
	Remove(key string)
}

// item is an action item with all that may trouble a vendor.
func item() track.Item {
	return track.Item{ID: "6b2f8c1e-54d7-4a59-8f0a-0c1d2e3f4a5b", Owner: "ana@example.com", CreatedAt: time.Now().Add(-time.Minute),
		Text:   "Agreed on after incident #42.\n\nhttps://nines.example.com/postmortems/7 \"quoted\" <b>bold</b> \\ ☃",
		Fields: track.Fields{Title: `Alert on "pool" < 5 % {é} ☃`, State: incidents.ActionOpen, Due: "2026-12-24"}}
}

// KeepsTickets checks the life of a ticket.
func KeepsTickets(t *testing.T, tr track.Tracker, v Vendor, s *notifytest.Server) {
	t.Helper()
	ctx, it, can := t.Context(), item(), tr.Features()
	if place, err := tr.Check(ctx); err != nil || place == "" {
		t.Fatalf("check: %q, %v", place, err)
	}
	if _, ok, err := tr.Find(ctx, it); ok || err != nil {
		t.Fatalf("before there was one: %t, %v", ok, err)
	}
	made, err := tr.Create(ctx, it)
	want := can.Fit(it.Fields)
	if err != nil || made.Key == "" || !strings.HasPrefix(made.URL, "http") || made.Fields != want {
		t.Fatalf("created %+v, %v; want %+v", made, err, want)
	}
	if found, ok, err := tr.Find(ctx, it); err != nil || !ok || found != made {
		t.Errorf("found %+v, %t, %v; want %+v", found, ok, err, made)
	}
	if read, err := tr.Read(ctx, made.Key); err != nil || read != made {
		t.Errorf("read %+v, %v; want %+v", read, err, made)
	}
	other := it
	other.ID = "00000000-54d7-4a59-8f0a-0c1d2e3f4a5b"
	if _, ok, err := tr.Find(ctx, other); ok || err != nil {
		t.Errorf("another item's ticket: %t, %v", ok, err)
	}
	updates(t, tr, v, made.Key, want)
	v.Remove(made.Key)
	if _, err := tr.Read(ctx, made.Key); !fault.Is(err, fault.NotFound) {
		t.Errorf("a ticket that is gone: %v", err)
	}
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("the vendor would refuse: %q", refused)
	}
}

func updates(t *testing.T, tr track.Tracker, v Vendor, key string, now track.Fields) {
	t.Helper()
	can := tr.Features()
	title, due, none := "Alert on the pool", "2027-01-31", ""
	done, dropped, open := incidents.ActionDone, incidents.ActionDropped, incidents.ActionOpen
	for _, c := range []track.Change{{Title: &title}, {Due: &due, State: &done}, {State: &open}, {Due: &none}, {State: &dropped}, {State: &open}} {
		if !can.Due {
			c.Due = nil
		}
		if c.Empty() {
			continue
		}
		if err := tr.Update(t.Context(), key, c); err != nil {
			t.Errorf("update %+v: %v", c, err)
			continue
		}
		now = now.With(c)
		if now.State == dropped && !can.Dropped {
			now.State = done
		}
		if read, err := tr.Read(t.Context(), key); err != nil || read.Fields != now {
			t.Errorf("after an update: %+v, %v; want %+v", read.Fields, err, now)
		}
	}
	over := can.Fit(track.Fields{Title: "Worded anew over there", State: done, Due: "2027-02-01"})
	v.Change(key, over)
	if read, err := tr.Read(t.Context(), key); err != nil || read.Fields != over {
		t.Errorf("changed over there: %+v, %v; want %+v", read.Fields, err, over)
	}
}

// MakesOneTicket loses the answer to a creation, and asks that trying again as the worker does finds the ticket.
func MakesOneTicket(t *testing.T, tr track.Tracker, v Vendor, s *notifytest.Server, before int) {
	t.Helper()
	it := item()
	it.Owner = ""
	for range before { // calls that come before the one that creates
		s.Fail(notifytest.Failure{Pass: true})
	}
	s.Fail(notifytest.Failure{Lose: true})
	if _, err := tr.Create(t.Context(), it); !track.Transient(err) {
		t.Fatalf("a lost answer: %v", err)
	}
	found, ok, err := tr.Find(t.Context(), it)
	if all := v.Tickets(); err != nil || !ok || len(all) != 1 || all[0].Key != found.Key {
		t.Errorf("found %+v, %t, %v among %d", found, ok, err, len(all))
	}
}

// TakesFailuresAsDocumented lets the vendor fail in every way and checks how that is told.
func TakesFailuresAsDocumented(t *testing.T, tr track.Tracker, s *notifytest.Server, secrets ...string) {
	t.Helper()
	for _, f := range []struct {
		name    string
		failure notifytest.Failure
		want    fault.Kind
	}{
		{"too many requests", notifytest.Failure{Status: 429, RetryAfter: 30 * time.Second}, fault.Limited},
		{"a server's error", notifytest.Failure{Status: 500}, fault.Unavailable},
		{"an overload", notifytest.Failure{Status: 503, RetryAfter: 5 * time.Second}, fault.Unavailable},
		{"a bad request", notifytest.Failure{Status: 400}, fault.Invalid},
		{"a bad credential", notifytest.Failure{Status: 401}, fault.Forbidden},
		{"a redirect", notifytest.Failure{Status: 307}, fault.Invalid},
		{"no answer", notifytest.Failure{Hang: true}, fault.Timeout},
	} {
		s.Fail(f.failure)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := tr.Read(ctx, "1")
		cancel()
		if !fault.Is(err, f.want) || track.RetryAfter(err) != f.failure.RetryAfter {
			t.Errorf("%s: %v (%s, after %s); want %s", f.name, err, fault.KindOf(err), track.RetryAfter(err), f.want)
			continue
		}
		for _, secret := range append(secrets, "127.0.0.1") {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows %q: %v", f.name, secret, err)
			}
		}
	}
	s.FailAlways(&notifytest.Failure{Reset: true}) // a client may try once more by itself
	defer s.FailAlways(nil)
	if _, err := tr.Read(t.Context(), "1"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a cut connection: %v", err)
	}
}
