package intelligence

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// RiskState is how a promise is doing, in one word.
type RiskState string

// The states, worst first. Not knowing is a risk too.
const (
	Exhausted RiskState = "exhausted" // the error budget is spent
	Burning   RiskState = "burning"   // it will be within the window, or an incident is open
	Unknown   RiskState = "unknown"   // too little was seen to tell
	Fine      RiskState = "fine"
)

var riskStates = []RiskState{Exhausted, Burning, Unknown, Fine}

// Level is how all of it is doing.
type Level string

// The levels, best first.
const (
	Calm      Level = "calm"    // every promise is kept and nothing burns
	NotKnown  Level = "unknown" // nothing burns as far as one can see, but not everything can be seen
	AtRisk    Level = "risk"    // a promise will be broken at this speed, or an incident is open
	Overspent Level = "broken"  // an error budget is spent
)

// Posture answers which promises are at risk now, why, and who is on it.
type Posture struct {
	At       time.Time     `json:"at"`
	Headline string        `json:"headline"` // all of it in one sentence or two
	Level    Level         `json:"level"`
	Tally    Tally         `json:"tally"`
	Promises []PromiseRisk `json:"promises"` // every promise in scope, those at most risk first
	Others   []Involved    `json:"others"`   // open incidents about none of the promises
	Missing  []string      `json:"missing"`  // what could not be asked, one sentence each
}

// Tally counts promises by state.
type Tally struct {
	Promises  int `json:"promises"`
	Exhausted int `json:"exhausted"`
	Burning   int `json:"burning"`
	Unknown   int `json:"unknown"`
	Fine      int `json:"fine"`
}

// PromiseRisk is one promise: how it stands, in which state that is, and why. The Standing is the evidence: its
// window, counts, coverage and age.
type PromiseRisk struct {
	Standing
	State     RiskState  `json:"state"`
	Reason    string     `json:"reason"` // a sentence with the numbers
	Incidents []Involved `json:"incidents"`
}

// AtRisk reports whether somebody should look at it now.
func (p PromiseRisk) AtRisk() bool { return p.State == Exhausted || p.State == Burning }

// Involved is an open incident and who is on it. A tenant is not told the names of the operator's people.
type Involved struct {
	ID             string             `json:"id"`
	Number         int64              `json:"number"`
	Title          string             `json:"title"`
	Severity       incidents.Severity `json:"severity"`
	State          incidents.State    `json:"state"`
	OpenedAt       time.Time          `json:"openedAt"`
	AcknowledgedBy string             `json:"acknowledgedBy"` // "" where nobody has, or where that is not for the asker
	Who            string             `json:"who"`            // who is on it or is being paged, as half a sentence
}

// minCoverage is the share of the base intervals since the first that must have been seen for a promise to be known.
const minCoverage = 0.9

// silence is how long nothing of an SLO may be seen before it cannot be judged any more. It is well beyond a bucket's
// width and the time a bucket takes to close.
const silence = 15 * time.Minute

// mostIncidents is how many open incidents are looked at.
const mostIncidents = 500

// Posture says which promises in scope are at risk now, why, and who is on it. Where something could not be asked, the
// rest is answered and Missing says so; only a ledger that does not answer is an error.
func (s *Service) Posture(ctx context.Context, scope access.Scope) (Posture, error) {
	return ask(ctx, s, Query, "posture", func(ctx context.Context) (Posture, error) {
		answer, err := s.statusesIn(ctx, scope, StatusFilter{})
		if err != nil {
			return Posture{}, err
		}
		open, err := s.Incidents.Incidents(ctx, scope, incidents.Filter{
			States: []incidents.State{incidents.Triggered, incidents.Acknowledged}, Limit: mostIncidents})
		if err != nil {
			if ctx.Err() != nil {
				return Posture{}, err
			}
			s.Log.WarnContext(ctx, "the posture lacks open incidents", "error", err)
			answer.Missing = append(answer.Missing, "Open incidents could not be read.")
		}
		return postureOf(answer, open, scope), nil
	})
}

func postureOf(answer StatusAnswer, open []incidents.Incident, scope access.Scope) Posture {
	p := Posture{At: answer.At, Promises: []PromiseRisk{}, Others: []Involved{}, Missing: answer.Missing}
	known := map[string]bool{}
	for _, st := range answer.Statuses {
		risk := PromiseRisk{Standing: st, Incidents: []Involved{}}
		for _, i := range open {
			if concerns(i, st.Status) && scope.Allows(i.Tenant) {
				known[i.ID] = true
				risk.Incidents = append(risk.Incidents, involvedIn(i, scope, answer.At))
			}
		}
		slices.SortStableFunc(risk.Incidents, worstFirst)
		risk.State = stateOf(risk, answer.At)
		risk.Reason = reasonOf(risk, answer.At)
		p.Promises = append(p.Promises, risk)
		p.Tally.add(risk.State)
	}
	for _, i := range open {
		if !known[i.ID] && scope.Allows(i.Tenant) {
			p.Others = append(p.Others, involvedIn(i, scope, answer.At))
		}
	}
	slices.SortStableFunc(p.Others, worstFirst)
	slices.SortStableFunc(p.Promises, riskiestFirst)
	p.Level = levelOf(p)
	p.Headline = headlineOf(p)
	return p
}

func (t *Tally) add(s RiskState) {
	t.Promises++
	switch s {
	case Exhausted:
		t.Exhausted++
	case Burning:
		t.Burning++
	case Unknown:
		t.Unknown++
	default:
		t.Fine++
	}
}

// concerns reports whether the incident is about the promise: the same SLO, and none of its labels says otherwise.
func concerns(i incidents.Incident, st slo.Status) bool {
	if i.SLO == "" || i.SLO != st.SLO {
		return false
	}
	for name, value := range st.Labels {
		of := i.Labels[name]
		if name == "tenant" {
			of = cmp.Or(i.Tenant, of)
		}
		if of != "" && of != value {
			return false
		}
	}
	return true
}

func stateOf(p PromiseRisk, now time.Time) RiskState {
	switch {
	case p.Traffic && p.Remaining <= 0:
		return Exhausted
	case len(p.Incidents) > 0, p.Burn > 1 && !p.Exhausted.IsZero():
		return Burning
	case p.FirstSeen.IsZero(), p.Coverage < minCoverage, now.Sub(p.LastSeen) > silence && !p.Excluded:
		return Unknown
	}
	return Fine
}

// riskiestFirst orders by state, then by what is gone soonest, then by what is left.
func riskiestFirst(a, b PromiseRisk) int {
	rank := func(p PromiseRisk) int { return slices.Index(riskStates, p.State) }
	soon := func(p PromiseRisk) int64 {
		if p.State != Burning || p.Exhausted.IsZero() {
			return int64(^uint64(0) >> 1)
		}
		return p.Exhausted.Unix()
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(soon(a), soon(b)), cmp.Compare(a.Remaining, b.Remaining),
		cmp.Compare(a.SLO, b.SLO), cmp.Compare(whose(a.Labels), whose(b.Labels)))
}

func worstFirst(a, b Involved) int {
	switch {
	case a.Severity.WorseThan(b.Severity):
		return -1
	case b.Severity.WorseThan(a.Severity):
		return 1
	}
	return cmp.Compare(a.Number, b.Number)
}

func levelOf(p Posture) Level {
	switch t := p.Tally; {
	case t.Exhausted > 0:
		return Overspent
	case t.Burning > 0 || len(p.Others) > 0:
		return AtRisk
	case t.Unknown > 0 || len(p.Missing) > 0:
		return NotKnown
	}
	return Calm
}

func involvedIn(i incidents.Incident, scope access.Scope, now time.Time) Involved {
	v := Involved{ID: i.ID, Number: i.Number, Title: i.Title, Severity: i.Severity, State: i.State, OpenedAt: i.OpenedAt}
	if !scope.IsOperator() {
		v.Who = "our engineers have been told"
		if i.State == incidents.Acknowledged {
			v.Who = "our engineers are on it"
		}
		return v
	}
	v.AcknowledgedBy, v.Who = i.AcknowledgedBy, whoIsOn(i, now)
	return v
}
