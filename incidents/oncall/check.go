package oncall

import (
	"fmt"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
)

// Check refuses an override that says nothing, or is without end; fault.Invalid names the field.
func (v Override) Check() error {
	switch {
	case v.Add == "" && v.Remove == "":
		return fault.New(fault.Invalid, "add and remove are missing; write who comes on call, who goes, or both")
	case v.Add != "" && !mailAddress(v.Add):
		return fault.New(fault.Invalid, "add is not a mail address such as ana@example.com")
	case v.Remove != "" && !mailAddress(v.Remove):
		return fault.New(fault.Invalid, "remove is not a mail address such as ana@example.com")
	case !v.From.Before(v.To):
		return fault.New(fault.Invalid, "to is not after from")
	case v.To.Sub(v.From) > MaxOverride:
		return fault.New(fault.Invalid, "the override is longer than a year; change the schedule instead")
	case len(v.Reason) > maxReason:
		return fault.New(fault.Invalid, "reason is longer than %d bytes", maxReason)
	}
	return nil
}

// Check refuses a temporary schedule whose shifts lie outside it or are nobody's; fault.Invalid names the field.
func (v Temporary) Check() error {
	switch {
	case !v.From.Before(v.To):
		return fault.New(fault.Invalid, "to is not after from")
	case v.To.Sub(v.From) > MaxOverride:
		return fault.New(fault.Invalid, "the temporary schedule is longer than a year; change the schedule instead")
	case len(v.Shifts) > maxShifts:
		return fault.New(fault.Invalid, "shifts has %d entries; the most is %d", len(v.Shifts), maxShifts)
	}
	for i, s := range v.Shifts {
		at := fmt.Sprintf("shifts.%d", i)
		switch {
		case !mailAddress(s.Person):
			return fault.New(fault.Invalid, "%s.person is not a mail address such as ana@example.com", at)
		case !s.From.Before(s.To):
			return fault.New(fault.Invalid, "%s.to is not after %s.from", at, at)
		case s.From.Before(v.From) || s.To.After(v.To):
			return fault.New(fault.Invalid, "%s lies outside the temporary schedule", at)
		}
	}
	return nil
}

// maxShifts bounds a temporary schedule.
const maxShifts = 1000

// Contradicts reports whether two overrides of one schedule speak about the same person or about everybody at the same
// time, so that the later made of them undoes the other, which its maker should be told.
func (v Override) Contradicts(o Override) bool {
	if v.Schedule != o.Schedule || !v.From.Before(o.To) || !o.From.Before(v.To) {
		return false
	}
	all := func(x Override) bool { return x.Add != "" && x.Remove == "" }
	named := []string{o.Add, o.Remove}
	return all(v) || all(o) || v.Add != "" && slices.Contains(named, v.Add) || v.Remove != "" && slices.Contains(named, v.Remove)
}
