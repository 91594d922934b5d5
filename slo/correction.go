package slo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// How a correction changes what the ledger counts.
const (
	ModeExclude = "exclude" // the span counts neither as good nor as bad nor as missing
	ModeGood    = "good"    // what failed in the span counts as good; the number of events stays
)

// Why there is a correction. A contract may count the kinds differently.
const (
	KindMaintenance = "maintenance" // work that was planned
	KindCorrection  = "correction"  // what was measured is not what customers had, such as a broken probe
)

// Limits on a correction.
const (
	maxCorrection  = 92 * 24 * time.Hour // a quarter; a longer one is a slip in the year
	maxReason      = 500                 // characters
	maxMatchers    = 10
	maxMatcherSize = 200 // characters of a name or value
)

// Correction is an entry beside the ledger that says how a span of it counts. The recorded buckets stay as they are, and
// a correction is never changed: it is revoked and another one made.
//
// Only whole ledger buckets are corrected: From snaps to the next bucket's edge and To to the one before, so that nothing
// outside of the stated span is forgiven. Effective tells the span that remains.
type Correction struct {
	ID      string            `json:"id"`
	SLO     string            `json:"slo,omitempty"`     // id of the one SLO (and of its further objectives); else
	Service string            `json:"service,omitempty"` // all SLOs of the service; else
	All     bool              `json:"all,omitempty"`     // every SLO
	Labels  map[string]string `json:"labels,omitempty"`  // only ledger series with all of these labels, such as {"tenant": "acme"}
	From    time.Time         `json:"from"`
	To      time.Time         `json:"to"` // not included
	Mode    string            `json:"mode"`
	Kind    string            `json:"kind"`
	Reason  string            `json:"reason"`         // for everybody who reads the figures
	Note    string            `json:"note,omitempty"` // for the operator's people only
	Author  string            `json:"author"`         // who made it, for people
	Created time.Time         `json:"created"`
	// Revoked is when it stopped counting, as if it had never been; zero while it is in force.
	Revoked       time.Time `json:"revoked,omitzero"`
	RevokedBy     string    `json:"revokedBy,omitempty"`
	RevokedReason string    `json:"revokedReason,omitempty"`
}

// InForce reports whether it counts.
func (c Correction) InForce() bool { return c.Revoked.IsZero() }

// Retroactive reports whether it was made after its span had begun, so that nobody was told before.
func (c Correction) Retroactive() bool { return c.Created.After(c.From) }

// Covers reports whether it is in force and its stated span holds the time.
func (c Correction) Covers(at time.Time) bool {
	return c.InForce() && !at.Before(c.From) && at.Before(c.To)
}

// Touches reports whether it is about the SLO, whatever the labels.
func (c Correction) Touches(s SLO) bool {
	return c.All || c.Service != "" && c.Service == s.Service || c.SLO != "" && (c.SLO == s.ID || c.SLO == s.Of)
}

// TouchesTenant reports whether it may change what the tenant reads: it names no other tenant.
func (c Correction) TouchesTenant(tenant string) bool {
	named, narrowed := c.Labels["tenant"]
	return !narrowed || named == tenant
}

// Effective returns the whole buckets of the width inside the stated span, in UTC; where there is none from equals to.
func (c Correction) Effective(width time.Duration) (from, to time.Time) {
	if width <= 0 {
		width = bucketWidth
	}
	from, to = epochFloor(c.From, width), epochFloor(c.To, width)
	if from.Before(c.From) {
		from = from.Add(width)
	}
	if to.Before(from) {
		to = from
	}
	return from, to
}

// ForTenant returns it without what is the operator's own: notes, and who did it.
func (c Correction) ForTenant() Correction {
	c.Note, c.Author, c.RevokedBy, c.RevokedReason = "", "", "", ""
	return c
}

// CorrectionsOf returns the corrections in force that are about the SLO, as Correct applies them to its buckets. A service
// is resolved: the result names the SLO itself.
func CorrectionsOf(s SLO, all []Correction) []Correction {
	var out []Correction
	for _, c := range all {
		if c.InForce() && c.Touches(s) {
			c.SLO, c.Service, c.All = s.ID, "", false
			out = append(out, c)
		}
	}
	return out
}

// Check returns one fault.Invalid with every problem of a new correction, or nil. known are the SLOs defined now; without
// any their names are not checked. width is the ledger's bucket width, five minutes unless set.
func (c Correction) Check(known []SLO, width time.Duration) error {
	e := fault.New(fault.Invalid, "the correction has problems")
	add := func(where, format string, args ...any) {
		e.Details = append(e.Details, fault.Detail{Where: where, Message: fmt.Sprintf(format, args...)})
	}
	c.checkTarget(known, add)
	c.checkSpan(width, add)
	switch c.Mode {
	case ModeExclude, ModeGood:
	default:
		add("mode", "%q is not a mode; write %s (the span does not count) or %s (its errors count as good)", clip(c.Mode), ModeExclude, ModeGood)
	}
	switch c.Kind {
	case KindMaintenance, KindCorrection:
	default:
		add("kind", "%q is not a kind; write %s or %s", clip(c.Kind), KindMaintenance, KindCorrection)
	}
	if strings.TrimSpace(c.Reason) == "" {
		add("reason", "is missing; say why, in words that may stand in a customer's report")
	}
	for where, text := range map[string]string{"reason": c.Reason, "note": c.Note} {
		if n := utf8.RuneCountInString(text); n > maxReason {
			add(where, "has %d characters; write at most %d", n, maxReason)
		}
	}
	if len(e.Details) == 0 {
		return nil
	}
	slices.SortStableFunc(e.Details, func(a, b fault.Detail) int { return cmp.Compare(a.Where, b.Where) })
	return e
}

func (c Correction) checkTarget(known []SLO, add func(where, format string, args ...any)) {
	named := 0
	for _, is := range []bool{c.SLO != "", c.Service != "", c.All} {
		if is {
			named++
		}
	}
	switch {
	case named == 0:
		add("slo", "nothing is named; name an SLO's id, a service, or all")
	case named > 1:
		add("slo", "more than one of slo, service and all is named; keep one")
	}
	if len(c.Labels) > maxMatchers {
		add("labels", "has %d labels; write at most %d", len(c.Labels), maxMatchers)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		switch value := c.Labels[name]; {
		case !labelName.MatchString(name) || len(name) > maxMatcherSize:
			add("labels", "%q is not a label name; use letters, digits and underscores, not starting with a digit", clip(name))
		case value == "" || utf8.RuneCountInString(value) > maxMatcherSize:
			add("labels", "%s has no value, or a very long one; leave the label out where any value is meant", name)
		}
	}
	if named == 1 && len(known) > 0 {
		c.checkKnown(known, add)
	}
}

// checkKnown refuses what would silently touch nothing.
func (c Correction) checkKnown(known []SLO, add func(where, format string, args ...any)) {
	touched := slices.DeleteFunc(slices.Clone(known), func(s SLO) bool { return !c.Touches(s) })
	if len(touched) == 0 {
		if c.SLO != "" {
			add("slo", "there is no SLO %q; 'nines slo status' lists them", clip(c.SLO))
		} else {
			add("service", "no SLO belongs to a service %q", clip(c.Service))
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if !slices.ContainsFunc(touched, func(s SLO) bool { return slices.Contains(s.GroupBy, name) }) {
			add("labels", "nothing that is named is counted by %q, so it would touch nothing; use a label of groupBy (%s), or leave it out",
				clip(name), orNone(strings.Join(touched[0].GroupBy, ", ")))
		}
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (c Correction) checkSpan(width time.Duration, add func(where, format string, args ...any)) {
	if width <= 0 {
		width = bucketWidth
	}
	switch from, to := c.Effective(width); {
	case c.From.IsZero():
		add("from", "is missing; write when it begins, such as 2026-11-23T22:00:00Z")
	case c.To.IsZero():
		add("to", "is missing; write when it ends, such as 2026-11-24T00:00:00Z")
	case c.From.Year() < 2000 || c.To.Year() > 2200:
		add("from", "the years %d to %d are out of range", c.From.Year(), c.To.Year())
	case !c.From.Before(c.To):
		add("to", "does not lie after from")
	case c.To.Sub(c.From) > maxCorrection:
		add("to", "lies %d days after from; a correction spans at most %d", int(c.To.Sub(c.From).Hours()/24), int(maxCorrection.Hours()/24))
	case !from.Before(to):
		add("to", "no whole ledger bucket of %s lies between from and to, so nothing would change; only whole buckets are corrected", width)
	}
}
