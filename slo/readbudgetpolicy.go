package slo

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/manifest"
)

// budgetPolicySpec is the spec of a nines/v1 ErrorBudgetPolicy as written.
type budgetPolicySpec struct {
	Services   []string         `yaml:"services"`
	SLOs       []string         `yaml:"slos"`
	Rules      []budgetRuleSpec `yaml:"rules"`
	Postmortem *struct {
		Share *float64 `yaml:"share"`
	} `yaml:"postmortem"`
	Freezes []calendarOffSpec `yaml:"freezes"`
	Minimum struct {
		Events   float64 `yaml:"events"`
		Coverage float64 `yaml:"coverage"`
	} `yaml:"minimum"`
	Unknown    string             `yaml:"unknown"`
	LinkWithin *manifest.Duration `yaml:"linkWithin"`
}

type budgetRuleSpec struct {
	Below            *float64           `yaml:"below"`
	Burn             *float64           `yaml:"burn"`
	ExhaustionWithin *manifest.Duration `yaml:"exhaustionWithin"`
	OpenIncident     *string            `yaml:"openIncident"`
	Action           string             `yaml:"action"`
	Reason           string             `yaml:"reason"`
	Except           []string           `yaml:"except"`
}

type calendarOffSpec struct {
	From   string   `yaml:"from"`
	To     string   `yaml:"to"`
	Zone   string   `yaml:"zone"`
	Reason string   `yaml:"reason"`
	Except []string `yaml:"except"`
}

const (
	maxLinkWithin   = 24 * time.Hour // links are looked for among a day's incidents
	maxPolicyReason = 500            // characters
	maxExcept       = 20
)

// ReadBudgetPolicy reads a nines/v1 document of kind ErrorBudgetPolicy. Every problem is told at once, with its line.
// Whether the services and SLOs it names exist is for the caller, who knows them all.
func ReadBudgetPolicy(d manifest.Document) (BudgetPolicy, manifest.Problems) {
	c := &checker{doc: d}
	if !c.expect(KindBudgetPolicy) {
		return BudgetPolicy{}, c.problems
	}
	var spec budgetPolicySpec
	c.problems = append(c.problems, d.DecodeSpec(&spec)...)
	p := BudgetPolicy{Name: d.Metadata.Name, Services: spec.Services, SLOs: spec.SLOs, Minimum: Minimum(spec.Minimum),
		Unknown: Action(cmp.Or(spec.Unknown, string(Approve))), LinkWithin: DefaultLinkWithin}
	c.once("spec.services", spec.Services)
	c.once("spec.slos", spec.SLOs)
	for i, r := range spec.Rules {
		p.Rules = append(p.Rules, c.budgetRule(fmt.Sprintf("spec.rules.%d", i), r))
	}
	for i, f := range spec.Freezes {
		p.Freezes = append(p.Freezes, c.calendarOff(fmt.Sprintf("spec.freezes.%d", i), f))
	}
	if spec.Postmortem != nil {
		p.Postmortem = c.postmortem(spec.Postmortem.Share)
	}
	if spec.LinkWithin != nil {
		p.LinkWithin = spec.LinkWithin.Std()
	}
	c.policyBounds(p)
	if len(spec.Rules) == 0 && len(spec.Freezes) == 0 && spec.Postmortem == nil {
		c.refuse("spec", "asks for nothing; write rules, freezes or postmortem")
	}
	return p, c.problems
}

func (c *checker) once(path string, names []string) {
	for i, name := range names {
		at := fmt.Sprintf("%s.%d", path, i)
		switch {
		case strings.TrimSpace(name) == "":
			c.refuse(at, "is empty")
		case slices.Contains(names[:i], name):
			c.refuse(at, "%q stands twice", clip(name))
		}
	}
}

func (c *checker) policyBounds(p BudgetPolicy) {
	if m := p.Minimum; !(m.Events >= 0) || math.IsInf(m.Events, 1) {
		c.refuse("spec.minimum.events", "%v is not a number of events; write such as 1000, or 0 for none", m.Events)
	}
	if m := p.Minimum; !(m.Coverage >= 0 && m.Coverage <= 1) {
		c.refuse("spec.minimum.coverage", "%v is not a share; write something from 0 to 1, such as 0.5 for half of the window", m.Coverage)
	}
	if !p.Unknown.Valid() {
		c.refuse("spec.unknown", "%q is not an action; write allow, approve or freeze", clip(string(p.Unknown)))
	}
	if p.LinkWithin <= 0 || p.LinkWithin > maxLinkWithin {
		c.refuse("spec.linkWithin", "%s is out of range; write at most 24h, such as 4h", promDuration(p.LinkWithin))
	}
}

func (c *checker) postmortem(share *float64) float64 {
	switch {
	case share == nil:
		c.refuse("spec.postmortem.share", "is missing; write the share of the budget, such as 0.2 for a fifth")
		return 0
	case !(*share > 0) || math.IsInf(*share, 1):
		c.refuse("spec.postmortem.share", "%v is not a share above 0; write such as 0.2 for a fifth of the budget", *share)
	case *share > 1:
		c.refuse("spec.postmortem.share", "%v is more than the whole budget; it is a share, so write %v if you mean %v per cent", *share, round12(*share/100), *share)
	}
	return *share
}

// budgetRule reads a rule: exactly one condition, and an action that does something.
func (c *checker) budgetRule(path string, s budgetRuleSpec) BudgetRule {
	r := BudgetRule{Below: s.Below, Action: Action(s.Action), Reason: s.Reason, Except: s.Except}
	conditions := 0
	for _, set := range []bool{s.Below != nil, s.Burn != nil, s.ExhaustionWithin != nil, s.OpenIncident != nil} {
		if set {
			conditions++
		}
	}
	if conditions != 1 {
		c.refuse(path, "has %d conditions; write exactly one of below, burn, exhaustionWithin and openIncident, and a rule more for another", conditions)
	}
	if s.Below != nil {
		c.below(path+".below", *s.Below)
	}
	if s.Burn != nil {
		if r.Burn = *s.Burn; !(r.Burn > 0) || math.IsInf(r.Burn, 1) {
			c.refuse(path+".burn", "%v is not a burn rate above 0; 1 spends the budget exactly, 6 six times too fast", r.Burn)
		}
	}
	if s.ExhaustionWithin != nil {
		if r.ExhaustionWithin = s.ExhaustionWithin.Std(); r.ExhaustionWithin <= 0 || r.ExhaustionWithin > maxWindow {
			c.refuse(path+".exhaustionWithin", "%s is out of range; write such as 48h", promDuration(r.ExhaustionWithin))
		}
	}
	if s.OpenIncident != nil {
		if r.OpenIncident = *s.OpenIncident; !slices.Contains(incidentWords, r.OpenIncident) {
			c.refuse(path+".openIncident", "%q is not known; write one of %s", clip(r.OpenIncident), strings.Join(incidentWords, ", "))
		}
	}
	switch {
	case s.Action == "":
		c.refuse(path+".action", "is missing; write approve or freeze")
	case r.Action == Allow:
		c.refuse(path+".action", "allow does nothing, since the strictest rule decides; name kinds of change under except of the stricter rules instead")
	case !r.Action.Valid():
		c.refuse(path+".action", "%q is not an action; write approve or freeze", clip(s.Action))
	}
	c.reasonAndExcept(path, s.Reason, s.Except)
	return r
}

func (c *checker) below(path string, share float64) {
	switch {
	case math.IsNaN(share) || math.IsInf(share, 0):
		c.refuse(path, "%v is not a share of the budget; write such as 0.25 for a quarter", share)
	case share > 1:
		c.refuse(path, "%v is more than the whole budget; it is a share, so write %v if you mean %v per cent", share, round12(share/100), share)
	}
}

var changeKind = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func (c *checker) reasonAndExcept(path, reason string, except []string) {
	if n := utf8.RuneCountInString(reason); n > maxPolicyReason {
		c.refuse(path+".reason", "has %d characters; the most is %d", n, maxPolicyReason)
	}
	if len(except) > maxExcept {
		c.refuse(path+".except", "has %d kinds; the most is %d", len(except), maxExcept)
		return
	}
	for i, kind := range except {
		if !changeKind.MatchString(kind) {
			c.refuse(fmt.Sprintf("%s.except.%d", path, i), "%q is not a kind of change; write a lower-case word such as rollback, security or fix", clip(kind))
		}
	}
}

func (c *checker) calendarOff(path string, s calendarOffSpec) CalendarOff {
	zone := cmp.Or(s.Zone, "UTC")
	c.zone(path+".zone", zone)
	c.reasonAndExcept(path, s.Reason, s.Except)
	f := CalendarOff{From: c.wallClock(path+".from", s.From, zone), To: c.wallClock(path+".to", s.To, zone), Zone: zone, Reason: s.Reason, Except: s.Except}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		c.refuse(path+".to", "%q is not after from (%q)", clip(s.To), clip(s.From))
	}
	return f
}

// wallClock reads a time on the zone's clocks; the zero time is one that was refused.
func (c *checker) wallClock(path, text, zone string) time.Time {
	at, ok := parseStart(text)
	switch {
	case text == "":
		c.refuse(path, "is missing; write a time on the zone's clock, such as \"2026-12-20T00:00\"")
	case !ok:
		c.refuse(path, "%q is not a time on the zone's clock; write such as \"2026-12-20T00:00\"", clip(text))
	default:
		loc, _ := location(zone)
		return at.first(loc)
	}
	return time.Time{}
}
