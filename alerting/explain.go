package alerting

import (
	"fmt"
	"strings"
	"time"
)

// Finding is one step of an explanation: what was looked at, whether it applies to the alert, and why, in plain words.
type Finding struct {
	Step    string `json:"step"`    // one of the steps below
	Name    string `json:"name"`    // the silence's id, or the name of the rule, window or route
	Applies bool   `json:"applies"` // whether it says something about the alert
	Text    string `json:"text"`
}

// The steps of an explanation, in their order.
const (
	StepSilence     = "silence"
	StepInhibition  = "inhibition"
	StepMaintenance = "maintenance"
	StepRoute       = "route"
	StepVerdict     = "verdict"
)

// Explain says of every silence, inhibition rule, maintenance window and route in order whether it applies to the alert
// and why, and last what they come to. What the page then does is for whoever knows the escalation policies to say.
func (j *Judge) Explain(a Alert) []Finding {
	var all []Finding
	for _, s := range j.silences {
		all = append(all, j.explainSilence(s, a))
	}
	for i := range j.rules.inhibit {
		all = append(all, j.explainInhibition(i, a))
	}
	for i := range j.rules.windows {
		all = append(all, j.explainWindow(i, a))
	}
	return append(append(all, j.rules.explainRoutes(a)...), j.conclude(a))
}

// finding says yes in the given words, or no where the reason against it is not empty.
func finding(step, name, against, yes string) Finding {
	if against != "" {
		return Finding{Step: step, Name: name, Text: against}
	}
	return Finding{Step: step, Name: name, Applies: true, Text: yes}
}

func (j *Judge) explainSilence(s compiledSilence, a Alert) Finding {
	against := against(s.Tenant, s.matchers, a)
	if against == "" && s.state == SilencePending {
		against = "matches, but begins only at " + stamp(s.StartsAt)
	}
	by := ""
	if s.CreatedBy != "" {
		by = ", set by " + s.CreatedBy
	}
	return finding(StepSilence, s.ID, against, fmt.Sprintf("silenced until %s%s", stamp(s.EndsAt), by))
}

func (j *Judge) explainInhibition(i int, a Alert) Finding {
	rule := &j.rules.inhibit[i]
	against := ""
	source := j.inhibitor(i, a)
	switch m := rule.target.failing(a.Labels); {
	case m != nil:
		against = "not a target: " + why(m, a.Labels)
	case source == nil:
		against = "a target, but no source alert" + equalWords(rule.Equal, a.Labels) + " fires"
	default:
		return finding(StepInhibition, rule.Name, "", fmt.Sprintf("inhibited by alert %s (%s)%s, which fires since %s",
			source.Fingerprint, source.Labels["alertname"], equalWords(rule.Equal, a.Labels), stamp(source.StartsAt)))
	}
	return finding(StepInhibition, rule.Name, against, "")
}

func equalWords(names []string, labels map[string]string) string {
	words := make([]string, 0, len(names))
	for _, name := range names {
		if v := labels[name]; v != "" {
			words = append(words, fmt.Sprintf("%s=%q", name, short(v)))
			continue
		}
		words = append(words, "no "+name)
	}
	if len(words) == 0 {
		return ""
	}
	return " with " + strings.Join(words, ", ")
}

func (j *Judge) explainWindow(i int, a Alert) Finding {
	w := &j.rules.windows[i]
	against := against(w.Tenant, w.matchers, a)
	if against == "" && j.open[i] == (Span{}) {
		against = "matches, but is not open now"
		if next := w.Next(j.now, 1); len(next) > 0 {
			against += "; it opens next at " + stamp(next[0].From)
		}
	}
	return finding(StepMaintenance, w.Name, against, "held by maintenance until "+stamp(j.open[i].Until))
}

func (c *compiledRules) explainRoutes(a Alert) []Finding {
	var all []Finding
	decided := ""
	for i := range c.trees {
		tree := &c.trees[i]
		matched := tree.match(a.Labels)
		against := against(tree.tenant, tree.matchers, a)
		switch {
		case decided != "":
			against = "not tried, because " + decided + " decided"
		case tree.unmatched:
			against = "its matchers are not valid"
		case against == "" && !tree.goesOn:
			decided = tree.path
		}
		all = append(all, finding(StepRoute, tree.path, against, routeWords(matched, a)))
	}
	return all
}

// routeWords says what the routes that matched ask for.
func routeWords(matched []*setting, a Alert) string {
	r := combine(matched, a)
	words := []string{"matches at " + strings.Join(r.Path, " and ")}
	if r.Policy != "" {
		words = append(words, "pages policy "+r.Policy)
	}
	if r.Severity != "" {
		words = append(words, "makes it "+r.Severity)
	}
	if r.Grouped {
		words = append(words, "groups as "+r.GroupAt+" says")
	}
	if r.Window > 0 {
		words = append(words, "joins an incident whose last alert came at most "+r.Window.String()+" before")
	}
	if r.Drop {
		words = append(words, "records the alert and opens no incident")
	}
	return strings.Join(words, ", ")
}

func (j *Judge) conclude(a Alert) Finding {
	v := j.Verdict(a)
	var held []string
	for _, reason := range []struct {
		by    string
		names []string
	}{{"silence", v.SilencedBy}, {"alert", v.InhibitedBy}, {"maintenance window", v.MutedBy}} {
		if len(reason.names) > 0 {
			held = append(held, reason.by+" "+strings.Join(reason.names, ", "))
		}
	}
	if len(held) == 0 {
		return Finding{Step: StepVerdict, Text: "nothing keeps it from paging"}
	}
	return Finding{Step: StepVerdict, Applies: true, Text: "held by " + strings.Join(held, " and by ")}
}

// against returns why what the owner set with these matchers does not concern the alert, or "".
func against(owner string, matchers Matchers, a Alert) string {
	if !reaches(owner, a.Tenant) {
		return fmt.Sprintf("concerns alerts of tenant %s only", owner)
	}
	if m := matchers.failing(a.Labels); m != nil {
		return why(m, a.Labels)
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
