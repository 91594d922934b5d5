// Package promtest writes promtool unit tests of SLOs' rules, with input series made from the SLOs' own selectors and
// expectations computed from the definition, and runs them. It leaves out what no series can be made up for, and says so.
package promtest

import (
	"bytes"
	"fmt"

	"github.com/nines-sre/nines/slo"
)

// The checks, in the order in which they are shown.
const (
	CheckHealthy  = "healthy"  // a service that is well has no alert, not even a pending one
	CheckRecorded = "recorded" // the recorded error ratio is the one that the events give
	CheckWaits    = "waits"    // the first page tier does not fire before the computed time
	CheckOutage   = "outage"   // a total outage fires the first page tier, with its labels, by the computed time
	CheckHeal     = "heal"     // no page is left once the outage is over for the computed time
	CheckIdle     = "idle"     // no traffic has no alert
	CheckNoData   = "no-data"  // lost targets fire the no-data alert, and no page about the budget
)

// Check is one expectation. A check that is left out has no expression.
type Check struct {
	SLO     string  `json:"slo"`
	Name    string  `json:"check"`
	Means   string  `json:"means"`             // in words, for people
	LeftOut string  `json:"leftOut,omitempty"` // why there is no such check
	Expr    string  `json:"expr,omitempty"`    // PromQL whose only sample must be Want
	Seconds float64 `json:"atSeconds,omitempty"`
	Want    float64 `json:"want"`
}

// id marks the check's expression, so that it is found in what promtool prints.
func (c Check) id() string { return c.SLO + "/" + c.Name }

// Suite is the rule file of one SLO with its further objectives, and the unit test of it.
type Suite struct {
	SLO    string // its id
	Rules  []byte // YAML, as Prometheus loads it
	Unit   []byte // YAML, as promtool test rules reads it; nil where every check is left out
	Checks []Check
}

// RuleFile and UnitFile are the files' names; the unit test refers to the rules by theirs.
func (s Suite) RuleFile() string { return s.SLO + ".rules.yaml" }
func (s Suite) UnitFile() string { return s.SLO + ".test.yaml" }

// Of writes the rules of an SLO and the unit test of them. The error is fault.Invalid where the SLO has no rules.
func Of(s slo.SLO, o slo.RuleOptions) (Suite, error) {
	s = s.Defaulted()
	out := Suite{SLO: s.ID}
	var rules bytes.Buffer
	if err := slo.WriteRules(&rules, []slo.SLO{s}, o); err != nil {
		return Suite{}, err
	}
	out.Rules = rules.Bytes()
	w, reason := worldOf(s)
	var groups []testGroup
	for _, one := range s.All() {
		p := plan{slo: one, world: w}
		if reason != "" {
			p.leaveAllOut(reason)
		} else {
			p.scenarios()
		}
		out.Checks, groups = append(out.Checks, p.checks...), append(groups, p.groups...)
	}
	if len(groups) == 0 {
		return out, nil
	}
	var err error
	out.Unit, err = unitFile{Rules: []string{out.RuleFile()}, Every: seconds(s.Interval), Tests: groups}.text()
	if err != nil {
		return Suite{}, fmt.Errorf("SLO %s: writing its unit test: %w", s.ID, err)
	}
	return out, nil
}
