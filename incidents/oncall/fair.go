package oncall

import (
	"cmp"
	"slices"
	"time"
)

// The part of the day that counts as night, by the clock of the person's zone.
const (
	NightFrom = 22 * time.Hour
	NightTo   = 8 * time.Hour
)

// Paged is one page that a person got.
type Paged struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
}

// Load is what being on call took from a person.
type Load struct {
	Person       string  `json:"person"`
	Hours        float64 `json:"hours"`        // on call; once, also where two schedules had the person at the same time
	NightHours   float64 `json:"nightHours"`   // of these, from 22:00 to 08:00 by the person's clock
	WeekendHours float64 `json:"weekendHours"` // of these, on Saturdays and Sundays by the person's clock
	Nights       int     `json:"nights"`       // nights that were touched
	Handoffs     int     `json:"handoffs"`     // times the person came on call
	Pages        int     `json:"pages"`
	NightPages   int     `json:"nightPages"` // of these, from 22:00 to 08:00 by the person's clock

	// Each figure by the mean over all the people of the report: 1 is a fair share, 0 none; 0 too where nobody has any.
	HoursRatio      float64 `json:"hoursRatio"`
	NightHoursRatio float64 `json:"nightHoursRatio"`
	WeekendRatio    float64 `json:"weekendRatio"`
	PagesRatio      float64 `json:"pagesRatio"`
}

// Fair adds up what being on call took from each person who has a shift or was paged, in order of names. zone returns the zone
// by whose clock a person sleeps; nil is UTC. Pages outside of shifts count too.
func Fair(shifts []Shift, pages []Paged, zone func(person string) *time.Location) []Load {
	spans, paged := map[string][]Span{}, map[string][]time.Time{}
	for _, s := range shifts {
		spans[s.Person] = append(spans[s.Person], Span{s.From, s.To})
	}
	for _, p := range pages {
		paged[p.Person] = append(paged[p.Person], p.At)
		if _, serves := spans[p.Person]; !serves {
			spans[p.Person] = nil
		}
	}
	loads := make([]Load, 0, len(spans))
	for person, own := range spans {
		at := zone(person)
		if at == nil {
			at = time.UTC
		}
		loads = append(loads, loadOf(person, merge(own), paged[person], at))
	}
	slices.SortFunc(loads, func(a, b Load) int { return cmp.Compare(a.Person, b.Person) })
	share(loads)
	return loads
}

func loadOf(person string, spans []Span, pages []time.Time, zone *time.Location) Load {
	l := Load{Person: person, Handoffs: len(spans), Pages: len(pages)}
	night := Layer{Rotation: Rotation{Zone: zone}, Restrictions: []Restriction{{From: NightFrom, To: NightTo}}}
	days := Restriction{Days: []time.Weekday{time.Saturday, time.Sunday}, To: 24 * time.Hour}
	weekend := Layer{Rotation: Rotation{Zone: zone}, Restrictions: []Restriction{days}}
	var last time.Time // the beginning of the night counted last
	for _, s := range spans {
		l.Hours += s.Hours()
		for _, n := range night.windows(s.From, s.To) {
			l.NightHours += n.Hours()
			if began := nightOf(n.From, zone); !began.Equal(last) {
				l.Nights, last = l.Nights+1, began
			}
		}
		for _, w := range weekend.windows(s.From, s.To) {
			l.WeekendHours += w.Hours()
		}
	}
	for _, at := range pages {
		if night.inForce(at) {
			l.NightPages++
		}
	}
	return l
}

// nightOf returns when the night began that lasts at t.
func nightOf(t time.Time, zone *time.Location) time.Time {
	w := wallOf(t, zone)
	return ((w - wall(NightTo/time.Second)).midnight() + wall(NightFrom/time.Second)).at(zone)
}

// share sets the ratios to the means.
func share(loads []Load) {
	for _, f := range []struct {
		of    func(Load) float64
		ratio func(*Load) *float64
	}{
		{func(l Load) float64 { return l.Hours }, func(l *Load) *float64 { return &l.HoursRatio }},
		{func(l Load) float64 { return l.NightHours }, func(l *Load) *float64 { return &l.NightHoursRatio }},
		{func(l Load) float64 { return l.WeekendHours }, func(l *Load) *float64 { return &l.WeekendRatio }},
		{func(l Load) float64 { return float64(l.Pages) }, func(l *Load) *float64 { return &l.PagesRatio }},
	} {
		var sum float64
		for _, l := range loads {
			sum += f.of(l)
		}
		for i, l := range loads {
			if sum > 0 {
				*f.ratio(&loads[i]) = f.of(l) * float64(len(loads)) / sum
			}
		}
	}
}
