package alerting

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Judge decides about alerts at one time: what silences, inhibition and maintenance keep from paging. It may be used by
// several goroutines.
type Judge struct {
	rules    *compiledRules
	silences []compiledSilence                 // pending and active ones, as they were given
	active   index                             // of the active silences
	windows  index                             // of the windows that are open
	open     []Span                            // of each window; the zero Span for one that is closed
	sources  []func() map[sourceKey]inhibitors // of each rule, found when the rule's first target is judged
	now      time.Time
}

type compiledSilence struct {
	Silence
	matchers Matchers
	state    SilenceState
}

// compiledRules are rules ready to match. What does not compile matches nothing: a broken rule holds no page.
type compiledRules struct {
	inhibit []compiledInhibit
	targets index // of the inhibited sides
	windows []compiledWindow
	trees   []compiledRoute
}

type compiledInhibit struct {
	InhibitRule
	source, target Matchers
}

type compiledWindow struct {
	MaintenanceWindow
	matchers Matchers
}

func compileRules(r Rules) *compiledRules {
	c := &compiledRules{trees: compileTrees(r.Routes)}
	for _, rule := range r.Inhibit {
		source, sourceErr := CompileMatchers(rule.Source)
		target, targetErr := CompileMatchers(rule.Target)
		if cmp.Or(sourceErr, targetErr) != nil {
			continue
		}
		c.targets.add(len(c.inhibit), target)
		c.inhibit = append(c.inhibit, compiledInhibit{rule, source, target})
	}
	for _, w := range r.Maintenance {
		if matchers, err := CompileMatchers(w.Matchers); err == nil && len(matchers) > 0 {
			c.windows = append(c.windows, compiledWindow{w, matchers})
		}
	}
	return c
}

// NewJudge returns a judge for the time. firing are all alerts that may inhibit others; those that have ended do not. They
// are read while the judge is used and must not change until then.
// Silences that have expired, and rules and silences whose matchers are not valid, keep nothing from paging.
func NewJudge(rules Rules, silences []Silence, firing []Alert, now time.Time) *Judge {
	j := &Judge{rules: rules.compiled, now: now}
	if j.rules == nil {
		j.rules = compileRules(rules)
	}
	for _, s := range silences {
		j.addSilence(s)
	}
	j.open = make([]Span, len(j.rules.windows))
	for i, w := range j.rules.windows {
		if from, until, ok := w.Active(now); ok {
			j.open[i] = Span{from, until}
			j.windows.add(i, w.matchers)
		}
	}
	for i := range j.rules.inhibit {
		rule := &j.rules.inhibit[i]
		j.sources = append(j.sources, sync.OnceValue(func() map[sourceKey]inhibitors { return rule.sources(firing, now) }))
	}
	return j
}

func (j *Judge) addSilence(s Silence) {
	state := s.State(j.now)
	if state == SilenceExpired {
		return
	}
	matchers, err := CompileMatchers(s.Matchers)
	if err != nil || len(matchers) == 0 {
		return
	}
	if state == SilenceActive {
		j.active.add(len(j.silences), matchers)
	}
	j.silences = append(j.silences, compiledSilence{s, matchers, state})
}

// Verdict says what keeps the alert from paging. What a tenant set concerns its own alerts only; what the operator set
// concerns all. So does inhibition: an alert is inhibited by its own tenant's alerts and by the operator's.
func (j *Judge) Verdict(a Alert) Verdict {
	v := Verdict{SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}}
	for i := range j.active.candidates(a.Labels) {
		if s := &j.silences[i]; reaches(s.Tenant, a.Tenant) && s.matchers.Match(a.Labels) {
			v.SilencedBy = append(v.SilencedBy, s.ID)
		}
	}
	for i := range j.windows.candidates(a.Labels) {
		if w := &j.rules.windows[i]; reaches(w.Tenant, a.Tenant) && w.matchers.Match(a.Labels) {
			v.MutedBy = append(v.MutedBy, w.Name)
		}
	}
	for i := range j.rules.targets.candidates(a.Labels) {
		if source := j.inhibitor(i, a); source != nil {
			v.InhibitedBy = append(v.InhibitedBy, source.Fingerprint)
		}
	}
	slices.Sort(v.SilencedBy)
	slices.Sort(v.MutedBy)
	slices.Sort(v.InhibitedBy)
	v.InhibitedBy = slices.Compact(v.InhibitedBy)
	return v
}

// sourceKey names the alerts that inhibit the same targets by one rule.
type sourceKey struct {
	tenant string
	equal  string // the values of the rule's equal labels
}

// inhibitors are the alerts of one key that speak for all of them: the oldest, and the oldest that is not itself a
// target, which alone inhibits what matches both sides.
type inhibitors struct{ any, oneSided *Alert }

// sources finds the alerts that inhibit by the rule.
func (r *compiledInhibit) sources(firing []Alert, now time.Time) map[sourceKey]inhibitors {
	found := map[sourceKey]inhibitors{}
	for n := range firing {
		a := &firing[n]
		if !a.Firing(now) || !r.source.Match(a.Labels) {
			continue
		}
		key := sourceKey{a.Tenant, r.equal(a.Labels)}
		known := found[key]
		known.any = older(known.any, a)
		if !r.target.Match(a.Labels) {
			known.oneSided = older(known.oneSided, a)
		}
		found[key] = known
	}
	return found
}

// inhibitor returns the alert that inhibits this one by the rule, or nil.
func (j *Judge) inhibitor(i int, a Alert) *Alert {
	rule := &j.rules.inhibit[i]
	if !rule.target.Match(a.Labels) {
		return nil
	}
	bothSides, equal := rule.source.Match(a.Labels), rule.equal(a.Labels)
	var found *Alert
	sources := j.sources[i]()
	for _, tenant := range []string{a.Tenant, ""} {
		known := sources[sourceKey{tenant, equal}]
		if bothSides {
			known.any = known.oneSided
		}
		found = older(found, known.any)
	}
	return found
}

// equal writes the alert's values of the labels that must be equal; absent ones are empty.
func (r *InhibitRule) equal(labels map[string]string) string {
	if len(r.Equal) == 1 {
		return labels[r.Equal[0]]
	}
	values := make([]string, len(r.Equal))
	for i, name := range r.Equal {
		values[i] = labels[name]
	}
	return strings.Join(values, "\xff") // which no label's value holds
}

// older returns the alert that began first, so that the answer does not depend on the order of the alerts.
func older(a, b *Alert) *Alert {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.Fingerprint, b.Fingerprint)) <= 0:
		return a
	}
	return b
}
