package backtest

import (
	"math/rand/v2"
	"time"
)

const (
	resampledPiece = 10 * time.Minute
	resampledDays  = 360 // of all groups together
	leastHealthy   = 2   // days, below which nothing is resampled
)

// healthySlots says, by group, in which evaluated slots something was seen and nothing was known to be wrong.
func (r *Replay) healthySlots() [][]bool {
	h := r.History
	trouble := make([]bool, h.Slots)
	for _, i := range r.incidents() {
		for n := max(h.slotOf(i.Start), 0); n < min(h.slotOf(i.End.Add(r.options.Slack))+1, h.Slots); n++ {
			trouble[n] = true
		}
	}
	out := make([][]bool, len(h.Groups))
	for g := range h.Groups {
		out[g] = make([]bool, h.Slots)
		for i := h.First; i < h.Slots; i++ {
			out[g][i] = !trouble[i] && h.Groups[g].seen[i+1] > h.Groups[g].seen[i]
		}
	}
	return out
}

// resample makes a long healthy history: each piece of each day is one of the same time of day on a healthy day, drawn at
// random with a fixed seed. It is empty where there is too little to draw from.
func (r *Replay) resample(healthy [][]bool) History {
	h := r.History
	piece := max(int(resampledPiece/h.Interval), 1)
	day := int(24*time.Hour/h.Interval) / piece * piece
	if len(h.Groups) == 0 || day == 0 || h.Slots-h.First < leastHealthy*day {
		return History{}
	}
	days := max(resampledDays/len(h.Groups), 60)
	out := History{Begin: h.Begin, Interval: h.Interval, Slots: days * day}
	random := rand.New(rand.NewPCG(1, 2))
	for g := range h.Groups {
		pieces := drawable(h, healthy[g], day, piece)
		one := Group{Labels: h.Groups[g].Labels, errors: make([]float64, 1, out.Slots+1), total: make([]float64, 1, out.Slots+1), seen: make([]float64, 1, out.Slots+1)}
		for n := range out.Slots / piece {
			from := pieces[n%len(pieces)]
			if len(from) == 0 {
				return History{}
			}
			one.copyFrom(&h.Groups[g], from[random.IntN(len(from))], piece)
		}
		out.Groups = append(out.Groups, one)
	}
	return out
}

// drawable returns, for each piece of the day, the slots at which a wholly healthy one begins.
func drawable(h History, healthy []bool, day, piece int) [][]int {
	out := make([][]int, day/piece)
	for from := h.First; from+piece <= h.Slots; from += piece {
		whole := true
		for i := from; i < from+piece; i++ {
			whole = whole && healthy[i]
		}
		if whole {
			of := (from - h.First) % day / piece
			out[of] = append(out[of], from)
		}
	}
	return out
}

func (g *Group) copyFrom(other *Group, from, slots int) {
	for i := from; i < from+slots; i++ {
		last := len(g.total) - 1
		g.errors = append(g.errors, g.errors[last]+other.errors[i+1]-other.errors[i])
		g.total = append(g.total, g.total[last]+other.total[i+1]-other.total[i])
		g.seen = append(g.seen, g.seen[last]+1)
	}
}
