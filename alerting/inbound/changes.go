package inbound

import (
	"cmp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/slo"
)

// postedChange is the body of our own change API.
type postedChange struct {
	DedupKey    text       `json:"dedup_key"`
	Service     text       `json:"service"`
	Environment text       `json:"environment"`
	Ref         text       `json:"ref"`
	Kind        text       `json:"kind"`
	Author      text       `json:"author"`
	Summary     text       `json:"summary"`
	URL         text       `json:"url"`
	At          instant    `json:"at"`
	Status      text       `json:"status"` // started, or an outcome; "" means that it is done
	Payload     *pagerduty `json:"payload"`
}

// outcomes are the words for how a change went; "" is under way.
var outcomes = map[string]string{
	"started": "", "running": "", "in_progress": "", "pending": "", "queued": "", "waiting": "", "progressing": "", "created": "",
	"succeeded": slo.OutcomeSucceeded, "success": slo.OutcomeSucceeded,
	"finished": slo.OutcomeSucceeded, "done": slo.OutcomeSucceeded,
	"failed": slo.OutcomeFailed, "failure": slo.OutcomeFailed, "error": slo.OutcomeFailed,
	"rolled-back": slo.OutcomeRolledBack, "rolled_back": slo.OutcomeRolledBack,
	"aborted": slo.OutcomeAborted, "canceled": slo.OutcomeAborted, "cancelled": slo.OutcomeAborted, "skipped": slo.OutcomeAborted,
}

func readChanges(src Source, r hook.Request) (Received, error) {
	var p postedChange
	if err := readJSON(r.Body, &p); err != nil {
		return Received{}, err
	}
	if p.Payload != nil {
		return readPagerDutyChange(src, r)
	}
	outcome, known := slo.OutcomeSucceeded, true
	if p.Status != "" {
		outcome, known = outcomes[strings.ToLower(string(p.Status))]
	}
	if !known {
		outcome = string(p.Status) // check refuses it by name
	}
	c := Change{
		Service: string(p.Service), Environment: string(p.Environment), Ref: string(p.Ref), Kind: string(p.Kind),
		Author: string(p.Author), Description: string(p.Summary), URL: string(p.URL), At: p.At.Time, Outcome: outcome,
	}
	c.Key = cmp.Or(string(p.DedupKey), hash(c.Service, c.Environment, c.Kind, c.Ref))
	return src.changed(c, r.At)
}

// readPagerDutyChange reads what tools send to PagerDuty's change events. They tell of what is done, and name neither a
// service nor a reference: the integration's service and the first link or the summary stand for them.
func readPagerDutyChange(src Source, r hook.Request) (Received, error) {
	var p struct {
		Payload pagerduty `json:"payload"`
		Links   []link    `json:"links"`
	}
	if err := readJSON(r.Body, &p); err != nil {
		return Received{}, err
	}
	if p.Payload.Summary == "" {
		return refuse("payload.summary: is missing; say in one line what changed")
	}
	details := p.Payload.CustomDetails
	c := Change{
		Service: string(details["service"]), Environment: string(details["environment"]),
		Author:      string(cmp.Or(details["author"], details["user"])),
		Description: string(p.Payload.Summary), At: p.Payload.Timestamp.Time, Outcome: slo.OutcomeSucceeded,
		Kind: string(details["kind"]),
	}
	if len(p.Links) > 0 {
		c.URL = string(p.Links[0].Href)
	}
	if c.Kind = strings.ToLower(c.Kind); !changeKind.MatchString(c.Kind) {
		c.Kind = ""
	}
	c.Service = cmp.Or(c.Service, src.Service, string(p.Payload.Source))
	c.Ref = cmp.Or(string(details["ref"]), string(details["commit"]), string(details["version"]), c.URL, c.Description)
	c.Key = hash(c.Service, c.Ref, c.Description, c.At.String())
	got, err := src.changed(c, r.At)
	got.Answer = answer(map[string]string{"status": "success", "message": "Change event processed"})
	return got, err
}
