// Package backtest replays what a promise's rules would have done over a past that is known: which alerts would have
// fired and when, what they would have cost in budget, how many of them were right, and the same for the rules that
// Sloth and Pyrra generate, over the same samples. It leaves out where the samples come from and how results are shown
// to a caller other than as text and SVG.
package backtest

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// Series is one series over time: Values[i] at At[i], in milliseconds since the epoch, ascending.
type Series struct {
	Labels map[string]string
	At     []int64
	Values []float64
}

// Source is a Prometheus that answers questions about its past. Trouble that may pass is fault.Unavailable,
// fault.Limited or fault.Timeout; fault.TooLarge and fault.Invalid may mean that less must be asked for at once.
type Source interface {
	slo.SampleSource
	// Range evaluates an expression at from, from+step and so on up to and including to.
	Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error)
	// Samples returns what is stored of the selector's series in (from, to], staleness markers left out.
	Samples(ctx context.Context, selector string, from, to time.Time) ([]Series, error)
}

// Options says what is replayed and how it is judged.
type Options struct {
	From, To  time.Time // evaluated is (From, To]; both are rounded down to whole base intervals
	Incidents []Incident
	Known     bool          // the incidents are all there were, so that pages can be right or wrong
	Slack     time.Duration // how long after an incident's end a page still belongs to it
	Recorded  bool          // read recorded increments instead of evaluating the raw series
	Peers     bool          // show Sloth's and Pyrra's rules too
	PeerEval  time.Duration // evaluation interval of Sloth's rules; 30 s unless set
	// Progress, where set, is told after each step how many of how many are done. It may be called from several
	// goroutines, one call at a time.
	Progress func(done, total int, doing string)
	// Wait pauses between tries; nil waits in real time.
	Wait func(ctx context.Context, d time.Duration) error
}

// DefaultSlack is Options.Slack of the command line.
const DefaultSlack = 15 * time.Minute

// Replay is everything that was read, ready to be judged, also several times with other alerting.
type Replay struct {
	SLO     slo.SLO
	History History
	peers   *peerData // nil: not to be shown
	options Options
	notes   []string
	origin  string
}

// Read fetches what the SLO's history needs from the source. The history begins earlier than From by the longest window
// of any rule, so that the first alerts are as they would have been.
func Read(ctx context.Context, source Source, s slo.SLO, o Options) (*Replay, error) {
	s = s.Defaulted()
	o, err := o.checked(s)
	if err != nil {
		return nil, err
	}
	r := &Replay{SLO: s, options: o}
	shape, why := shapeOf(s)
	if !o.Peers {
		shape, why = nil, "not asked for"
	}
	f := newFetch(source, s, o, shape)
	if err := f.increments(ctx, r); err != nil {
		return nil, err
	}
	if shape == nil {
		r.note("Sloth and Pyrra are not shown: %s.", why)
		return r, nil
	}
	counters, err := f.counters(ctx, shape)
	if err != nil {
		return nil, err
	}
	if len(counters) == 0 {
		r.note("Sloth and Pyrra are not shown: the raw series they read are not stored (any more).")
		return r, nil
	}
	r.peers = &peerData{shape: shape, counters: counters}
	return r, nil
}

func (o Options) checked(s slo.SLO) (Options, error) {
	o.From, o.To = o.From.UTC().Truncate(s.Interval), o.To.UTC().Truncate(s.Interval)
	if !o.To.After(o.From) {
		return o, fault.New(fault.Invalid, "there is nothing between %s and %s to replay", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339))
	}
	if o.PeerEval <= 0 {
		o.PeerEval = 30 * time.Second
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	return o, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lead is how much history before From the SLO's own alerts look at.
func lead(s slo.SLO) time.Duration {
	longest := time.Duration(0)
	for _, t := range s.Tiers() {
		longest = max(longest, t.Long, t.Short)
	}
	return longest + 2*s.MeasuredEvery(longest)
}
