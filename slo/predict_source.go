package slo

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// source is the history that futures are made of, in stretches.
type source struct {
	hours  []moment
	sizes  sizes // of the burns in hours
	block  int   // length of a stretch, in hours
	unit   int   // hours that are likely or unlikely together: a whole number of stretches
	season int   // a stretch is moved by whole seasons, in hours, so that a busy hour stands in for a busy hour
	weight []float64
}

// moment is an hour of the history, over the events usual at that hour.
type moment struct {
	errors, total float64
	excess        float64 // errors of the burn that the hour is a part of, beside errors
	burn          int     // its number from 1 on; 0 for none
}

// sourceOf frees the history of its traffic's shape, and chooses how long stretches are.
func sourceOf(h *past, usual rhythm, found burns) source {
	hours := h.recent()
	skipped := len(h.hours) - len(hours)
	mean := h.mean()
	s := source{hours: make([]moment, len(hours)), weight: make([]float64, len(hours))}
	for i, a := range hours {
		switch norm := usual.at(skipped + i); {
		case !a.seenEnough(): // a gap is neither good nor bad: the usual traffic at the mean ratio
			s.hours[i] = moment{errors: mean, total: 1}
		case norm > 0:
			s.hours[i] = moment{errors: a.errors / a.seen / norm, total: a.total / a.seen / norm}
		}
		s.weight[i] = recency(len(hours) - i)
	}
	s.mark(h, found, skipped)
	s.block, s.unit, s.season = s.lengths(quantile(found.lengths(), 0.9))
	return s
}

// mark tells the errors of burns from the rest. Burns that share an hour count as one.
func (s *source) mark(h *past, found burns, skipped int) {
	perHour, usual := int(time.Hour/h.width), h.usual()
	var of []float64
	next := 0 // the first hour that no burn has
	for _, b := range found.ended {
		from, to := max(0, b.from/perHour-skipped), (b.to-1)/perHour-skipped
		if to < next {
			continue
		}
		if from >= next {
			of = append(of, 0)
		}
		for i := max(from, next); i <= to; i++ {
			m := &s.hours[i]
			m.burn, m.excess = len(of), math.Max(0, m.errors-usual*m.total)
			m.errors -= m.excess
			of[len(of)-1] += m.excess
			next = i + 1
		}
	}
	for i, x := range of {
		of[i] = math.Max(x, 1e-12)
	}
	s.sizes = sizesOf(of)
}

// lengths returns the block, unit and season for burns of that length in hours. Blocks hold most burns whole, and leave
// several to choose from. While there is less than a week, any hour may stand in for any.
func (s source) lengths(burn float64) (block, unit, season int) {
	switch hours := len(s.hours); {
	case hours < 3*daily:
		return 6, 6, 1
	case hours < weekly:
		return 12, 12, 1
	case burn <= 6:
		return 12, daily, daily
	case burn <= 12 || hours < 4*weekly:
		return daily, daily, daily
	}
	return 2 * daily, 2 * daily, daily
}

// cut is how one future cuts up the history.
type cut struct {
	first   int       // length of the first stretch; others are whole blocks, so futures are not all cut at the same hours
	begin   int       // where the first unit of the history begins
	chances []float64 // of the units, as sums
}

// cut draws how one future cuts up the history, and how likely it is that each unit is repeated: its weight
// by age times an exponential number (Rubin's Bayesian bootstrap). Without that a history with three burns would promise
// about three more; with it the futures also differ in how often burns come, which three do not tell well.
func (s source) cut(rng *rand.Rand) cut {
	c := cut{first: 1 + rng.IntN(s.block)}
	// The second stretch ahead begins first hours after the history; units begin at the same time of the season.
	c.begin = (len(s.hours) + c.first) % s.season
	if s.season == 1 {
		c.begin = rng.IntN(s.unit)
	}
	var sum float64
	for at := c.begin; at < len(s.hours); at += s.unit {
		sum += s.weight[min(len(s.hours)-1, at+s.unit/2)] * rng.ExpFloat64()
		c.chances = append(c.chances, sum)
	}
	return c
}

// stretch draws the part of the history that stands in for the steps from i on, where a stretch begins.
func (s source) stretch(rng *rand.Rand, c *cut, i int) []moment {
	length, place := s.block, (i-c.first)%s.unit
	if i == 0 { // the tail of a block that began before
		length, place = c.first, s.unit-c.first
	}
	for range 50 {
		u := rng.Float64() * c.chances[len(c.chances)-1]
		from := c.begin + sort.SearchFloat64s(c.chances, u)*s.unit + place
		if from+length <= len(s.hours) {
			return s.hours[from : from+length]
		}
	}
	// The newest unit has all the chances, and does not hold the stretch.
	from := len(s.hours) - length
	return s.hours[from:]
}
