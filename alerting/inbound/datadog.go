package inbound

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
)

// datadog is the body of Datadog's webhooks: what it sends by default, and the fields of the payload that our
// documentation recommends, with which each alert has a key of its own.
type datadog struct {
	ID    text    `json:"id"` // of the event: another one at each transition
	Title text    `json:"title"`
	Body  text    `json:"body"`
	Date  instant `json:"date"`
	// recommended
	MonitorID  text `json:"alert_id"`
	Scope      text `json:"alert_scope"`
	Cycle      text `json:"alert_cycle_key"`
	Transition text `json:"alert_transition"`
	Monitor    text `json:"alert_title"`
	Priority   text `json:"alert_priority"`
	Type       text `json:"alert_type"`
	Metric     text `json:"alert_metric"`
	Host       text `json:"hostname"`
	Tags       text `json:"tags"`
	Link       text `json:"link"`
}

// datadogTitle is how Datadog begins an event's title.
var datadogTitle = regexp.MustCompile(`(?i)^\s*(?:\[P[1-5]\]\s*)?` +
	`\[((?:re-)?(?:triggered|warn|no data|recovered|renotify)[^\]]*)\]\s*`)

func readDatadog(src Source, r hook.Request) (Received, error) {
	var d datadog
	if err := readJSON(r.Body, &d); err != nil {
		return Received{}, err
	}
	transition, title := strings.TrimSpace(string(d.Transition)), string(cmp.Or(d.Title, d.Monitor))
	if found := datadogTitle.FindStringSubmatch(title); found != nil {
		transition = cmp.Or(transition, found[1])
		title = title[len(found[0]):]
	}
	if strings.TrimSpace(title) == "" && d.MonitorID == "" {
		return refuse("title: is missing; keep Datadog's default payload, or take the one that the documentation recommends")
	}
	return src.one(d.event(title, strings.ToLower(transition)), r), nil
}

// event takes the key from the monitor and its scope where the payload has them. Datadog's default payload has neither,
// so there the title without its transition has to do.
func (d datadog) event(title, transition string) event {
	name := datadogTitle.ReplaceAllString(string(d.Monitor), "")
	e := event{
		key: hash("title", title), name: cmp.Or(name, title), summary: cmp.Or(title, name),
		description: string(d.Body), starts: d.Date.Time,
		severity: string(d.Priority), link: string(d.Link), labels: tagLabels(string(cmp.Or(d.Tags, d.Scope))),
		details: map[string]string{"metric": string(d.Metric), "scope": string(d.Scope)},
	}
	if d.Cycle != "" {
		e.key = "cycle/" + string(d.Cycle)
	} else if d.MonitorID != "" {
		e.key = "monitor/" + string(d.MonitorID) + "/" + string(d.Scope)
	}
	if d.Host != "" {
		e.labels["host"] = string(d.Host)
	}
	switch {
	case strings.HasPrefix(transition, "recovered"), transition == "" && d.Type == "success":
		e.ended = true
	case strings.HasPrefix(transition, "warn"), strings.HasPrefix(transition, "re-warn"), transition == "" && d.Type == "warning":
		e.severity = warning
	}
	if e.ended {
		e.ends, e.starts = d.Date.Time, d.Date.Time
	}
	return e
}

// tagLabels makes labels of tags as Datadog writes them: env:prod,service:shop. A tag without a value is left out, and a
// tag named source does not take the place of ours.
func tagLabels(tags string) map[string]string {
	labels := map[string]string{}
	for _, tag := range strings.Split(tags, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(tag), ":")
		if ok && name != "" && value != "" && name != "alertname" && name != "severity" {
			labels[name] = value
		}
	}
	return labels
}
