package inbound

import "strings"

// The severities of alerts.
const (
	critical = "critical"
	failing  = "error"
	warning  = "warning"
	info     = "info"
)

// defaultSeverity is that of an alert whose tool says none and whose integration neither. A tool that was told to call
// us wants somebody to know, so it pages.
const defaultSeverity = failing

var severities = map[string]string{
	"critical": critical, "crit": critical, "page": critical, "emergency": critical, "emerg": critical, "fatal": critical,
	"alert": critical, "disaster": critical, "urgent": critical, "p1": critical, "p0": critical, "sev1": critical, "sev0": critical,
	"error": failing, "err": failing, "high": failing, "major": failing, "p2": failing, "sev2": failing,
	"warning": warning, "warn": warning, "medium": warning, "average": warning, "minor": warning, "ticket": warning,
	"moderate": warning, "p3": warning, "sev3": warning,
	"info": info, "information": info, "informational": info, "notice": info, "none": info, "low": info, "debug": info,
	"p4": info, "p5": info, "sev4": info, "sev5": info,
}

// severityOf reads a severity in any of the usual words; "" is one that says nothing to us.
func severityOf(word string) string { return severities[strings.ToLower(strings.TrimSpace(word))] }

// known is the word itself where it is a severity, because people's matchers have their own words, and "" otherwise.
func known(word string) string {
	if severityOf(word) == "" {
		return ""
	}
	return word
}
