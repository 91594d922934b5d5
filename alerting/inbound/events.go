package inbound

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/hook"
)

// posted is the body of our own event API.
type posted struct {
	Action      text    `json:"action"` // trigger, resolve or acknowledge; "" means trigger
	DedupKey    text    `json:"dedup_key"`
	Name        text    `json:"name"`
	Summary     text    `json:"summary"`
	Description text    `json:"description"`
	Severity    text    `json:"severity"`
	Source      text    `json:"source"` // where it is: a host, a URL
	Service     text    `json:"service"`
	Labels      object  `json:"labels"`
	Details     object  `json:"details"`
	Links       []link  `json:"links"`
	StartsAt    instant `json:"starts_at"`
	EndsAt      text    `json:"ends_at"` // RFC 3339; the alert ends then unless it is told again
	Timeout     text    `json:"timeout"` // a duration such as 30m, instead of ends_at

	// The body of PagerDuty's Events API v2 says the rest so.
	EventAction text       `json:"event_action"`
	Payload     *pagerduty `json:"payload"`
	Client      text       `json:"client"`
	ClientURL   text       `json:"client_url"`
}

// pagerduty is the payload of an event of PagerDuty's Events API v2, and of its change events.
type pagerduty struct {
	Summary       text    `json:"summary"`
	Source        text    `json:"source"`
	Severity      text    `json:"severity"`
	Timestamp     instant `json:"timestamp"`
	Component     text    `json:"component"`
	Group         text    `json:"group"`
	Class         text    `json:"class"`
	CustomDetails object  `json:"custom_details"`
}

// link is one that an event brings.
type link struct {
	Href text `json:"href"`
	Text text `json:"text"`
}

// verifyEvents takes the token from a header, or from where PagerDuty's clients put it: routing_key in the body.
func verifyEvents(_ context.Context, src Source, r hook.Request) error {
	if src.hasToken(r.Header) {
		return nil
	}
	var body struct {
		RoutingKey text `json:"routing_key"`
	}
	if readJSON(r.Body, &body) == nil && src.knows(string(body.RoutingKey)) {
		return nil
	}
	return unauthorized()
}

func readEvents(src Source, r hook.Request) (Received, error) {
	var p posted
	if err := readJSON(r.Body, &p); err != nil {
		return Received{}, err
	}
	if p.Payload != nil && p.EventAction == "" && p.Action == "" {
		return readPagerDutyChange(src, r)
	}
	e, err := p.event(r.At)
	if err != nil {
		return Received{}, err
	}
	got := Received{Answer: answer(map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.key})}
	if p.action() == "acknowledge" {
		got.Answer = answer(map[string]string{
			"status": "success", "message": "Ignored: incidents are acknowledged by people, not by events", "dedup_key": e.key,
		})
		return got, nil
	}
	got.Alerts = []alerting.PostedAlert{src.post(e, r.At)}
	return got, nil
}

func (p posted) action() string {
	return strings.ToLower(cmp.Or(string(p.EventAction), string(p.Action), "trigger"))
}

// event reads the event and names every problem with it.
func (p posted) event(now time.Time) (event, error) {
	e := p.plain()
	if p.Payload != nil {
		e = p.fromPagerDuty()
	}
	var wrong problems
	action := p.action()
	switch action {
	case "trigger":
		if strings.TrimSpace(e.summary) == "" {
			wrong.add(p.field("summary"), "is missing; say in one line what is wrong")
		}
	case "resolve", "acknowledge":
		if e.key == "" && e.summary == "" {
			wrong.add("dedup_key", "is missing; send the one that the trigger had or got in its answer")
		}
	default:
		wrong.add(cmp.Or(p.actionField(), "action"), "%q is not known; write trigger, resolve or acknowledge", clip(action, 40))
	}
	if utf8.RuneCountInString(e.key) > maxKey {
		wrong.add("dedup_key", "has more than %d characters", maxKey)
	}
	if e.severity != "" && severityOf(e.severity) == "" {
		wrong.add(p.field("severity"), "%q is not known; write critical, error, warning or info", clip(e.severity, 40))
	}
	e.ends = p.end(now, &wrong)
	e.ended = action == "resolve"
	if e.key == "" {
		e.name = cmp.Or(e.name, e.summary)
		e.key = hash(e.labels["instance"], e.service, e.summary)
	}
	return e, wrong.err()
}

func (p posted) actionField() string {
	if p.EventAction != "" {
		return "event_action"
	}
	return "action"
}

func (p posted) field(name string) string {
	if p.Payload != nil {
		return "payload." + name
	}
	return name
}

// end is when the event's alert ends by itself; zero is not said.
func (p posted) end(now time.Time, wrong *problems) time.Time {
	switch {
	case p.EndsAt != "" && p.Timeout != "":
		wrong.add("timeout", "is there beside ends_at; send one of them")
	case p.EndsAt != "":
		ends := parseTime(string(p.EndsAt))
		if !ends.After(now) {
			wrong.add("ends_at", "is not a time that lies ahead; write it such as 2026-01-02T15:04:05Z, or send action resolve")
		}
		return ends
	case p.Timeout != "":
		timeout, err := time.ParseDuration(string(p.Timeout))
		if err != nil || timeout <= 0 || timeout > 366*24*time.Hour {
			wrong.add("timeout", "is not a duration such as 30m, of at most a year")
			return time.Time{}
		}
		return now.Add(timeout)
	}
	return time.Time{}
}

func (p posted) plain() event {
	e := event{
		key: string(p.DedupKey), name: string(p.Name), summary: string(p.Summary), description: string(p.Description),
		severity: string(p.Severity), service: string(p.Service), starts: p.StartsAt.Time, labels: p.Labels.strings(),
		details: p.Details.strings(),
	}
	e.locate(string(p.Source))
	e.linked(p.Links, "")
	return e
}

func (p posted) fromPagerDuty() event {
	in := p.Payload
	e := event{
		key: string(p.DedupKey), name: string(in.Class), summary: string(in.Summary), severity: string(in.Severity),
		service: string(p.Service), starts: in.Timestamp.Time, details: in.CustomDetails.strings(),
		labels: map[string]string{
			"component": string(in.Component), "group": string(in.Group), "class": string(in.Class), "client": string(p.Client),
		},
	}
	e.locate(string(in.Source))
	e.linked(p.Links, string(p.ClientURL))
	return e
}

// locate notes where the trouble is, unless the event's own labels say it.
func (e *event) locate(where string) {
	if e.labels["instance"] == "" && where != "" {
		e.labels["instance"] = where
	}
}

// linked keeps the first link for the alert and all of them for people.
func (e *event) linked(links []link, first string) {
	e.link = first
	var all []string
	for _, l := range links[:min(len(links), 20)] {
		e.link = cmp.Or(e.link, string(l.Href))
		all = append(all, strings.TrimSpace(string(l.Text)+" "+string(l.Href)))
	}
	if len(all) > 0 {
		e.annotations = map[string]string{"links": strings.Join(all, "\n")}
	}
}

// UnmarshalJSON implements json.Unmarshaler: a link is an object, or its address alone.
func (l *link) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		return l.Href.UnmarshalJSON(raw)
	}
	var fields object
	err := fields.UnmarshalJSON(raw)
	l.Href, l.Text = fields["href"], fields["text"]
	return err
}
