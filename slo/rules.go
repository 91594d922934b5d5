package slo

import (
	"cmp"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// RuleGroups is every rule of one SLO. Groups of one SLO may run at the same time; rules of a group run in order.
type RuleGroups struct {
	SLO    string // its id
	Groups []RuleGroup
}

// RuleGroup is a group as Prometheus loads it.
type RuleGroup struct {
	Name     string
	Interval time.Duration
	Limit    int // series and alerts that one rule of it may make; 0 is any number
	Rules    []Rule
}

// Rule is a recording rule (Record) or an alerting rule (Alert).
type Rule struct {
	Record, Alert       string
	Expr                string
	For                 time.Duration
	KeepFiringFor       time.Duration // Prometheus 2.42 and later
	Labels, Annotations map[string]string
}

// RuleOptions is what rules take from the installation.
type RuleOptions struct {
	// RunbookURL returns where the SLO's runbook is to be read; nil or "" leaves the annotation out. Where the
	// definition's runbook is a URL itself, that is used instead.
	RunbookURL func(s SLO) string
	// NoDataURL is where the runbook for lost targets is to be read; "" means the SLO's own.
	NoDataURL string
	// NoRecordings and NoAlerts leave out the rules of that kind, and groups that have none then.
	NoRecordings, NoAlerts bool
}

// Rules returns the SLO's recording and alerting rules, with Sloth's metric and group names:
//
//   - sloth-slo-sli-recordings-<id>, at the base interval: the exact increments, what of them counts (maintenance left
//     out), error ratios up to six hours, and the page alerts, in that order. A group's rules see the samples that
//     earlier rules of the same evaluation wrote, so alerting in the same group saves up to one interval. The further
//     objectives' rules stand there too: they share the increments.
//   - sloth-slo-sli-recordings-long-<id>, every five minutes: sums of five minutes, and from them the error ratios of a
//     day, three days and the period; periods beyond 35 days in a group -period-<id> of their own, every half an hour.
//   - sloth-slo-meta-recordings-<id>, every minute: objective, budget, burn rates, what is left, sloth_slo_info.
//   - sloth-slo-alerts-<id>, every minute: the ticket alerts.
//
// The error is fault.Invalid where the SLI cannot be counted, which ReadSLO would have said. An SLO that All made of a
// further objective has no rules of its own.
func (s SLO) Rules() (RuleGroups, error) { return s.RulesWith(RuleOptions{}) }

// RulesWith is Rules with the installation's options.
func (s SLO) RulesWith(o RuleOptions) (RuleGroups, error) {
	kept := &keptRules{}
	if err := s.writeRules(kept, o, &draft{}); err != nil {
		return RuleGroups{}, err
	}
	return RuleGroups{SLO: s.ID, Groups: kept.groups}, nil
}

// writeRules makes the rules one after the other. The draft is scratch space.
func (s SLO) writeRules(to ruleSink, o RuleOptions, d *draft) error {
	if s.Of != "" {
		return nil
	}
	to = o.leaveOut(to)
	s = s.withDefaults()
	if !s.Objective.Valid() || s.Objective.Budget() <= 0 {
		return fault.New(fault.Invalid, "SLO %s: objective %v is not strictly between 0 and 100", s.ID, float64(s.Objective))
	}
	c, issues := s.count(false)
	if len(issues) > 0 {
		return fault.New(fault.Invalid, "SLO %s: %s: %s", s.ID, issues[0].field, issues[0].message)
	}
	ws := make([]ruleWriter, 0, 1+len(s.Objectives))
	for _, one := range s.All() {
		ws = append(ws, newRuleWriter(one, c, o, to, d))
	}
	to.group("sloth-slo-sli-recordings-"+s.ID, s.Interval, cmp.Or(s.MaxGroups, DefaultMaxGroups))
	ws[0].increments()
	if len(ws) == 1 {
		ws[0].rest()
		return nil
	}
	for i := range ws {
		if i > 0 {
			ws[i].sharedIncrements()
		}
		ws[i].fast()
	}
	for i := range ws {
		ws[i].slow()
	}
	return nil
}
