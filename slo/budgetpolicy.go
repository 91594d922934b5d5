package slo

import (
	"slices"
	"time"
)

// KindBudgetPolicy is the kind of documents that ReadBudgetPolicy reads.
const KindBudgetPolicy = "ErrorBudgetPolicy"

// Action is what an error-budget policy asks for a change.
type Action string

// The actions, least strict first.
const (
	Allow   Action = "allow"   // it may go
	Approve Action = "approve" // a second person must say yes
	Freeze  Action = "freeze"  // it must wait
)

var actions = []Action{Allow, Approve, Freeze}

// Valid reports whether a is one of the actions.
func (a Action) Valid() bool { return slices.Contains(actions, a) }

// StricterThan reports whether a asks for more than other.
func (a Action) StricterThan(other Action) bool {
	return slices.Index(actions, a) > slices.Index(actions, other)
}

// DefaultLinkWithin is how long before an incident a change is looked for where no policy says otherwise.
const DefaultLinkWithin = 4 * time.Hour

// BudgetPolicy says what the state of error budgets means for changes: when they wait, when a second person has to
// agree, and when an incident must be reviewed.
type BudgetPolicy struct {
	Name       string        `json:"name"`
	Services   []string      `json:"services,omitempty"` // whose changes; with none, the services of SLOs, or all
	SLOs       []string      `json:"slos,omitempty"`     // ids of the SLOs that are looked at; with none, those of the changed service
	Rules      []BudgetRule  `json:"rules,omitempty"`
	Postmortem float64       `json:"postmortem,omitempty"` // an incident that spent more than this share of the budget is to be reviewed; 0 asks for none
	Freezes    []CalendarOff `json:"freezes,omitempty"`
	Minimum    Minimum       `json:"minimum"`
	Unknown    Action        `json:"unknown"`    // where the budget says too little
	LinkWithin time.Duration `json:"linkWithin"` // how long before an incident changes are linked to it
}

// BudgetRule asks for an action under one condition. Exactly one of the conditions is set.
type BudgetRule struct {
	Below            *float64      `json:"below,omitempty"`            // the share of the budget that is left is below this; 0 is just spent
	Burn             float64       `json:"burn,omitempty"`             // the current burn rate is above this
	ExhaustionWithin time.Duration `json:"exhaustionWithin,omitempty"` // the budget will be gone within this, or is
	OpenIncident     string        `json:"openIncident,omitempty"`     // an incident this bad is open; see incidentWords
	Action           Action        `json:"action"`
	Reason           string        `json:"reason,omitempty"` // the policy's own words, for people
	Except           []string      `json:"except,omitempty"` // kinds of change that may go all the same
}

// CalendarOff is a span in which changes wait whatever the budget says, half-open.
type CalendarOff struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Zone   string    `json:"zone"` // IANA name, for showing the span as it was written
	Reason string    `json:"reason,omitempty"`
	Except []string  `json:"except,omitempty"`
}

// Minimum is what must have been seen of a window for its budget to say anything.
type Minimum struct {
	Events   float64 `json:"events,omitempty"`
	Coverage float64 `json:"coverage,omitempty"` // share of the base intervals, 0..1
}

// What an openIncident rule may name, beside a severity itself, which means that one or a worse one.
const (
	IncidentPages = "page" // one that wakes somebody: critical or error
	IncidentAny   = "any"
)

// incidentRanks orders the severities of incidents, worst first.
var incidentRanks = []string{"critical", "error", "warning", "info"}

var incidentWords = append([]string{IncidentPages, IncidentAny}, incidentRanks...)

// badEnough reports whether an incident's severity is what the rule names, or worse.
func (r BudgetRule) badEnough(severity string) bool {
	rank := slices.Index(incidentRanks, severity)
	switch r.OpenIncident {
	case IncidentAny:
		return true
	case IncidentPages:
		return rank >= 0 && rank <= slices.Index(incidentRanks, "error")
	}
	return rank >= 0 && rank <= slices.Index(incidentRanks, r.OpenIncident)
}

// Covers reports whether changes of the service fall under the policy. serviceOf gives the service of an SLO's id. A
// change of AllServices falls under every policy.
func (p BudgetPolicy) Covers(service string, serviceOf func(slo string) string) bool {
	switch {
	case service == AllServices, len(p.Services) == 0 && len(p.SLOs) == 0:
		return true
	case len(p.Services) > 0:
		return slices.Contains(p.Services, service)
	}
	return slices.ContainsFunc(p.SLOs, func(id string) bool { return serviceOf(id) == service })
}

// Judges reports whether the policy looks at the budget of this SLO when the service changes.
func (p BudgetPolicy) Judges(service string, of Status) bool {
	switch {
	case len(p.SLOs) > 0:
		return slices.Contains(p.SLOs, of.SLO)
	case service == AllServices:
		return len(p.Services) == 0 || slices.Contains(p.Services, of.Service)
	}
	return of.Service == service
}

// asksBudget reports whether any rule is about a budget, so that one that says too little matters.
func (p BudgetPolicy) asksBudget() bool {
	return slices.ContainsFunc(p.Rules, func(r BudgetRule) bool { return r.OpenIncident == "" })
}

// LinkSpan returns how long before an incident of the service changes are linked to it: the longest that a policy over
// the service names, and DefaultLinkWithin without one.
func LinkSpan(policies []BudgetPolicy, service string, serviceOf func(slo string) string) time.Duration {
	var longest time.Duration
	for _, p := range policies {
		if p.Covers(service, serviceOf) {
			longest = max(longest, p.LinkWithin)
		}
	}
	if longest == 0 {
		return DefaultLinkWithin
	}
	return longest
}

// PostmortemBound returns the policy with the lowest share over which an incident of this service and SLO must be
// reviewed; ok is false where none asks for it or the share spent is not above it. Exactly at the share is not above.
func PostmortemBound(policies []BudgetPolicy, service, sloID string, spent float64, serviceOf func(slo string) string) (by BudgetPolicy, ok bool) {
	for _, p := range policies {
		about := len(p.SLOs) == 0 || slices.Contains(p.SLOs, sloID)
		if p.Postmortem <= 0 || !about || !p.Covers(service, serviceOf) || round12(spent) <= p.Postmortem {
			continue
		}
		if !ok || p.Postmortem < by.Postmortem {
			by, ok = p, true
		}
	}
	return by, ok
}
