package inbound

import (
	"regexp"
	"slices"
	"strings"
)

// subject is what the subject of a mail says.
type subject struct {
	key      string // what is left without prefixes and words of state, in lower case: the same for beginning and end
	answer   bool   // whether it is an answer to another mail
	ended    bool
	severity string // "" is not said
}

// Words of state. Those that end are few on purpose: an end that is missed leaves an incident open, one that is read
// into other words would hide trouble.
var (
	endings    = []string{"resolved", "recovered", "recovery", "ok", "up", "cleared", "closed", "back to normal"}
	beginnings = []string{"problem", "down", "alert", "alarm", "firing", "triggered", "critical", "error", "warning", "unknown",
		"unreachable", "failed"}
)

var (
	stateWord = `(?:` + strings.Join(slices.Concat(endings, beginnings), "|") + `)`

	answerPrefix = regexp.MustCompile(`(?i)^(?:re|aw|antw|sv|vs|fwd?|wg|tr)(?:\[[0-9]+\])?\s*:\s*`)
	ticket       = `#?[a-z]{0,12}[-# ]?[0-9]+`
	ticketPrefix = regexp.MustCompile(`(?i)^` +
		`(?:\[(?:` + ticket + `|ext|external)\]|\(` + ticket + `\)|ticket\s*#?\s*[0-9]+\s*:)\s*[-:]?\s*`)
	stars = regexp.MustCompile(`^\*+\s*|\s*\*+$`)

	// [RESOLVED] x, [FIRING:2] x
	bracketed = regexp.MustCompile(`(?i)^\[(` + stateWord + `)(?::[0-9]+)?\]\s*[-:]?\s*`)
	// RESOLVED: x, Resolved in 5m 2s: x
	announced = regexp.MustCompile(`(?i)^(` + stateWord + `)(?: (?:in|after) [0-9][0-9a-z ]{0,30})?\s*(?::|-\s)\s*`)
	// PROBLEM Service Alert: x; only in capitals, because it may begin a sentence, and without words as common as OK
	shouted = regexp.MustCompile(`^(PROBLEM|RECOVERY|RESOLVED|RECOVERED|ALARM|ALERT|CRITICAL|WARNING|DOWN)\s+`)
	// x is DOWN, is UP: x
	stated = regexp.MustCompile(`(?i)\bis (` + stateWord + `)(\s*[:!.,]|\s*$)`)
	// x - RESOLVED, x [OK]
	closing = regexp.MustCompile(`(?i)\s*(?:\s[-–]\s*|:\s*)(` + stateWord + `)[.!]?$|\s*\[(` + stateWord + `)\]$`)
)

// readSubject takes a subject apart.
func readSubject(line string) subject {
	var s subject
	var states []string
	line = oneLine(line, maxSummary)
	for before := ""; before != line; {
		before = line
		line, states = s.head(line, states)
		if found := closing.FindStringSubmatchIndex(line); found != nil && found[0] > 0 {
			states, line = append(states, strings.Trim(line[found[0]:found[1]], " -–:[].!")), line[:found[0]]
		}
	}
	for _, found := range stated.FindAllStringSubmatch(line, -1) {
		states = append(states, found[1])
	}
	line = stated.ReplaceAllString(line, "is$2")
	s.key = strings.ToLower(strings.TrimSpace(line))
	s.judge(states)
	if s.key == "" && len(states) > 0 {
		s.key = strings.ToLower(states[0]) // nothing but a word of state
	}
	return s
}

// head takes off whatever stands before the subject proper, in any order.
func (s *subject) head(line string, states []string) (rest string, all []string) {
	for before := ""; before != line; {
		before = line
		line = strings.TrimSpace(stars.ReplaceAllString(line, ""))
		if found := answerPrefix.FindString(line); found != "" {
			s.answer, line = true, line[len(found):]
			continue
		}
		line = ticketPrefix.ReplaceAllString(line, "")
		for _, form := range []*regexp.Regexp{bracketed, announced, shouted} {
			if found := form.FindStringSubmatch(line); found != nil {
				states, line = append(states, found[1]), line[len(found[0]):]
			}
		}
	}
	return line, states
}

// judge reads the words of state. One that begins counts before one that ends, because an end that is read into words of
// trouble would hide it.
func (s *subject) judge(states []string) {
	ends, begins := false, false
	for _, word := range states {
		word = strings.ToLower(word)
		ends = ends || slices.Contains(endings, word)
		begins = begins || slices.Contains(beginnings, word)
		switch word {
		case "critical", "down", "unreachable":
			s.severity = critical
		case "warning":
			if s.severity == "" {
				s.severity = warning
			}
		}
	}
	s.ended = ends && !begins
}
