package slo

import (
	"math"
	"math/rand/v2"
	"time"
)

// burns is how a budget was burned in stretches: those that ended, and the one under way.
type burns struct {
	ended []burn
	now   *burning
}

// burn is a stretch of time in which clearly more failed than is allowed and usual.
type burn struct {
	from, to int     // steps of past.fine, half-open
	lasted   float64 // hours
}

// burning is a burn that has not ended.
type burning struct {
	since float64 // hours it has taken so far
	ratio float64 // of errors, now
}

const (
	// quietBetween is how long a burn may pause and still be one.
	quietBetween = 15 * time.Minute
	// presentSpan is the time at the end of the history that decides whether a burn is under way, and how hard it burns.
	presentSpan = 15 * time.Minute
)

// burns finds the stretches in which clearly more failed than is allowed and usual.
func (h *past) burns(budget float64) burns {
	bar := max(budget, h.usual())
	hot := func(a amount) bool {
		expected := bar * a.total
		return a.errors > 2*expected && a.errors > expected+3*math.Sqrt(expected)+1
	}
	pause, inHours := int(quietBetween/h.width), h.width.Hours()
	var found burns
	var all []burn
	for i, a := range h.fine {
		if !hot(a) {
			continue
		}
		if n := len(all); n > 0 && i-all[n-1].to <= pause {
			all[n-1].to = i + 1
		} else {
			all = append(all, burn{from: i, to: i + 1})
		}
		last := &all[len(all)-1]
		last.lasted = float64(last.to-last.from) * inHours
	}
	var present amount
	for i := max(0, len(h.fine)-max(1, int(presentSpan/h.width))); i < len(h.fine); i++ {
		present.errors, present.total = present.errors+h.fine[i].errors, present.total+h.fine[i].total
	}
	found.ended = all
	if n := len(all) - 1; n >= 0 && hot(present) && len(h.fine)-all[n].to <= pause {
		found.ended = all[:n] // the last has not lasted yet
		found.now = &burning{since: float64(len(h.fine)-all[n].from) * inHours, ratio: present.errors / present.total}
	}
	return found
}

// sizes is how the sizes of burns are spread: lognormal, as far as so few can tell. Sizes are in hours of usual traffic
// that failed; what is kept are their logarithms.
type sizes struct {
	of             []float64
	middle, spread float64
	most           float64
}

const (
	// usualSpread is how far the sizes of burns are spread while few were seen, by the power of e: nine in ten lie within
	// a factor of five of the middle one. It counts like this many burns seen.
	usualSpread, usualSpreadCounts = 1.0, 2.0
	// mostGrowth bounds the size of any future burn by that of the largest one seen.
	mostGrowth = 8.0
)

// sizesOf fits the spread of the sizes, which are above zero.
func sizesOf(of []float64) sizes {
	s := sizes{of: make([]float64, len(of)), most: math.Inf(-1)}
	for i, x := range of {
		s.of[i] = math.Log(x)
		s.middle += s.of[i] / float64(len(of))
		s.most = math.Max(s.most, s.of[i]+math.Log(mostGrowth))
	}
	sum := usualSpread * usualSpread * usualSpreadCounts
	for _, x := range s.of {
		sum += (x - s.middle) * (x - s.middle)
	}
	s.spread = math.Sqrt(sum / s.freedom())
	return s
}

func (s sizes) freedom() float64 { return usualSpreadCounts + math.Max(0, float64(len(s.of)-1)) }

// doubt draws what the middle and the spread may really be, seen from so few burns: the posterior of a normal
// distribution, with Wilson and Hilferty's approximation of chi-squared.
func (s sizes) doubt(rng *rand.Rand) sizes {
	if len(s.of) == 0 {
		return s
	}
	part := 2 / (9 * s.freedom())
	root := 1 - part + rng.NormFloat64()*math.Sqrt(part)
	s.spread /= math.Sqrt(math.Max(0.1, root*root*root))
	s.middle += s.spread / math.Sqrt(float64(len(s.of))) * rng.NormFloat64()
	return s
}

// another draws the size of a burn that is like the i-th one, over the size that this one had.
func (s sizes) another(rng *rand.Rand, i int) float64 {
	return math.Exp(math.Min(s.middle+s.spread*rng.NormFloat64(), s.most) - s.of[i])
}

// lengths returns how long each burn lasted, in hours.
func (b burns) lengths() []float64 {
	var out []float64
	for _, ended := range b.ended {
		out = append(out, ended.lasted)
	}
	return out
}
