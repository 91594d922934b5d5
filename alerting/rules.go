package alerting

import (
	"cmp"
	"slices"
)

// Rules are the definitions that decide about alerts besides silences. The zero value keeps nothing from paging and
// routes nothing.
type Rules struct {
	Inhibit     []InhibitRule
	Maintenance []MaintenanceWindow
	Routes      []AlertRoute
	compiled    *compiledRules
}

// Compiled returns the rules in their order, ready for many judges: whoever keeps rules for long calls it once, and
// NewJudge need not compile their expressions again.
func (r Rules) Compiled() Rules {
	r.Inhibit, r.Maintenance = slices.Clone(r.Inhibit), slices.Clone(r.Maintenance)
	slices.SortFunc(r.Inhibit, func(a, b InhibitRule) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Maintenance, func(a, b MaintenanceWindow) int { return cmp.Compare(a.Name, b.Name) })
	r.compiled = compileRules(r)
	return r
}

// Verdict says what keeps an alert from paging; all empty where nothing does.
type Verdict struct {
	SilencedBy  []string `json:"silencedBy"`  // ids of silences
	InhibitedBy []string `json:"inhibitedBy"` // fingerprints of the alerts that explain it
	MutedBy     []string `json:"mutedBy"`     // names of maintenance windows
}

// Suppressed reports whether something keeps the alert from paging.
func (v Verdict) Suppressed() bool {
	return len(v.SilencedBy) > 0 || len(v.InhibitedBy) > 0 || len(v.MutedBy) > 0
}
