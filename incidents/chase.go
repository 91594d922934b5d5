package incidents

import "time"

// Chase is when somebody is reminded of what is due: once before, once when it is due, and then again and again.
type Chase struct {
	First time.Time     // the reminder ahead of time
	Due   time.Time     // not before First
	Every time.Duration // after Due; at least an hour
}

// actionAhead is how long before its day an action item's owner is reminded, unless the item is younger than that.
const actionAhead = 2 * 24 * time.Hour

// Chase reminds at half time, when it is due, and so often after it.
func (d Duty) Chase() Chase {
	return Chase{First: d.RequiredAt.Add(d.DueAt.Sub(d.RequiredAt) / 2), Due: d.DueAt, Every: max(d.Every, minReminderEvery)}
}

// Chase reminds two days ahead, or at half time of what is shorter, when it is due, and each two days after it. ok is
// false for an item that nobody is reminded of.
func (a ActionItem) Chase() (c Chase, ok bool) {
	if a.State != ActionOpen || a.DueAt == nil || a.Owner == "" {
		return Chase{}, false
	}
	first := a.DueAt.Add(-actionAhead)
	if half := a.CreatedAt.Add(a.DueAt.Sub(a.CreatedAt) / 2); half.After(first) {
		first = half
	}
	if first.After(*a.DueAt) { // it was due before it was written down
		first = *a.DueAt
	}
	return Chase{First: first, Due: *a.DueAt, Every: DefaultReminderEvery}, true
}

// At returns when the reminder of a step is sent: 1 ahead of time, 2 when it is due, 3 and above after it.
func (c Chase) At(step int) time.Time {
	switch {
	case step <= 1:
		return c.First
	case step == 2:
		return c.Due
	}
	return c.Due.Add(time.Duration(step-2) * c.Every)
}

// Next returns the last step that is due by now and comes after those that were sent, 0 for none, and when to look again.
// Steps that passed unseen, such as while nothing ran, are not made up for: one reminder stands for all of them.
func (c Chase) Next(sent int, now time.Time) (step int, again time.Time) {
	last := 0
	if !now.Before(c.First) {
		last = 1
	}
	if !now.Before(c.Due) {
		last = 2 + int(now.Sub(c.Due)/c.Every)
	}
	if last <= sent {
		return 0, c.At(sent + 1)
	}
	return last, c.At(last + 1)
}
