package slo

import (
	"math"
	"time"
)

// past is a budget's history in steps of an hour and of a bucket, both ending at the last whole bucket before now.
type past struct {
	first, end time.Time
	width      time.Duration // of fine
	open       amount        // after end: the bucket that is still being filled
	fine       []amount      // by bucket, oldest first; the last ends at end
	hours      []amount      // by hour, oldest first; the last ends at end
}

// amount is what happened in one step: errors of all, and the share of the step that was seen.
type amount struct{ errors, total, seen float64 }

// seenEnough reports whether the step says something of its time.
func (a amount) seenEnough() bool { return a.seen >= 0.5 }

// pastOf sums the buckets of one budget since PredictHistory before now, or since the window began.
func pastOf(s SLO, labels map[string]string, buckets []Bucket, now time.Time) *past {
	h := &past{width: bucketWidth}
	since, _ := s.Window.Bounds(now)
	if early := now.Add(-PredictHistory); early.Before(since) {
		since = early
	}
	mine := chosen(s, labels, buckets)
	for _, b := range mine {
		if b.Start.Before(since) || b.imputed() {
			continue
		}
		if h.first.IsZero() || b.Start.Before(h.first) {
			h.first, h.width = b.Start.UTC(), min(b.Width, time.Hour)
		}
	}
	h.end = epochFloor(now, h.width)
	if h.first.IsZero() || !h.first.Before(h.end) {
		return h
	}
	perHour := int(time.Hour / h.width)
	n := int((h.end.Sub(h.first) + time.Hour - 1) / time.Hour)
	h.hours, h.fine = make([]amount, n), make([]amount, n*perHour)
	begin := h.end.Add(-time.Duration(n) * time.Hour)
	for _, b := range mine {
		if b.Start.Before(begin) {
			continue
		}
		if !b.Start.Before(h.end) {
			if b.Start.Before(now) {
				h.open.errors, h.open.total = h.open.errors+b.Errors(), h.open.total+b.Total
			}
			continue
		}
		a := &h.fine[min(int(b.Start.Sub(begin)/h.width), len(h.fine)-1)]
		a.errors, a.total = a.errors+b.Errors(), a.total+b.Total
		if b.imputed() {
			continue
		}
		seen := 1.0
		if b.Expect > 0 {
			seen = min(1, float64(b.Seen)/float64(b.Expect))
		}
		a.seen = max(a.seen, seen)
	}
	for i, a := range h.fine {
		to := &h.hours[i/perHour]
		to.errors, to.total, to.seen = to.errors+a.errors, to.total+a.total, to.seen+a.seen/float64(perHour)
	}
	return h
}

// chosen returns the buckets of the SLO's budget; nil labels take all of the SLO's.
func chosen(s SLO, labels map[string]string, buckets []Bucket) []Bucket {
	known := map[Series]bool{}
	out := make([]Bucket, 0, len(buckets))
	for _, b := range buckets {
		if b.SLO != s.ID {
			continue
		}
		if labels != nil && len(s.BudgetBy) > 0 {
			is, ok := known[b.Series]
			if !ok {
				is = s.hasLabels(b.Series, labels)
				known[b.Series] = is
			}
			if !is {
				continue
			}
		}
		out = append(out, b)
	}
	return out
}

// seenHours is how many hours of the recent history were seen, in whole ones.
func (h *past) seenHours() int {
	var seen float64
	for _, a := range h.recent() {
		seen += a.seen
	}
	return int(seen + 1e-6)
}

// recent returns the hours that futures are made of.
func (h *past) recent() []amount { return h.hours[max(0, len(h.hours)-mostHistory):] }

// mean is the ratio of errors in all of the recent history; NaN without traffic.
func (h *past) mean() float64 {
	var all amount
	for _, a := range h.recent() {
		all.errors, all.total = all.errors+a.errors, all.total+a.total
	}
	return all.errors / all.total
}

// usual is the ratio of errors in the middle hour of the history: what happens while nothing is wrong.
func (h *past) usual() float64 {
	var ratios []float64
	for _, a := range h.recent() {
		if a.total > 0 {
			ratios = append(ratios, a.errors/a.total)
		}
	}
	return quantile(ratios, 0.5)
}

// halfLife is the age at which an hour of the history counts half as much as the present one.
const halfLife = 21 * 24 // hours

func recency(age int) float64 { return math.Exp2(-float64(age) / halfLife) }

// rhythm is the traffic that an hour usually has, by its place in the week, or in the day while the history has not two
// weeks. Recent hours count more.
type rhythm struct{ by []float64 }

func (r rhythm) at(i int) float64 { return r.by[i%len(r.by)] }

// The traffic's seasons, in hours.
const (
	daily  = 24
	weekly = 7 * daily
)

// rhythm learns the traffic's shape. Hours are counted from the history's first one; the future goes on counting.
func (h *past) rhythm() rhythm {
	byDay := h.usualTraffic(daily, nil)
	if len(h.hours) < 2*weekly {
		return rhythm{byDay}
	}
	return rhythm{h.usualTraffic(weekly, byDay)}
}

func (h *past) usualTraffic(season int, otherwise []float64) []float64 {
	sum, weight := make([]float64, season), make([]float64, season)
	for i, a := range h.hours {
		if !a.seenEnough() {
			continue
		}
		w := recency(len(h.hours) - i)
		sum[i%season] += w * a.total
		weight[i%season] += w * a.seen
	}
	for i := range sum {
		switch {
		case weight[i] > 0:
			sum[i] /= weight[i]
		case otherwise != nil:
			sum[i] = otherwise[i%len(otherwise)]
		}
	}
	return sum
}

// rollingOut returns what a window of that length still holds of the past now and after each hour ahead.
func (h *past) rollingOut(steps int, length time.Duration) []amount {
	suffix := make([]amount, len(h.hours)+1) // at k what happened in the last k hours and since
	suffix[0] = h.open
	for k := range h.hours {
		a := h.hours[len(h.hours)-1-k]
		suffix[k+1] = amount{errors: suffix[k].errors + a.errors, total: suffix[k].total + a.total}
	}
	out := make([]amount, steps+1)
	keep := int(math.Round(length.Hours()))
	for i := range out {
		out[i] = suffix[min(max(0, keep-i), len(h.hours))]
	}
	return out
}

// since sums what happened from a time on.
func (h *past) since(from time.Time) (sum amount) {
	sum = h.open
	ago := int((h.end.Sub(from) + h.width - 1) / h.width)
	for _, a := range h.fine[len(h.fine)-min(max(0, ago), len(h.fine)):] {
		sum.errors, sum.total = sum.errors+a.errors, sum.total+a.total
	}
	return sum
}
