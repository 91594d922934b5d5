package oncall

import "time"

// Turn is one party's place in a rotation.
type Turn struct {
	Number int // 0 begins at the rotation's Start; those before it are below 0
	Span
	Party []string
}

// TurnAt returns the turn that lasts at t. Turns go on before Start as they do after it, backwards through the parties: a
// rotation whose first handoff is yet to come already has somebody who hands over then. Layer.From says otherwise.
func (l Layer) TurnAt(t time.Time) Turn { c := l.turns(); return c.turn(c.number(t)) }

// turns counts the turns of a layer by the clock on the wall.
type turns struct {
	Rotation
	start  wall
	length int64
	worked *worked // nil unless only units in which the layer is in force count
}

func (l Layer) turns() turns {
	c := turns{Rotation: l.Rotation, start: wallOf(l.Rotation.Start, l.zone()), length: int64(max(l.Rotation.Length, 1))}
	c.Zone = l.zone()
	if l.Worked && len(l.Restrictions) > 0 {
		c.worked = l.countWorked(c.start)
	}
	return c
}

// zone is the one of the layer's clocks; a rotation without one goes by UTC.
func (l Layer) zone() *time.Location {
	if l.Rotation.Zone == nil {
		return time.UTC
	}
	return l.Rotation.Zone
}

// unit is the wall's length of a unit; monthly units have none.
func (u Unit) wall() wall {
	switch u {
	case Hourly:
		return hour
	case Daily:
		return day
	default:
		return week
	}
}

// wall returns what the clock shows at the handoff to the turn.
func (c turns) wall(number int) wall {
	n := int64(number) * c.length
	switch {
	case c.Unit == Monthly:
		return c.start.addMonths(n)
	case c.worked != nil:
		return c.start + wall(c.worked.unit(n))*c.Unit.wall()
	default:
		return c.start + wall(n)*c.Unit.wall()
	}
}

// addMonths returns the same day and clock n months later, or the month's last day where it has no such day. It counts
// from w, never from another result of its own, so that the 31st comes back after a short month.
func (w wall) addMonths(n int64) wall {
	year, month, d := w.date()
	first := wallDate(year, month+time.Month(n), 1)
	year, month, _ = first.date()
	last := int((wallDate(year, month+1, 1) - first) / day)
	return first + wall(min(d, last)-1)*day + (w - w.midnight())
}

func (c turns) handoff(number int) time.Time { return c.wall(number).at(c.Zone) }

// number returns the turn that lasts at t: the last one whose handoff is not after it.
func (c turns) number(t time.Time) int {
	n := c.guess(wallOf(t, c.Zone))
	for c.handoff(n).After(t) {
		n--
	}
	for !c.handoff(n + 1).After(t) {
		n++
	}
	return n
}

// guess returns the turn by the clock alone, which a change of the clock makes wrong by a turn or a few.
func (c turns) guess(w wall) int {
	if c.Unit == Monthly {
		year, month, _ := w.date()
		startYear, startMonth, _ := c.start.date()
		return int(floor(int64(year-startYear)*12+int64(month-startMonth), c.length))
	}
	units := floor(int64(w-c.start), int64(c.Unit.wall()))
	if c.worked != nil {
		units = c.worked.before(units)
	}
	return int(floor(units, c.length))
}

func (c turns) turn(number int) Turn {
	t := Turn{Number: number, Span: Span{c.handoff(number), c.handoff(number + 1)}}
	t.Party = c.party(number)
	return t
}

func (c turns) party(number int) []string {
	if len(c.Parties) == 0 {
		return nil
	}
	return c.Parties[mod(int64(number), int64(len(c.Parties)))]
}
