package pool

import "math"

// damped is exponential smoothing with a damped additive trend (Gardner and McKenzie 1985). Its parameters are those of a
// small grid with the least squared one-step error before the first origin.
type damped struct{}

func (damped) name() string { return "damped trend" }

// smoothing is a setting of exponential smoothing: of the level, of the trend, and what is left of the trend a step later.
type smoothing struct{ level, trend, keep float64 }

var smoothings = func() (all []smoothing) {
	for _, level := range []float64{0.03, 0.1, 0.3, 0.6, 0.95} {
		all = append(all, smoothing{level, 0, 0})
		for _, trend := range []float64{0.02, 0.1} {
			for _, keep := range []float64{0.9, 0.98} {
				all = append(all, smoothing{level, trend * level, keep})
			}
		}
	}
	return all
}()

// state is where smoothing has come to.
type state struct{ level, slope, loss float64 }

// smooth runs over the values [from, to).
func (p smoothing) smooth(s Series, now state, from, to int) state {
	for i, y := range s.Values[from:to] {
		forecast := now.level + p.keep*now.slope
		if s.Masked != nil && s.Masked[from+i] {
			now.level, now.slope = forecast, p.keep*now.slope
			continue
		}
		e := y - forecast
		now.loss += e * e
		now.level = forecast + p.level*e
		now.slope = p.keep*now.slope + p.trend*e
	}
	return now
}

// best is the setting with the least squared error over the series.
func best(s Series) smoothing {
	least, chosen := math.Inf(1), smoothings[0]
	for _, p := range smoothings {
		if now := p.smooth(s, begin(s), 0, len(s.Values)); now.loss < least {
			least, chosen = now.loss, p
		}
	}
	return chosen
}

// begin is the level of the first few values.
func begin(s Series) state {
	n := min(10, len(s.Values))
	return state{level: median(s.Values[:n])}
}

func (p smoothing) ahead(now state, ahead int) []float64 {
	path := make([]float64, ahead)
	level, slope := now.level, now.slope
	for h := range path {
		slope *= p.keep
		level += slope
		path[h] = level
	}
	return path
}

func (m damped) paths(s Series, origins []int, ahead int) [][]float64 {
	p := best(s.until(origins[0]))
	out := make([][]float64, len(origins))
	now, from := begin(s.until(origins[0])), 0
	for k, origin := range origins {
		now, from = p.smooth(s, now, from, origin), origin
		out[k] = p.ahead(now, ahead)
	}
	return out
}

// theta is the Theta method (Assimakopoulos and Nikolopoulos 2000) in the form of Hyndman and Billah (2003): simple
// exponential smoothing with half the slope of the line through all values. A season is taken out first as a profile and
// put back.
type theta struct{ season int } // 0 for none

func (m theta) name() string {
	if m.season == 0 {
		return "Theta"
	}
	return "seasonal Theta"
}

func (m theta) paths(s Series, origins []int, ahead int) [][]float64 {
	if m.season > 0 && origins[0] < 2*m.season {
		return nil
	}
	out := make([][]float64, len(origins))
	for k, origin := range origins {
		now := s.until(origin)
		var course []float64
		if m.season > 0 {
			now, course = deseasoned(now, m.season)
		}
		path := thetaPath(now, ahead)
		for h := range path {
			if m.season > 0 {
				path[h] += course[(origin+h)%m.season]
			}
		}
		out[k] = path
	}
	return out
}

// thetaPath forecasts a series without a season.
func thetaPath(s Series, ahead int) []float64 {
	slope := line(s)
	least, level, factor := math.Inf(1), 0.0, 0.0
	for _, alpha := range []float64{0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95} {
		if now := (smoothing{level: alpha}).smooth(s, begin(s), 0, len(s.Values)); now.loss < least {
			least, level, factor = now.loss, now.level, alpha
		}
	}
	n := float64(len(s.Values))
	path := make([]float64, ahead)
	for h := range path {
		path[h] = level + slope/2*(float64(h)+(1-math.Pow(1-factor, n))/factor)
	}
	return path
}

// line is the least-squares slope of the seen values a step.
func line(s Series) float64 {
	var n, sx, sy, sxx, sxy float64
	for i, y := range s.Values {
		if s.masked(i) {
			continue
		}
		x := float64(i)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if d := n*sxx - sx*sx; d > 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}

// deseasoned takes out the mean course of a cycle, whose mean is zero; course[i%season] belongs to the i-th value.
func deseasoned(s Series, season int) (Series, []float64) {
	course, count := make([]float64, season), make([]float64, season)
	mean := 0.0
	for i, y := range s.Values {
		mean += y / float64(len(s.Values))
		if !s.masked(i) {
			course[i%season] += y
			count[i%season]++
		}
	}
	middle := 0.0
	for i := range course {
		if count[i] > 0 {
			course[i] /= count[i]
		} else {
			course[i] = mean
		}
		middle += course[i] / float64(season)
	}
	out := Series{Values: make([]float64, len(s.Values)), Masked: s.Masked}
	for i := range course {
		course[i] -= middle
	}
	for i, y := range s.Values {
		out.Values[i] = y - course[i%season]
	}
	return out, course
}
