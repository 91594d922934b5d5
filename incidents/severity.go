package incidents

import (
	"slices"
	"strings"
)

// severities, worst first.
var severities = []Severity{Critical, Error, Warning, Info}

// Valid reports whether s is one of the severities.
func (s Severity) Valid() bool { return slices.Contains(severities, s) }

// Pages reports whether an incident of this severity wakes somebody.
func (s Severity) Pages() bool { return s == Critical || s == Error }

// WorseThan reports whether s is worse than other. An unknown severity is worse than none.
func (s Severity) WorseThan(other Severity) bool { return s.rank() < other.rank() }

func (s Severity) rank() int {
	if i := slices.Index(severities, s); i >= 0 {
		return i
	}
	return len(severities)
}

// severityOfTier is the severity of each burn tier: how fast the budget burns says how bad it is.
var severityOfTier = map[string]Severity{
	"page-fast": Critical, "page-slow": Error, "ticket-fast": Warning, "ticket-slow": Info,
}

// severityOfWord maps the words that teams put into a severity label.
var severityOfWord = map[string]Severity{
	"critical": Critical, "crit": Critical, "page": Critical, "emergency": Critical, "fatal": Critical, "p1": Critical, "sev1": Critical,
	"error": Error, "err": Error, "high": Error, "major": Error, "p2": Error, "sev2": Error,
	"warning": Warning, "warn": Warning, "medium": Warning, "minor": Warning, "ticket": Warning, "p3": Warning, "sev3": Warning,
	"info": Info, "informational": Info, "notice": Info, "none": Info, "low": Info, "p4": Info, "p5": Info, "sev4": Info, "sev5": Info,
}

// SeverityOf reads an alert's severity: the burn tier first, then the severity label in any of the usual words, then
// Sloth's page or ticket. What says nothing is a Warning: shown, but nobody is woken for a word that nobody chose.
func SeverityOf(labels map[string]string) Severity {
	if s, ok := severityOfTier[labels["sloth_tier"]]; ok {
		return s
	}
	if s, ok := severityOfWord[strings.ToLower(strings.TrimSpace(labels["severity"]))]; ok {
		return s
	}
	if labels["sloth_severity"] == "page" {
		return Critical
	}
	return Warning
}
