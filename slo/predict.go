package slo

import (
	"fmt"
	"math"
	"time"
)

// Prediction says whether the error budget will last, from how it was burned so far. It is a simulation: many futures
// are put together from stretches of the history, so that traffic keeps its shape over day and week and errors come in
// the clusters they came in. It knows nothing that never happened in the history it stands on.
type Prediction struct {
	At    time.Time `json:"at"`    // when it was made
	Until time.Time `json:"until"` // how far it reaches: the end of the calendar period, or one rolling window ahead
	// Enough reports whether the history carries a prediction. Where it does not, Why says what is missing and the figures
	// below are zero and say nothing.
	Enough  bool      `json:"enough" doc:"Whether the history carries a prediction; without, why says what is missing and the figures are zero."`
	Why     string    `json:"why,omitempty"`     // a sentence; "" where Enough is true
	Since   time.Time `json:"since,omitzero"`    // where the history begins
	Hours   int       `json:"hours"`             // of history that were seen
	Burns   int       `json:"burns"`             // stretches of it that burned clearly faster than usual and allowed
	Burning bool      `json:"burning,omitempty"` // such a burn is under way; it goes on for as long as earlier ones did
	// Probability is the share of futures in which the budget is gone before Until, 0 to 1.
	Probability float64 `json:"probability" doc:"Share of simulated futures in which the budget is gone before until, 0 to 1."`
	// Gone holds the times by which the budget is gone in 10, 50 and 90 per cent of all futures; zero is not before Until.
	Gone TimeQuantiles `json:"gone,omitzero" doc:"By when the budget is gone in 10, 50 and 90 per cent of all futures; absent: not before until."`
	// IfGone holds the same quantiles of only those futures in which it is gone; zero where these are too few to tell.
	IfGone TimeQuantiles `json:"ifGone,omitzero" doc:"The same of only those futures in which it is gone; absent where they are too few."`
	// Left is the share of the budget that is left at Until; negative is overspent.
	Left ShareQuantiles `json:"left" doc:"Share of the budget left at until; negative is overspent."`
	// Fan is the share that is left between At and Until, evenly spaced and the earliest first.
	Fan []FanPoint `json:"fan,omitempty" doc:"What is left between at and until, evenly spaced, the earliest first."`
}

// TimeQuantiles are the 10th, 50th and 90th percentile of a time. Zero is "not in the time looked at".
type TimeQuantiles struct {
	P10 time.Time `json:"p10,omitzero"`
	P50 time.Time `json:"p50,omitzero"`
	P90 time.Time `json:"p90,omitzero"`
}

// ShareQuantiles are the 10th, 50th and 90th percentile of a share; P10 <= P50 <= P90.
type ShareQuantiles struct {
	P10 float64 `json:"p10"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
}

// FanPoint is what is left of the budget at one time ahead.
type FanPoint struct {
	At time.Time `json:"at"`
	ShareQuantiles
}

// Brief returns the prediction without its fan.
func (p Prediction) Brief() Prediction {
	p.Fan = nil
	return p
}

// Lasts reports whether the budget more likely lasts than not.
func (p Prediction) Lasts() bool { return p.Enough && p.Probability < 0.5 }

const (
	// leastHistory is how much must have been seen before anything is predicted: a day has every hour once.
	leastHistory = 24
	// mostHistory is how many hours back futures are made of.
	mostHistory = 91 * 24
	// PredictHistory is how far back before now a prediction looks, where the window does not begin even earlier. Four
	// weeks tell a weekday's traffic from a Sunday's.
	PredictHistory = 28 * 24 * time.Hour
	// fanPoints is how many points a fan has at most.
	fanPoints = 48
)

// Predict says whether the budget of these labels lasts, from the buckets since PredictHistory before now or since the
// window began, whichever is earlier; older ones are left out. nil labels take all buckets of the SLO as one budget. The
// same input gives the same answer, whatever the order of the buckets.
//
// For a rolling window it looks one window ahead: what happened in the window now leaves it hour by hour. What is left at
// a time is 1 - errors/(budget * events) of the window that ends then, as in Status. For a calendar window it looks to
// the period's end, and the budget is that of the whole period's traffic, seen and still to come, so that what is left
// never rises; at the period's end it is what Status will say.
func Predict(s SLO, labels map[string]string, buckets []Bucket, now time.Time) Prediction {
	s = s.withDefaults()
	from, until := s.Window.Bounds(now)
	if s.Window.Calendar == "" {
		until = now.Add(s.Window.Length())
	}
	h := pastOf(s, labels, buckets, now)
	p := Prediction{At: now.UTC(), Until: until.UTC(), Hours: h.seenHours(), Since: h.first}
	if p.Why = h.lacking(p.Hours); p.Why != "" {
		return p
	}
	p.Enough = true
	burns := h.burns(s.Objective.Budget())
	p.Burns, p.Burning = len(burns.ended), burns.now != nil
	f := futures{past: h, burns: burns, budget: s.Objective.Budget(), rng: seeded(s, labels)}
	f.frame(s.Window, from, until)
	f.run()
	f.tell(&p, now)
	return p
}

// lacking says what the history is short of, and "" where it is enough.
func (h *past) lacking(hours int) string {
	switch {
	case hours == 0:
		return "Nothing was seen of it yet; a prediction needs a day of history."
	case hours < leastHistory:
		return fmt.Sprintf("%s of history %s seen so far; a prediction needs a day, so that every hour was there once.", hoursText(hours), wasWere(hours))
	case 2*hours < len(h.recent()):
		return fmt.Sprintf("Only %d of the %d hours since the first data were seen; a prediction needs half of them at least.", hours, len(h.recent()))
	case math.IsNaN(h.mean()):
		return "No traffic was seen in the history; without any there is nothing to predict from."
	}
	return ""
}

func hoursText(n int) string {
	if n == 1 {
		return "One hour"
	}
	return fmt.Sprintf("%d hours", n)
}

func wasWere(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// tell writes what the simulated futures say into the prediction.
func (f *futures) tell(p *Prediction, now time.Time) {
	gone := f.gone[:0:0]
	for _, at := range f.gone {
		if !math.IsInf(at, 1) {
			gone = append(gone, at)
		}
	}
	p.Probability = float64(len(gone)) / float64(len(f.gone))
	p.Gone = f.timesOf(f.gone, now)
	if len(gone) >= enoughGone {
		p.IfGone = f.timesOf(gone, now)
	}
	for i, step := range f.fanSteps {
		at := f.past.end.Add(time.Duration(step) * time.Hour)
		switch {
		case i == 0:
			at = now
		case i == len(f.fanSteps)-1, at.After(p.Until):
			at = p.Until
		}
		p.Fan = append(p.Fan, FanPoint{At: at.UTC(), ShareQuantiles: sharesOf(f.fan[i])})
	}
	p.Left = p.Fan[len(p.Fan)-1].ShareQuantiles
}

// Chance writes the probability for people: never as certain as six hundred futures cannot be.
func (p Prediction) Chance() string {
	switch {
	case p.Probability < 0.01:
		return "under 1 %"
	case p.Probability > 0.99:
		return "over 99 %"
	}
	return fmt.Sprintf("%.0f %%", 100*p.Probability)
}
