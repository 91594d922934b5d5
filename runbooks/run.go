package runbooks

import (
	"strconv"
	"strings"
	"time"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes of a run.
const (
	Waiting Outcome = "waiting" // for an approval
	Running Outcome = "running"
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Denied  Outcome = "denied"
	Expired Outcome = "expired" // nobody approved it in time
)

// ApprovalTime is how long a step waits for somebody to approve it.
const ApprovalTime = 15 * time.Minute

// Run is one execution of one step. Runs are the operator's own: what a step finds is not for tenants.
type Run struct {
	ID             string // UUID
	Runbook        string
	Step           string
	Language       Language
	Asked          string // what was run, its values filled in
	Incident       string // UUID, or "" for none
	IncidentTenant string
	By, ByName     string // who ran it; "system:diagnostics" when an incident opened
	Confirmed      bool   // a step that changes something: By has confirmed it
	BeganAt        time.Time
	Took           time.Duration
	Outcome        Outcome
	Output         string // at most the step's MaxBytes
	Truncated      bool
	Error          string
	ApprovedBy     string // who approved or denied it, where it had to be; ApprovedName for people
	ApprovedName   string
	ExpiresAt      *time.Time // until when it waits or waited for an approval; nil where it needed none
}

// Bound keeps at most n bytes of an output, cut between characters, and reports whether anything was cut.
func Bound(output string, n int) (string, bool) {
	output = strings.ReplaceAll(strings.ToValidUTF8(output, "\uFFFD"), "\x00", "\uFFFD")
	if len(output) <= n {
		return output, false
	}
	return strings.ToValidUTF8(output[:n], ""), true
}

// Text says what a filled step asks, for people.
func (f Filled) Text() string {
	switch f.Language {
	case HTTP:
		return strings.TrimSpace(f.Method + " " + f.Path + "\n" + f.Send)
	case Shell:
		words := make([]string, len(f.Args))
		for i, a := range f.Args {
			words[i] = a
			if a == "" || strings.ContainsAny(a, " \t\n\"'\\") {
				words[i] = strconv.Quote(a)
			}
		}
		return strings.Join(words, " ")
	}
	text := f.Query
	for i, a := range f.Args {
		text += "\n-- $" + strconv.Itoa(i+1) + " = " + strconv.Quote(a)
	}
	return text
}
