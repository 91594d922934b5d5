package incidents

import "time"

// Hold keeps a triggered incident from paging anybody further, such as for maintenance; why names what holds it, as in
// "maintenance window db-upgrade". Alerts go on joining it, people may acknowledge and resolve it.
func (i Incident) Hold(why string, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved || i.Held == why || why == "" {
		return c
	}
	c.Incident.Held, c.Incident.UpdatedAt = why, now
	c.say(now, EventHeld, "Nobody is paged further while this holds it: %s.", why)
	c.tellThreads(i, now)
	return c
}

// Release ends what Hold began: a step that became due meanwhile is paged now.
func (i Incident) Release(r Roster, now time.Time) Change {
	c := Change{Incident: i}
	if i.State == Resolved || i.Held == "" {
		return c
	}
	c.Incident.Held, c.Incident.UpdatedAt = "", now
	c.say(now, EventReleased, "No longer held: %s. Paging goes on where it stood.", i.Held)
	c.unpause(now)
	if c.Incident.due(now) {
		c.escalate(r, now)
	}
	c.tellThreads(i, now)
	return c
}

// unpause makes due now what came due while nothing could be done about it.
func (c *Change) unpause(now time.Time) {
	i := &c.Incident
	for _, at := range []**time.Time{&i.NextEscalationAt, &i.FallbackAt, &i.ReturnAt, &i.RaiseAt} {
		if *at != nil && (*at).Before(now) {
			*at = &now
		}
	}
}
