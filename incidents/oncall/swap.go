package oncall

import (
	"cmp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// SwapState is how far a swap has come. All but proposed are final.
type SwapState string

// The states of a swap.
const (
	Proposed  SwapState = "proposed"
	Accepted  SwapState = "accepted"
	Declined  SwapState = "declined"
	Cancelled SwapState = "cancelled" // by who proposed it
	Expired   SwapState = "expired"   // nobody answered before what it gives began
)

// Bounds of a swap or an override.
const (
	MaxOverride = 366 * 24 * time.Hour
	maxReason   = 500
)

// Swap asks another person to take over Give, all of which Asker is on call for, and maybe to give Take in return.
type Swap struct {
	ID         string    `json:"id"` // UUID
	Schedule   string    `json:"schedule"`
	Asker      string    `json:"asker"`
	Taker      string    `json:"taker"` // who is asked; "" is whoever accepts first
	Give       Span      `json:"give"`
	Take       *Span     `json:"take,omitempty"` // all of which Taker is on call for; nil asks for nothing in return
	Reason     string    `json:"reason,omitempty"`
	State      SwapState `json:"state"`
	ProposedAt time.Time `json:"proposedAt"`
	ExpiresAt  time.Time `json:"expiresAt"` // at the latest when the first of the shifts begins
	DecidedAt  time.Time `json:"decidedAt,omitzero"`
	DecidedBy  string    `json:"decidedBy,omitempty"`
}

// Propose begins a swap at now. The state, the times and a missing ExpiresAt are filled in. What the swap lacks is
// fault.Invalid; shifts that its people don't have are fault.Conflict.
func (w Swap) Propose(s Schedule, o Overlay, now time.Time) (Swap, error) {
	w.State, w.ProposedAt, w.DecidedAt, w.DecidedBy = Proposed, now, time.Time{}, ""
	w.Asker, w.Taker = strings.ToLower(w.Asker), strings.ToLower(w.Taker)
	if err := w.check(now); err != nil {
		return Swap{}, err
	}
	if begins := w.begins(); w.ExpiresAt.IsZero() || w.ExpiresAt.After(begins) {
		w.ExpiresAt = begins
	}
	if !w.ExpiresAt.After(now) {
		return Swap{}, fault.New(fault.Invalid, "expiresAt is not in the future; a swap is answered before its shifts begin")
	}
	return w, w.stillHave(s, o, w.Taker)
}

func (w Swap) check(now time.Time) error {
	switch {
	case !mailAddress(w.Asker):
		return fault.New(fault.Invalid, "asker is not a mail address such as ana@example.com")
	case w.Taker != "" && !mailAddress(w.Taker):
		return fault.New(fault.Invalid, "taker is not a mail address such as bo@example.com")
	case w.Taker == w.Asker:
		return fault.New(fault.Invalid, "taker is the same as asker; name another person")
	case w.Take != nil && w.Taker == "":
		return fault.New(fault.Invalid, "taker is missing; a shift in return has to be somebody's")
	case len(w.Reason) > maxReason:
		return fault.New(fault.Invalid, "reason is longer than %d bytes", maxReason)
	}
	if err := w.Give.check("give", now); err != nil || w.Take == nil {
		return err
	}
	return w.Take.check("take", now)
}

// check refuses a span of a swap that cannot be swapped any more, or is too long.
func (s Span) check(field string, now time.Time) error {
	switch {
	case !s.From.Before(s.To):
		return fault.New(fault.Invalid, "%s.to is not after %s.from", field, field)
	case s.From.Before(now):
		return fault.New(fault.Invalid, "%s.from has passed; write a time to come, or make an override for what is left", field)
	case s.To.Sub(s.From) > MaxOverride:
		return fault.New(fault.Invalid, "%s is longer than a year; swap less at once", field)
	}
	return nil
}

// begins is when the first of the swapped shifts does.
func (w Swap) begins() time.Time {
	if w.Take != nil && w.Take.From.Before(w.Give.From) {
		return w.Take.From
	}
	return w.Give.From
}

// Accept lets by take over, and returns the overrides which make it so; newID makes the id of each. by has to be Taker, or
// anybody but Asker where it asks everybody; everybody else is fault.Forbidden. A swap already decided or expired, and shifts
// which their people no longer have, are fault.Conflict.
func (w Swap) Accept(by string, s Schedule, o Overlay, now time.Time, newID func() string) (Swap, []Override, error) {
	by = strings.ToLower(by)
	if by == w.Asker || w.Taker != "" && by != w.Taker {
		return w, nil, fault.New(fault.Forbidden, "this swap asks %s", cmp.Or(w.Taker, "somebody else than who proposed it"))
	}
	if err := w.open(now); err != nil {
		return w, nil, err
	}
	if err := w.stillHave(s, o, by); err != nil {
		return w, nil, err
	}
	w.State, w.Taker, w.DecidedBy, w.DecidedAt = Accepted, by, by, now
	made := []Override{w.override(newID(), w.Give, by, w.Asker, now)}
	if w.Take != nil {
		made = append(made, w.override(newID(), *w.Take, w.Asker, by, now))
	}
	return w, made, nil
}

func (w Swap) override(id string, span Span, add, remove string, now time.Time) Override {
	return Override{ID: id, Schedule: w.Schedule, From: span.From, To: span.To, Add: add, Remove: remove, Reason: w.Reason,
		By: w.Taker, MadeAt: now, Swap: w.ID}
}

// Decline answers no. by has to be Taker; a swap that asks everybody cannot be declined.
func (w Swap) Decline(by string, now time.Time) (Swap, error) {
	if by = strings.ToLower(by); by != w.Taker {
		return w, fault.New(fault.Forbidden, "only who is asked may decline a swap")
	}
	return w.decide(Declined, by, now)
}

// Cancel takes the proposal back. by has to be Asker.
func (w Swap) Cancel(by string, now time.Time) (Swap, error) {
	if by = strings.ToLower(by); by != w.Asker {
		return w, fault.New(fault.Forbidden, "only who proposed a swap may cancel it")
	}
	return w.decide(Cancelled, by, now)
}

// Expire ends a proposal that nobody has answered in time, and leaves every other swap as it is.
func (w Swap) Expire(now time.Time) (Swap, bool) {
	if w.State != Proposed || now.Before(w.ExpiresAt) {
		return w, false
	}
	w.State, w.DecidedAt = Expired, now
	return w, true
}

func (w Swap) decide(state SwapState, by string, now time.Time) (Swap, error) {
	if err := w.open(now); err != nil {
		return w, err
	}
	w.State, w.DecidedBy, w.DecidedAt = state, by, now
	return w, nil
}

// open refuses to decide twice or too late.
func (w Swap) open(now time.Time) error {
	switch {
	case w.State != Proposed:
		return fault.New(fault.Conflict, "this swap is already %s", w.State)
	case !now.Before(w.ExpiresAt):
		return fault.New(fault.Conflict, "this swap has expired; propose it again, or make an override")
	}
	return nil
}

// stillHave refuses a swap of what its people are not on call for from beginning to end, or are on call for both.
func (w Swap) stillHave(s Schedule, o Overlay, taker string) error {
	if err := tradable(s, o, w.Asker, taker, w.Give); err != nil || w.Take == nil {
		return err
	}
	return tradable(s, o, taker, w.Asker, *w.Take)
}

// tradable refuses unless giver is on call for the whole span and taker for none of it; taker may be unknown yet.
func tradable(s Schedule, o Overlay, giver, taker string, span Span) error {
	var given, taken []Span
	for _, sh := range s.Shifts(o, span.From, span.To) {
		switch sh.Person {
		case giver:
			given = append(given, Span{sh.From, sh.To})
		case taker:
			taken = append(taken, Span{sh.From, sh.To})
		}
	}
	if gaps := without(merge(given), span.From, span.To); len(gaps) > 0 {
		return fault.New(fault.Conflict, "%s is not on call for %s from %s", giver, s.Name, gaps[0])
	}
	if len(taken) > 0 {
		return fault.New(fault.Conflict, "%s is already on call for %s from %s", taker, s.Name, taken[0])
	}
	return nil
}
