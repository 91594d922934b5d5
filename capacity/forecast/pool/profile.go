package pool

import (
	"fmt"
	"math"
)

// profile forecasts the average course of a cycle, recent cycles counting more, moved by how much the last values lie
// above or below it; the move fades over a cycle.
type profile struct {
	season int
	fade   float64 // weight of a cycle relative to the one after it, 0..1
}

func (m profile) name() string { return fmt.Sprintf("profile of %d", m.season) }

func (m profile) paths(s Series, origins []int, ahead int) [][]float64 {
	if origins[0] < 2*m.season {
		return nil
	}
	out := make([][]float64, len(origins))
	for k, origin := range origins {
		out[k] = m.path(s.until(origin), ahead)
	}
	return out
}

func (m profile) path(s Series, ahead int) []float64 {
	n := len(s.Values)
	course := make([]float64, m.season) // course[i] belongs to the place of values[n-season+i]
	for i := range course {
		sum, weights, w := 0.0, 0.0, 1.0
		for at := n - m.season + i; at >= 0; at -= m.season {
			if !s.masked(at) {
				sum, weights = sum+w*s.Values[at], weights+w
			}
			if w *= m.fade; w < 1e-3 {
				break
			}
		}
		if weights == 0 {
			return nil
		}
		course[i] = sum / weights
	}
	// The last values above their course, the newest counting most.
	off, weights, w := 0.0, 0.0, 1.0
	memory := max(1, m.season/24)
	for i := n - 1; i >= max(0, n-4*memory); i-- {
		if !s.masked(i) {
			off, weights = off+w*(s.Values[i]-course[m.season-1-(n-1-i)%m.season]), weights+w
		}
		w *= math.Exp(-1 / float64(memory))
	}
	if weights > 0 {
		off /= weights
	}
	path := make([]float64, ahead)
	for h := range path {
		path[h] = course[h%m.season] + off*math.Exp(-2*float64(h+1)/float64(m.season))
	}
	return path
}
