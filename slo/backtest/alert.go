package backtest

import (
	"slices"
	"strings"
	"time"
)

// Names of the rule sets.
const (
	Nines = "nines"
	Sloth = "sloth"
	Pyrra = "pyrra"
)

// Severities, in Sloth's words.
const (
	severityPage   = "page"
	severityTicket = "ticket"
)

// Alert is one alert from firing to resolved.
type Alert struct {
	Tier     string            `json:"tier"`
	Severity string            `json:"severity"`
	Labels   map[string]string `json:"labels,omitempty"`
	Fired    time.Time         `json:"fired"`
	Reset    time.Time         `json:"reset,omitzero"` // zero: it still fired at the end
}

// recorder turns one alert's condition, evaluation by evaluation, into alerts.
type recorder struct {
	alert   Alert
	hold    time.Duration // how long the condition must last before it fires
	keep    time.Duration // how long it goes on firing after the condition ended
	pending time.Time     // since when the condition holds; zero: it does not
	firing  bool
	ended   time.Time // since when the condition of a firing alert does not hold; zero: it holds
	out     []Alert
}

func (r *recorder) at(t time.Time, active bool) {
	switch {
	case active:
		if r.pending.IsZero() {
			r.pending = t
		}
		r.ended = time.Time{}
		if !r.firing && t.Sub(r.pending) >= r.hold {
			r.firing, r.alert.Fired = true, t
		}
	case r.firing:
		if r.ended.IsZero() {
			r.ended = t
		}
		if t.Sub(r.ended) >= r.keep {
			r.reset(t)
		}
	default:
		r.pending = time.Time{}
	}
}

func (r *recorder) reset(t time.Time) {
	done := r.alert
	done.Reset = t
	r.out = append(r.out, done)
	r.firing, r.pending, r.ended = false, time.Time{}, time.Time{}
}

// end returns the alerts; one that still fires has no reset.
func (r *recorder) end() []Alert {
	if r.firing {
		r.out = append(r.out, r.alert)
	}
	return r.out
}

// since drops what was over before the time and cuts what began before it.
func since(alerts []Alert, from time.Time) []Alert {
	out := slices.DeleteFunc(slices.Clone(alerts), func(a Alert) bool { return !a.Reset.IsZero() && !a.Reset.After(from) })
	for i := range out {
		if out[i].Fired.Before(from) {
			out[i].Fired = from
		}
	}
	return out
}

// merged makes one of alerts of a severity that overlap, group by group: from the first tier that fires until none does.
// The tier is the first one's.
func merged(alerts []Alert, severity string) []Alert {
	of := slices.DeleteFunc(slices.Clone(alerts), func(a Alert) bool { return a.Severity != severity })
	slices.SortStableFunc(of, func(a, b Alert) int {
		if c := strings.Compare(keyOf(a.Labels), keyOf(b.Labels)); c != 0 {
			return c
		}
		return a.Fired.Compare(b.Fired)
	})
	var out []Alert
	for _, a := range of {
		last := len(out) - 1
		if last >= 0 && keyOf(out[last].Labels) == keyOf(a.Labels) && (out[last].Reset.IsZero() || !a.Fired.After(out[last].Reset)) {
			if !out[last].Reset.IsZero() && (a.Reset.IsZero() || a.Reset.After(out[last].Reset)) {
				out[last].Reset = a.Reset
			}
			continue
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b Alert) int { return a.Fired.Compare(b.Fired) })
	return out
}
