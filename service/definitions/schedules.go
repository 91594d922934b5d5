package definitions

import (
	"maps"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// noticed is how far ahead of now reading a schedule looks for moments at which nobody is on call.
const noticed = 30 * 24 * time.Hour

// Schedules returns every on-call schedule, by name.
func (c *Catalog) Schedules() map[string]oncall.Schedule { return maps.Clone(c.schedules) }

func (l *loader) addSchedule(d manifest.Document, version int) manifest.Problems {
	s, problems := oncall.ReadSchedule(d)
	l.catalog.schedules[d.Metadata.Name] = s
	if version == 0 {
		l.rosters = append(l.rosters, d)
	}
	return problems
}

// ScheduleNotes says what is legal in the schedules of the files but seldom meant, with its line: gaps within the next 30
// days, and people whose turns always fall outside the layer's restrictions.
func (s Set) ScheduleNotes(now time.Time) slo.Notes {
	var notes slo.Notes
	for _, d := range s.rosters {
		notes = append(notes, scheduleNotes(d, s.Catalog.schedules[d.Metadata.Name], now)...)
	}
	return notes
}

func scheduleNotes(d manifest.Document, s oncall.Schedule, now time.Time) slo.Notes {
	var notes slo.Notes
	gaps := s.Gaps(oncall.Overlay{}, now, now.Add(noticed))
	if len(gaps) > 0 {
		var hours float64
		for _, g := range gaps {
			hours += g.Hours()
		}
		notes = append(notes, slo.Note{Problem: d.Problem("spec.layers",
			"leaves nobody on call for %.3g hours of the next 30 days, first from %s to %s",
			hours, gaps[0].From.Format("Mon 2006-01-02 15:04 MST"), gaps[0].To.Format("Mon 2006-01-02 15:04 MST"))})
	}
	if skipped := s.Skipped(now); len(skipped) > 0 {
		notes = append(notes, slo.Note{Problem: d.Problem("spec.layers",
			`never has %s on call within a year, because their turns fall outside the restrictions; `+
				`"turns: worked" counts only what is in force`,
			strings.Join(skipped, ", "))})
	}
	return notes
}
