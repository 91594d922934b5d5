package alerting

import "slices"

// Inhibits reports whether some rule has the alert among those that keep others from paging.
func (r Rules) Inhibits(a Alert) bool {
	return slices.ContainsFunc(r.ready().inhibit, func(rule compiledInhibit) bool { return rule.source.Match(a.Labels) })
}

// Inhibitable reports whether some rule has the alert among those that others may keep from paging.
func (r Rules) Inhibitable(a Alert) bool {
	c := r.ready()
	for i := range c.targets.candidates(a.Labels) {
		if c.inhibit[i].target.Match(a.Labels) {
			return true
		}
	}
	return false
}

// InhibitorLabels returns, for each rule, labels that all of its sources have, with their values. Who looks for sources
// among many alerts need only look among those that have all labels of some rule.
func (r Rules) InhibitorLabels() []map[string]string {
	all := make([]map[string]string, 0, len(r.Inhibit))
	for _, rule := range r.Inhibit {
		required := map[string]string{}
		for _, m := range rule.Source {
			if _, again := required[m.Name]; m.IsEqual && !m.IsRegex && m.Value != "" && !again {
				required[m.Name] = m.Value
			}
		}
		all = append(all, required)
	}
	return all
}

func (r Rules) ready() *compiledRules {
	if r.compiled != nil {
		return r.compiled
	}
	return compileRules(r)
}
