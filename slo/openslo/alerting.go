package openslo

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"gopkg.in/yaml.v3"
)

// targetLabel carries the names of notification targets, so that Alertmanager can route by them.
const targetLabel = "notification_target"

// pageWords are severities at which people get up at night; OpenSLO leaves the words open, and all others are tickets.
var pageWords = []string{"page", "pager", "paging", "critical", "crit", "emergency", "urgent", "high", "fatal", "disaster", "sev0", "sev1", "sev-0", "sev-1", "p0", "p1"}

// policy is an alert policy found, in whichever document it stands.
type policy struct {
	doc  manifest.Document
	at   string
	spec policySpec
}

// alerting sets what happens when the budget burns, from the alert policies, and returns the documents they stand in.
// An SLO without a policy alerts nobody, as OpenSLO has it.
func (m *maker) alerting() (uses []manifest.Document) {
	alerts := slo.Alerting{NoDataOff: true}
	var targets []string
	for i, n := range m.Spec.AlertPolicies {
		p, ok := m.policy("spec.alertPolicies."+strconv.Itoa(i), &n)
		if !ok {
			continue
		}
		if p.doc.Root != m.doc.Root {
			uses = append(uses, p.doc)
		}
		if p.spec.WhenNoData {
			alerts.NoDataOff = false
		}
		for _, t := range p.spec.Targets {
			if t.Spec != nil && t.Spec.Target == defaultTarget {
				continue
			}
			name := t.Ref
			if t.Metadata != nil {
				name = cmp.Or(name, t.Metadata.Name)
			}
			if name != "" && !slices.Contains(targets, name) {
				targets = append(targets, name)
			}
		}
		if p.spec.WhenBreaching == nil || *p.spec.WhenBreaching {
			tiers, from := m.tiers(p)
			alerts.Tiers, uses = append(alerts.Tiers, tiers...), append(uses, from...)
		}
	}
	if len(m.Spec.AlertPolicies) == 0 {
		m.note(false, m.doc, "spec.alertPolicies", "is empty, so this SLO alerts nobody; name alert policies, or convert it to nines/v1 and turn page and ticket on there")
	}
	if len(targets) > 0 {
		alerts.Labels = map[string]string{targetLabel: strings.Join(targets, ",")}
	}
	arrange(&alerts)
	m.base.Alerting = alerts
	return uses
}

// policy finds a policy that is named, referred to or written inline.
func (m *maker) policy(path string, n *yaml.Node) (policy, bool) {
	item := policyItem{Ref: n.Value}
	if n.Kind != yaml.ScalarNode {
		item = policyItem{}
		before := len(m.problems)
		for _, p := range (manifest.Document{File: m.doc.File, Line: n.Line, Root: n}).Decode(&item) {
			if p.Field != "" {
				p.Field = path + "." + p.Field
			}
			m.problems = append(m.problems, p)
		}
		if len(m.problems) > before {
			return policy{}, false
		}
	}
	switch {
	case item.Ref != "" && item.Spec != nil:
		m.refuse(m.doc, path, "has both alertPolicyRef and a policy; write one of them")
	case item.Spec != nil:
		return policy{m.doc, path + ".spec", *item.Spec}, true
	case item.Ref == "":
		m.refuse(m.doc, path, "is neither a policy nor the name of one; write alertPolicyRef")
	default:
		one, ok := m.policies[item.Ref]
		if ok {
			return policy{one.doc, "spec", one.Spec}, true
		}
		m.note(true, m.doc, path, "was read, but there is no AlertPolicy named %q among the documents; hand it over with them", clip(item.Ref))
	}
	return policy{}, false
}

// tiers makes a tier of each condition, and returns the documents they stand in.
func (m *maker) tiers(p policy) (tiers []slo.Tier, uses []manifest.Document) {
	for i, c := range p.spec.Conditions {
		doc, path := p.doc, p.at+".conditions."+strconv.Itoa(i)
		spec, name := c.Spec, c.Ref
		if c.Metadata != nil {
			name = cmp.Or(name, c.Metadata.Name)
		}
		switch one, ok := m.conditions[c.Ref]; {
		case spec != nil:
			if _, ok := m.condition(doc, path+".spec", *spec, name); !ok {
				continue
			}
		case c.Ref == "":
			m.refuse(doc, path, "is neither a condition nor the name of one; write conditionRef")
			continue
		case !ok:
			m.note(true, doc, path+".conditionRef", "was read, but there is no AlertCondition named %q among the documents; hand it over with them", clip(c.Ref))
			continue
		default:
			doc, path, spec = one.doc, "", &one.Spec
			uses = append(uses, doc)
		}
		if op := spec.Condition.Op; op == "lt" || op == "lte" {
			m.note(false, doc, strings.TrimPrefix(path+".spec.condition.op", "."), "%s alerts while the budget burns slower than the threshold, which Nines does not; the condition is left out", op)
			continue
		}
		if tier, message, _ := tierOf(*spec, name); message == "" {
			tiers = append(tiers, tier)
		}
	}
	return tiers, uses
}

// condition checks a condition and makes a tier of it.
func (r *reader) condition(d manifest.Document, at string, spec conditionSpec, name string) (slo.Tier, bool) {
	tier, message, field := tierOf(spec, name)
	if message != "" {
		r.refuse(d, at+".condition."+field, "%s", message)
	}
	return tier, message == ""
}

// tierOf makes a burn tier of a condition. The condition holds for alertAfter before anybody hears of it; burning as
// fast over that last stretch alone asks for the same, and resets as soon as it is over.
func tierOf(spec conditionSpec, name string) (t slo.Tier, message, field string) {
	c := spec.Condition
	if kind := strings.ToLower(c.Kind); kind != "" && kind != "burnrate" {
		return t, "\"" + clip(c.Kind) + "\" is not known; the one kind there is is burnrate", "kind"
	}
	if c.Op != "" && ops[c.Op] == "" {
		return t, "\"" + clip(c.Op) + "\" is not known; write gt or gte", "op"
	}
	if !(c.Threshold > 0) {
		return t, "must be a burn rate above zero, such as 14.4: how many times too fast the budget goes", "threshold"
	}
	long, ok := length(c.LookbackWindow)
	if !ok {
		return t, "\"" + clip(c.LookbackWindow) + "\" is not a duration; write such as 1h", "lookbackWindow"
	}
	short := long / 12 // the usual relation of the two windows of the SRE workbook
	if c.AlertAfter != "" && c.AlertAfter != "0m" && c.AlertAfter != "0" && c.AlertAfter != "0s" {
		if short, ok = length(c.AlertAfter); !ok {
			return t, "\"" + clip(c.AlertAfter) + "\" is not a duration; write such as 5m", "alertAfter"
		}
	}
	t = slo.Tier{Name: slug(name), Severity: "ticket", Factor: c.Threshold, Long: long, Short: short}
	if slices.Contains(pageWords, strings.ToLower(spec.Severity)) {
		t.Severity = "page"
	}
	return t, "", ""
}

// arrange puts pages first and the fastest foremost, names the tiers and turns off what has none.
func arrange(a *slo.Alerting) {
	slices.SortStableFunc(a.Tiers, func(x, y slo.Tier) int {
		return cmp.Or(cmp.Compare(x.Severity, y.Severity), cmp.Compare(x.Long, y.Long)) // page before ticket
	})
	a.PageOff, a.TicketOff = true, true
	names := map[string]bool{"": true, slo.TierNoData: true}
	for i := range a.Tiers {
		t := &a.Tiers[i]
		if names[t.Name] {
			t.Name = t.Severity + "-" + strconv.Itoa(i+1)
		}
		names[t.Name] = true
		if t.Severity == "page" {
			a.PageOff = false
		} else {
			a.TicketOff = false
		}
	}
}

// fitTiers brings the tiers' windows to whole base intervals, and drops them where they are the usual ones.
func fitTiers(s *slo.SLO) {
	interval := cmp.Or(s.Interval, slo.DefaultInterval)
	tiers := slices.Clone(s.Alerting.Tiers)
	for i := range tiers {
		t := &tiers[i]
		t.Long = max(t.Long.Round(interval), 2*interval)
		t.Short = min(max(t.Short.Round(interval), interval), t.Long-interval)
	}
	s.Alerting.Tiers = nil
	usual := slices.DeleteFunc(slices.Clone(s.Tiers()), func(t slo.Tier) bool {
		return t.Severity == "page" && s.Alerting.PageOff || t.Severity == "ticket" && s.Alerting.TicketOff
	})
	alike := func(a, b slo.Tier) bool {
		return a.Severity == b.Severity && a.Long == b.Long && a.Short == b.Short && near(a.Factor, b.Factor)
	}
	if !slices.EqualFunc(tiers, usual, alike) {
		s.Alerting.Tiers = tiers
	}
}

func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

// shorthandOf writes a duration as OpenSLO does, or "" where it has no whole minutes.
func shorthandOf(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		text string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d > 0 && d%u.unit == 0 {
			return strconv.Itoa(int(d/u.unit)) + u.text
		}
	}
	return ""
}
