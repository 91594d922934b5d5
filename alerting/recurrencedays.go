package alerting

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// walker says of days whether the rule comes true on them. It remembers the days of the month or year it was asked about
// last, of which BYSETPOS picks some.
type walker struct {
	*Recurrence
	period day
	picked []day
}

func (r *Recurrence) walker() *walker { return &walker{Recurrence: r, period: -1 << 31} }

// occurs reports whether the window opens on the day.
func (w *walker) occurs(d day) bool {
	if d < w.first || d > w.last || !w.matches(d) {
		return false
	}
	if len(w.option.Bysetpos) == 0 {
		return true
	}
	begin, end := w.bounds(d.date())
	if begin != w.period {
		w.period, w.picked = begin, w.pick(begin, end)
	}
	return slices.Contains(w.picked, d)
}

// bounds returns the first day of the date's month or year, and of the next one.
func (w *walker) bounds(date time.Time) (begin, end day) {
	y, m, _ := date.Date()
	if w.option.Freq == rrule.YEARLY {
		return dayOf(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)), dayOf(time.Date(y+1, 1, 1, 0, 0, 0, 0, time.UTC))
	}
	return dayOf(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)), dayOf(time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC))
}

func (w *walker) pick(begin, end day) []day {
	var all, picked []day
	for d := begin; d < end; d++ {
		if w.matches(d) {
			all = append(all, d)
		}
	}
	for _, position := range w.option.Bysetpos {
		if position < 0 {
			position += len(all) + 1
		}
		if position >= 1 && position <= len(all) {
			picked = append(picked, all[position-1])
		}
	}
	return picked
}

// matches reports whether the day satisfies all parts of the rule but BYSETPOS.
func (r *Recurrence) matches(d day) bool {
	date := d.date()
	o := &r.option
	return r.inPhase(d, date) &&
		(len(o.Bymonth) == 0 || slices.Contains(o.Bymonth, int(date.Month()))) &&
		(len(o.Bymonthday) == 0 || r.onMonthDay(date)) &&
		(len(r.days) == 0 || r.onWeekday(date))
}

// inPhase reports whether the day's period is one of every INTERVAL since the start's.
func (r *Recurrence) inPhase(d day, date time.Time) bool {
	start, passed := r.first.date(), 0
	switch r.option.Freq {
	case rrule.YEARLY:
		passed = date.Year() - start.Year()
	case rrule.MONTHLY:
		passed = (date.Year()-start.Year())*12 + int(date.Month()) - int(start.Month())
	case rrule.WEEKLY:
		passed = int(r.week(d)-r.week(r.first)) / 7
	default:
		passed = int(d - r.first)
	}
	return passed%r.option.Interval == 0
}

// week returns the first day of the day's week, which begins on WKST.
func (r *Recurrence) week(d day) day {
	since := (int(d.date().Weekday()) + 6 - r.option.Wkst.Day() + 7) % 7
	return d - day(since)
}

func (r *Recurrence) onMonthDay(date time.Time) bool {
	fromEnd := date.Day() - daysIn(date.Year(), date.Month()) - 1
	return slices.Contains(r.option.Bymonthday, date.Day()) || slices.Contains(r.option.Bymonthday, fromEnd)
}

// onWeekday reports whether the date is one of the BYDAYs. "2TU" is the second Tuesday of the month, or of the year in a
// yearly rule without BYMONTH; "-1TU" is the last.
func (r *Recurrence) onWeekday(date time.Time) bool {
	nth, days := date.Day(), daysIn(date.Year(), date.Month())
	if r.option.Freq == rrule.YEARLY && len(r.option.Bymonth) == 0 {
		nth, days = date.YearDay(), time.Date(date.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	}
	fromStart, fromEnd := (nth-1)/7+1, -((days-nth)/7 + 1)
	for _, w := range r.days {
		if w.Day() == (int(date.Weekday())+6)%7 && (w.N() == 0 || w.N() == fromStart || w.N() == fromEnd) {
			return true
		}
	}
	return false
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
