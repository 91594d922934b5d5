// Package track keeps action items of postmortems in the trackers that teams work with, and hears what becomes of them there.
// Each vendor's API is a small package below it. It leaves out when that happens and where items are stored.
package track

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
)

// Fields are what both sides know of an action item.
type Fields struct {
	Title string                `json:"title"`
	State incidents.ActionState `json:"state"`
	Due   string                `json:"due"` // "2026-12-24"; "" is no day
}

// Ticket is an action item as a tracker has it.
type Ticket struct {
	Key string `json:"key"` // what its people call it, or what its API takes
	URL string `json:"url"`
	Fields
}

// Item is an action item as it is told to a tracker.
type Item struct {
	ID        string // UUID
	Fields           // as they hold here
	Text      string // what it is about, for people, in plain lines
	Owner     string // e-mail; "" is nobody yet
	CreatedAt time.Time
}

// Marker is what a ticket is found again by, so that an answer that got lost makes no second one.
func Marker(id string) string { return "nines-" + id }

// Marker is what the item's ticket is found again by.
func (i Item) Marker() string { return Marker(i.ID) }

// Body is the ticket's text with its marker at the end.
func (i Item) Body() string {
	lines := []string{i.Text}
	if i.Owner != "" {
		lines = append(lines, "Owner: "+i.Owner)
	}
	return strings.Join(append(lines, "", i.Marker()), "\n")
}

// Change is what one side takes over from the other; what is nil stays as it is.
type Change struct {
	Title, Due *string
	State      *incidents.ActionState
}

// Empty reports whether nothing is to change.
func (c Change) Empty() bool { return c == Change{} }

// Features are what a tracker can keep beside title and whether it is done.
type Features struct {
	Due     bool // a day
	Dropped bool // that something will not be done, apart from done
	Title   int  // characters of a title at most
}

// Fit returns the fields as a tracker can keep them.
func (f Features) Fit(v Fields) Fields {
	v.Title = clip(v.Title, f.Title)
	if !f.Due {
		v.Due = ""
	}
	return v
}

// Tracker keeps tickets. Errors are faults: Limited, Unavailable, Timeout and Internal are worth trying again, at the earliest
// after RetryAfter; all others need somebody's hand. None holds a secret.
type Tracker interface {
	// Find returns the item's ticket by its marker; ok is false where there is none.
	Find(ctx context.Context, item Item) (t Ticket, ok bool, err error)
	// Create makes a ticket with the item's marker.
	Create(ctx context.Context, item Item) (Ticket, error)
	// Read returns a ticket. One that is gone is a fault.NotFound.
	Read(ctx context.Context, key string) (Ticket, error)
	// Update changes a ticket.
	Update(ctx context.Context, key string, c Change) error
	// Check tells whether the tracker lets us in, and what it calls the place where tickets go.
	Check(ctx context.Context) (place string, err error)
	Features() Features
}

// Merge says what each side takes over from the other, field by field, given what both last agreed on; base is nil before they
// first did. What one side alone changed holds. Where both changed a title or a day ours holds, and of a state the tracker's,
// because that is where the work is done. Before they first agreed what is closed on either side is closed.
func Merge(base *Fields, ours, theirs Fields, can Features) (tell, take Change) {
	known := func(f func(Fields) string) *string {
		if base == nil {
			return nil
		}
		v := f(*base)
		return &v
	}
	title := func(f Fields) string { return f.Title }
	tell.Title, take.Title = mergeText(known(title), ours.Title, theirs.Title)
	if can.Due {
		tell.Due, take.Due = mergeText(known(func(f Fields) string { return f.Due }), ours.Due, theirs.Due)
	}
	tell.State, take.State = mergeState(base, ours.State, theirs.State, can)
	return tell, take
}

func mergeText(base *string, ours, theirs string) (tell, take *string) {
	switch {
	case ours == theirs:
		return nil, nil
	case base != nil && ours == *base:
		return nil, &theirs
	}
	return &ours, nil
}

func mergeState(base *Fields, ours, theirs incidents.ActionState, can Features) (tell, take *incidents.ActionState) {
	same := func(a, b incidents.ActionState) bool { return a == b || !can.Dropped && closed(a) && closed(b) }
	switch {
	case same(ours, theirs):
		return nil, nil
	case base == nil && closed(ours):
		return &ours, nil
	case base == nil, same(ours, base.State), !same(theirs, base.State):
		return nil, &theirs
	}
	return &ours, nil
}

// Conflict is a field that both sides changed, each to something else, and what it is now.
type Conflict struct {
	Field  string `json:"field"` // title, due or state
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
	Kept   string `json:"kept"`
}

// Conflicts returns what Merge had to overrule, so that it can be told and nothing is lost unseen. Before both sides first
// agreed there is nothing that either has changed.
func Conflicts(base *Fields, ours, theirs Fields, can Features) []Conflict {
	if base == nil {
		return nil
	}
	_, take := Merge(base, ours, theirs, can)
	now := ours.With(take)
	var out []Conflict
	add := func(field, was, ours, theirs, kept string) {
		if ours != was && theirs != was && ours != theirs {
			out = append(out, Conflict{field, ours, theirs, kept})
		}
	}
	add("title", base.Title, ours.Title, theirs.Title, now.Title)
	if can.Due {
		add("due", base.Due, ours.Due, theirs.Due, now.Due)
	}
	if can.Dropped { // else a state is one of two, and both changed it to the same
		add("state", string(base.State), string(ours.State), string(theirs.State), string(now.State))
	}
	return out
}

func closed(s incidents.ActionState) bool { return s != incidents.ActionOpen }

// With returns the fields after a change.
func (f Fields) With(c Change) Fields {
	if c.Title != nil {
		f.Title = *c.Title
	}
	if c.Due != nil {
		f.Due = *c.Due
	}
	if c.State != nil {
		f.State = *c.State
	}
	return f
}

// FieldsOf returns an action item's fields. Days are in UTC.
func FieldsOf(a incidents.ActionItem) Fields {
	f := Fields{Title: a.Title, State: a.State}
	if a.DueAt != nil {
		f.Due = a.DueAt.UTC().Format(time.DateOnly)
	}
	return f
}

// Edit is what a change makes of an action item; name is the tracker's, for the reason of what was dropped there.
func (c Change) Edit(a incidents.ActionItem, name string) *incidents.ActionEdit {
	if c.Empty() {
		return nil
	}
	e := incidents.ActionEdit{State: c.State}
	if c.Title != nil {
		title := clip(*c.Title, incidents.MaxActionTitle)
		e.Title = &title
	}
	if c.State != nil && *c.State == incidents.ActionDropped {
		reason := fmt.Sprintf("closed in %s as not to be done", name)
		e.Reason = &reason
	}
	if c.Due != nil {
		due := dayOf(*c.Due, a.DueAt)
		e.DueAt = &due
	}
	return &e
}

// dayOf is a day at the time of day that the item was due at so far, or at its beginning; the zero time for none.
func dayOf(day string, was *time.Time) time.Time {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}
	}
	if was == nil {
		return at
	}
	w := was.UTC()
	return at.Add(time.Duration(w.Hour())*time.Hour + time.Duration(w.Minute())*time.Minute + time.Duration(w.Second())*time.Second)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
