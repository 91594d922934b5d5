package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
)

// Fact is one line of what a page tells.
type Fact struct {
	Name  string
	Value string
}

// Facts returns what a person needs to know first, in order, leaving out what is unknown. Links are not among them.
func Facts(n incidents.Notification) []Fact {
	i := n.Incident
	facts := []Fact{{"Severity", string(i.Severity)}, {"State", stateWords(n)}}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, Fact{name, Line(value, 300)})
		}
	}
	add("Level", i.Level.String())
	if n.Page.Action != incidents.ActionStatus { // which people outside may read
		add("Commander", i.Roles[incidents.Commander])
	}
	add("Tenant", i.Tenant)
	add("Service", i.Service)
	add("SLO", i.SLO)
	add("Since", Time(i.StartedAt))
	if i.BudgetSpent != nil {
		add("Error budget spent", Percent(*i.BudgetSpent))
	}
	return facts
}

// Headline is the one line that must be enough: what is the matter with whom, and what became of it.
func Headline(n incidents.Notification) string {
	i := n.Incident
	title := Line(i.Title, 300)
	if tenant := Line(i.Tenant, 100); tenant != "" {
		title = tenant + ": " + title
	}
	switch n.Page.Action {
	case incidents.ActionAcknowledge:
		return strings.TrimRight("Acknowledged "+Number(i), " ") + ": " + title
	case incidents.ActionResolve:
		return strings.TrimRight("Resolved "+Number(i), " ") + ": " + title
	case incidents.ActionStatus:
		return strings.TrimSpace(fmt.Sprintf("Update on %s %s", Number(i), i.Phase)) + ": " + title
	}
	return strings.TrimLeft(Number(i)+" ", " ") + strings.ToUpper(string(i.Severity)) + ": " + title
}

// Statement is what a status update says, at most so many characters; "" for every other page.
func Statement(n incidents.Notification, most int) string {
	if n.Page.Action != incidents.ActionStatus {
		return ""
	}
	return Cut(strings.ToValidUTF8(strings.TrimSpace(n.Text), "\uFFFD"), most)
}

// Number is what people call the incident, "#12", and nothing for what stands for several.
func Number(i incidents.Incident) string {
	if i.Number <= 0 {
		return ""
	}
	return fmt.Sprintf("#%d", i.Number)
}

// stateWords say how the incident stands; to those who may be outside without who sees to it.
func stateWords(n incidents.Notification) string {
	i := n.Incident
	switch {
	case n.Page.Action == incidents.ActionStatus:
	case i.State == incidents.Resolved && i.ResolvedAt != nil:
		return fmt.Sprintf("resolved by %s at %s", Line(i.ResolvedBy, 100), Time(*i.ResolvedAt))
	case i.State == incidents.Acknowledged && i.AcknowledgedAt != nil:
		return fmt.Sprintf("acknowledged by %s at %s", Line(i.AcknowledgedBy, 100), Time(*i.AcknowledgedAt))
	}
	return string(i.State)
}

// Time writes a time as "2026-11-03 03:04:05 UTC", and nothing for no time.
func Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Percent writes a share as per cent with what digits matter: "12 %", "3.4 %", "0.05 %".
func Percent(share float64) string {
	p := share * 100
	switch {
	case p >= 10:
		return fmt.Sprintf("%.0f %%", p)
	case p >= 0.1 || p == 0:
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.2g %%", p)
}

// Line makes one line of a text: control characters and line breaks become spaces, and it is cut to n characters.
func Line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return Cut(strings.Join(strings.Fields(s), " "), n)
}

// Cut cuts a text to at most n characters, the last being an ellipsis where it was cut.
func Cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
