package slo

import (
	"cmp"
	"slices"
	"time"
)

// GateStatus is a promise's state as the gate looks at it.
type GateStatus struct {
	Status
	LastSeen time.Time // when anything of the SLO was last seen; zero: never
}

// OpenIncident is an incident that is not over.
type OpenIncident struct {
	Number   int64  `json:"number"`
	Title    string `json:"title"`
	Severity string `json:"severity"` // critical, error, warning or info
	Service  string `json:"service"`
	SLO      string `json:"slo,omitempty"`
}

// Verdict is what the policies say of a change at a time. It can be recorded and shown as it is.
type Verdict struct {
	Action   Action       `json:"action"`
	Headline string       `json:"headline"` // in one sentence
	At       time.Time    `json:"at"`
	Policies []string     `json:"policies"`          // those that cover the change
	Reasons  []GateReason `json:"reasons"`           // what asks for more than allow, the strictest first
	Excused  []GateReason `json:"excused,omitempty"` // what would, but for the kind of the change
	Budgets  []GateBudget `json:"budgets"`           // what was looked at: of each SLO the group with least left
	Missing  []string     `json:"missing,omitempty"` // what could not be judged, one sentence each
}

// GateReason is one rule that a figure meets.
type GateReason struct {
	Action   Action            `json:"action"`
	Policy   string            `json:"policy"`
	Rule     string            `json:"rule"` // as written, such as "below: 0.25"
	SLO      string            `json:"slo,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Figure   string            `json:"figure"` // for people, such as "12.0 % left"
	Bound    string            `json:"bound"`  // for people, such as "25 %"
	Value    *float64          `json:"value"`  // the figure for programs: share left, burn rate, hours left, events or share seen; null where there is none
	Groups   int               `json:"groups"` // values of the budget's labels that meet the rule; this is the worst of them
	Incident int64             `json:"incident,omitempty"`
	Until    *time.Time        `json:"until,omitempty"` // end of a calendar freeze
	Text     string            `json:"text"`            // a sentence with the figure, the bound, over what and how much of it was seen
	Words    string            `json:"words,omitempty"` // the policy's own
}

// GateBudget is one budget that was looked at.
type GateBudget struct {
	SLO       string            `json:"slo"`
	Labels    map[string]string `json:"labels,omitempty"`
	Groups    int               `json:"groups"`    // values of the budget's labels
	Remaining float64           `json:"remaining"` // share of the budget left
	Burn      float64           `json:"burn"`
	Exhausted *time.Time        `json:"exhausted"` // null: not within the window
	Coverage  float64           `json:"coverage"`
	Events    float64           `json:"events"`
	From      time.Time         `json:"from"`
	Known     bool              `json:"known"` // enough was seen for the policies to go by it
}

// gateSilence is how long nothing of an SLO may have been seen before its budget says too little: well beyond the time
// that a bucket takes to close.
const gateSilence = 15 * time.Minute

// Decide says what the policies ask for a change at now. The strictest rule of any policy wins; in an SLO with a budget
// for each tenant the worst one decides. Statuses and incidents of other services may be among the arguments; policies
// say which of them count. Without a policy over the service everything is allowed, which Missing says.
func Decide(policies []BudgetPolicy, statuses []GateStatus, open []OpenIncident, change Change, now time.Time) Verdict {
	j := judgement{change: change, statuses: statuses, open: open, now: now.UTC(), services: map[string]string{}, looked: map[string]bool{}}
	j.verdict = Verdict{Action: Allow, At: now.UTC(), Policies: []string{}, Reasons: []GateReason{}, Budgets: []GateBudget{}}
	for _, st := range statuses {
		j.services[st.SLO] = st.Service
	}
	for _, p := range policies {
		if p.Covers(change.Service, j.serviceOf) {
			j.judge(p)
		}
	}
	return j.close()
}

// judgement is a Verdict under way.
type judgement struct {
	change   Change
	statuses []GateStatus
	open     []OpenIncident
	now      time.Time
	services map[string]string // of SLOs
	looked   map[string]bool   // SLOs in Budgets
	verdict  Verdict
}

func (j *judgement) serviceOf(id string) string { return j.services[id] }

// judge adds what one policy says.
func (j *judgement) judge(p BudgetPolicy) {
	j.verdict.Policies = append(j.verdict.Policies, p.Name)
	for _, f := range p.Freezes {
		if !j.now.Before(f.From) && j.now.Before(f.To) {
			j.add(calendarReason(p, f), f.Except)
		}
	}
	mine := slices.DeleteFunc(slices.Clone(j.statuses), func(st GateStatus) bool { return !p.Judges(j.change.Service, st.Status) })
	var known []GateStatus
	for _, group := range bySLO(mine) {
		good, little := p.split(group, j.now)
		known = append(known, good...)
		j.look(group, len(little) == 0)
		if len(little) > 0 && p.asksBudget() {
			j.unknown(p, little)
		}
	}
	if len(mine) == 0 && p.asksBudget() {
		j.add(noBudget(p, j.change), nil)
	}
	for _, r := range p.Rules {
		if r.OpenIncident != "" {
			j.incidents(p, r, mine)
			continue
		}
		for _, group := range bySLO(known) {
			if reason, met := r.meets(p, group, j.now); met {
				j.add(reason, r.Except)
			}
		}
	}
}

// bySLO divides statuses by SLO, keeping their order.
func bySLO(statuses []GateStatus) [][]GateStatus {
	var out [][]GateStatus
	at := map[string]int{}
	for _, st := range statuses {
		n, seen := at[st.SLO]
		if !seen {
			n = len(out)
			at[st.SLO], out = n, append(out, nil)
		}
		out[n] = append(out[n], st)
	}
	return out
}

// split tells the groups of one SLO whose budget can be gone by from those of which too little was seen.
func (p BudgetPolicy) split(group []GateStatus, now time.Time) (known, little []GateStatus) {
	for _, st := range group {
		if p.tooLittle(st, now) == "" {
			known = append(known, st)
		} else {
			little = append(little, st)
		}
	}
	return known, little
}

// unknown adds what the policy asks where a budget says too little. Where it asks nothing, that too little was seen
// is said all the same.
func (j *judgement) unknown(p BudgetPolicy, little []GateStatus) {
	worst := slices.MinFunc(little, func(a, b GateStatus) int { return cmp.Compare(a.Counts.Total, b.Counts.Total) })
	reason := littleReason(p, worst, len(little), j.now)
	if p.Unknown == Allow {
		j.verdict.Missing = append(j.verdict.Missing, reason.Text)
		return
	}
	j.add(reason, nil)
}

// add takes a reason, unless the change is of a kind that may go anyway. A rule that asks for nothing is none.
func (j *judgement) add(r GateReason, except []string) {
	switch {
	case slices.Contains(except, j.change.Kind):
		j.verdict.Excused = append(j.verdict.Excused, r)
	case r.Action == Allow:
		j.verdict.Missing = append(j.verdict.Missing, r.Text)
	default:
		j.verdict.Reasons = append(j.verdict.Reasons, r)
		if r.Action.StricterThan(j.verdict.Action) {
			j.verdict.Action = r.Action
		}
	}
}

// incidents adds the worst open incident that the rule names: one of the changed service, or of an SLO looked at.
func (j *judgement) incidents(p BudgetPolicy, r BudgetRule, mine []GateStatus) {
	var met []OpenIncident
	for _, i := range j.open {
		about := i.Service == j.change.Service || j.change.Service == AllServices ||
			slices.ContainsFunc(mine, func(st GateStatus) bool { return st.SLO == i.SLO })
		if about && r.badEnough(i.Severity) {
			met = append(met, i)
		}
	}
	if len(met) == 0 {
		return
	}
	worst := slices.MinFunc(met, func(a, b OpenIncident) int {
		rank := func(i OpenIncident) int { return slices.Index(incidentRanks, i.Severity) }
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Number, b.Number))
	})
	j.add(incidentReason(p, r, worst, len(met)), r.Except)
}

// look notes the budget with least left of one SLO, once however many policies look at it. What one policy finds too
// little is not known.
func (j *judgement) look(group []GateStatus, known bool) {
	worst := slices.MinFunc(group, func(a, b GateStatus) int { return cmp.Compare(a.Remaining, b.Remaining) })
	if j.looked[worst.SLO] {
		at := slices.IndexFunc(j.verdict.Budgets, func(b GateBudget) bool { return b.SLO == worst.SLO })
		j.verdict.Budgets[at].Known = j.verdict.Budgets[at].Known && known
		return
	}
	j.looked[worst.SLO] = true
	b := GateBudget{SLO: worst.SLO, Labels: worst.Labels, Groups: len(group), Remaining: worst.Remaining, Burn: worst.Burn,
		Coverage: worst.Coverage, Events: worst.Counts.Total, From: worst.From, Known: known}
	if !worst.Exhausted.IsZero() {
		b.Exhausted = &worst.Exhausted
	}
	j.verdict.Budgets = append(j.verdict.Budgets, b)
}

func (j *judgement) close() Verdict {
	v := j.verdict
	slices.SortStableFunc(v.Reasons, func(a, b GateReason) int {
		return cmp.Compare(slices.Index(actions, b.Action), slices.Index(actions, a.Action))
	})
	if len(v.Policies) == 0 {
		v.Missing = append(v.Missing, "No error-budget policy covers "+serviceWords(j.change.Service)+", so nothing was held against it.")
	}
	v.Headline = verdictHeadline(v, j.change)
	return v
}

// meets finds the groups of one SLO that meet a rule about budgets, and the worst of them.
func (r BudgetRule) meets(p BudgetPolicy, group []GateStatus, now time.Time) (GateReason, bool) {
	met := slices.DeleteFunc(slices.Clone(group), func(st GateStatus) bool { return !r.met(st.Status, now) })
	if len(met) == 0 {
		return GateReason{}, false
	}
	worst := slices.MinFunc(met, func(a, b GateStatus) int {
		switch {
		case r.Below != nil:
			return cmp.Compare(a.Remaining, b.Remaining)
		case r.Burn > 0:
			return cmp.Compare(b.Burn, a.Burn)
		}
		return a.Exhausted.Compare(b.Exhausted)
	})
	return budgetReason(p, r, worst, len(met), now), true
}

// met reports whether one budget meets the rule. Exactly at a bound nothing is below or above it.
func (r BudgetRule) met(st Status, now time.Time) bool {
	switch {
	case r.Below != nil:
		return round12(st.Remaining) < *r.Below
	case r.Burn > 0:
		return round12(st.Burn) > r.Burn
	case r.ExhaustionWithin > 0:
		return !st.Exhausted.IsZero() && st.Exhausted.Sub(now) < r.ExhaustionWithin
	}
	return false
}
