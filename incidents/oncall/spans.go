package oncall

import (
	"slices"
	"time"
)

// Covers reports whether t lies in the span.
func (s Span) Covers(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// Hours is how long the span lasts.
func (s Span) Hours() float64 { return s.To.Sub(s.From).Hours() }

// String writes the span for people, by the clock of its times' zone.
func (s Span) String() string {
	const layout = "2006-01-02 15:04 MST"
	return s.From.Format(layout) + " to " + s.To.Format(layout)
}

// clip returns the part of the span between from and to; false where there is none.
func (s Span) clip(from, to time.Time) (Span, bool) {
	if s.From.Before(from) {
		s.From = from
	}
	if s.To.After(to) {
		s.To = to
	}
	return s, s.From.Before(s.To)
}

func clipAll(spans []Span, from, to time.Time) []Span {
	kept := spans[:0]
	for _, s := range spans {
		if c, ok := s.clip(from, to); ok {
			kept = append(kept, c)
		}
	}
	return kept
}

// merge orders the spans and joins those that touch or overlap.
func merge(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	var merged []Span
	for _, s := range spans {
		if !s.From.Before(s.To) {
			continue
		}
		if last := len(merged) - 1; last >= 0 && !s.From.After(merged[last].To) {
			if s.To.After(merged[last].To) {
				merged[last].To = s.To
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// without returns the parts of [from, to) that no span covers; the spans are in order and apart from one another.
func without(spans []Span, from, to time.Time) []Span {
	var rest []Span
	for _, s := range spans {
		if from.Before(s.From) {
			rest = append(rest, Span{from, s.From})
		}
		if s.To.After(from) {
			from = s.To
		}
	}
	if from.Before(to) {
		rest = append(rest, Span{from, to})
	}
	return rest
}
