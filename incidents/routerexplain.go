package incidents

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in plain words what the alert would do while it fires and nothing keeps it from paging: whether it opens
// an incident and with which others it shares one, how bad that is and why, and whom it would page by whose choice.
func (r Router) Explain(a AlertFacts) []string {
	slo, service := a.Labels["sloth_id"], serviceOf(a.Labels)
	route := r.route(a)
	if route.Drop {
		return []string{"recorded only: route " + strings.Join(route.Path, " and ") + " opens no incident for it"}
	}
	said := []string{"opens or joins the incident with group key " + r.groupKey(a, route) + windowWords(route.Window)}
	worst := severity(a, route)
	said = append(said, fmt.Sprintf("severity %s, from %s", worst, severitySource(a, route)))
	policy, by := r.policy(a, route, slo, service)
	policy.Support = r.Support[service]
	if !worst.Pages() && !policy.LowUrgency && !policy.raised() {
		return append(said, fmt.Sprintf("pages nobody, because %s does not page; only critical and error do", worst))
	}
	if by == "" {
		return append(said, "pages nobody, because no route names a defined policy, nor do the alert, its SLO and its service, "+
			"and there is no default")
	}
	said = append(said, fmt.Sprintf("pages policy %s, named by %s", policy.Name, by))
	if words := urgencyWords(policy, worst); words != "" {
		said = append(said, words)
	}
	at := time.Duration(0)
	for i, step := range policy.Steps {
		at += step.Delay
		said = append(said, fmt.Sprintf("step %d %s: %s", i+1, delayWords(at), targetWords(step.Targets)))
	}
	return said
}

func windowWords(window time.Duration) string {
	if window == 0 {
		return ", as long as that is open"
	}
	return fmt.Sprintf(", if its latest alert came at most %s before", window)
}

func severitySource(a AlertFacts, route Route) string {
	switch {
	case route.Severity.Valid():
		return "route " + strings.Join(route.Path, " and ")
	case severityOfTier[a.Labels["sloth_tier"]] != "":
		return "the burn tier " + a.Labels["sloth_tier"]
	case severityOfWord[strings.ToLower(strings.TrimSpace(a.Labels["severity"]))] != "":
		return fmt.Sprintf("the label severity=%q", a.Labels["severity"])
	case a.Labels["sloth_severity"] == "page":
		return "the label sloth_severity"
	}
	return "nothing that says it, so the middle one"
}

func delayWords(at time.Duration) string {
	if at == 0 {
		return "at once"
	}
	return fmt.Sprintf("after %s", at)
}

// targetWords names the kinds of the targets, such as "pagerduty, 2 email"; addresses are not for everyone to read.
func targetWords(targets []Target) string {
	var kinds []string
	count := map[string]int{}
	for _, t := range targets {
		for _, d := range t.destinations() {
			if count[d.provider()]++; count[d.provider()] == 1 {
				kinds = append(kinds, d.provider())
			}
		}
	}
	for i, kind := range kinds {
		if n := count[kind]; n > 1 {
			kinds[i] = fmt.Sprintf("%d %s", n, kind)
		}
	}
	return strings.Join(kinds, ", ")
}

// raised reports whether support hours make incidents of any severity page at some time.
func (p Policy) raised() bool {
	return p.Support != nil && (p.Support.Inside == HighUrgency || p.Support.Outside == HighUrgency)
}

// urgencyWords says by whose rules people are called where that is not as usual, "" where it is.
func urgencyWords(p Policy, s Severity) string {
	switch {
	case p.Support != nil:
		return fmt.Sprintf("of %s urgency within the service's support hours, of %s urgency outside",
			orBySeverity(p.Support.Inside, s), orBySeverity(p.Support.Outside, s))
	case !s.Pages():
		return "of low urgency: people are called by their rules for that"
	}
	return ""
}

func orBySeverity(u Urgency, s Severity) Urgency {
	if u != "" {
		return u
	}
	return Policy{}.Urgency(s, time.Time{})
}
