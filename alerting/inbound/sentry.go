package inbound

import (
	"cmp"
	"strings"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/hook"
)

// sentryHook is the body of a webhook of Sentry's integration platform; what is in it depends on the resource.
type sentryHook struct {
	Action text `json:"action"`
	Data   struct {
		Event       *sentryEvent  `json:"event"`
		Rule        text          `json:"triggered_rule"`
		Issue       *sentryIssue  `json:"issue"`
		MetricAlert *sentryMetric `json:"metric_alert"`
		Title       text          `json:"description_title"`
		Text        text          `json:"description_text"`
		WebURL      text          `json:"web_url"`
	} `json:"data"`
}

type sentryEvent struct {
	ID          text    `json:"event_id"`
	IssueID     text    `json:"issue_id"`
	Title       text    `json:"title"`
	Level       text    `json:"level"`
	Culprit     text    `json:"culprit"`
	Platform    text    `json:"platform"`
	Environment text    `json:"environment"`
	Release     text    `json:"release"`
	WebURL      text    `json:"web_url"`
	Time        instant `json:"datetime"`
}

type sentryIssue struct {
	ID      text `json:"id"`
	Title   text `json:"title"`
	Level   text `json:"level"`
	Culprit text `json:"culprit"`
	WebURL  text `json:"web_url"`
	Project struct {
		Slug text `json:"slug"`
	} `json:"project"`
}

type sentryMetric struct {
	ID       text    `json:"id"`
	Detected instant `json:"date_detected"`
	Closed   instant `json:"date_closed"`
	Rule     struct {
		ID   text `json:"id"`
		Name text `json:"name"`
	} `json:"alert_rule"`
}

// sentryLevels says how bad the levels of Sentry's events are: a fatal one has taken something down, any other was
// found worth an alert by a rule of the project's.
var sentryLevels = map[text]string{"fatal": critical, "error": failing, "warning": warning, "info": info, "debug": info}

func readSentry(src Source, r hook.Request) (Received, error) {
	var h sentryHook
	if err := readJSON(r.Body, &h); err != nil {
		return Received{}, err
	}
	resource := r.Header.Get("Sentry-Hook-Resource")
	switch {
	case resource == "event_alert" && h.Data.Event != nil:
		return h.issueAlert(src, r)
	case resource == "metric_alert" && h.Data.MetricAlert != nil:
		return h.metricAlert(src, r)
	case resource == "issue" && h.Data.Issue != nil:
		return h.issue(src, r)
	case resource == "event_alert", resource == "metric_alert", resource == "issue":
		return refuse("data: has no %s, which the header Sentry-Hook-Resource announces", strings.TrimSuffix(resource, "_alert"))
	}
	return Received{Answer: accepted("ignored: only issue alerts, metric alerts and issues are read")}, nil
}

// issueAlert is a rule of a project that an event set off. Its key is the issue's, so that all its events are one alert
// and resolving the issue ends it.
func (h sentryHook) issueAlert(src Source, r hook.Request) (Received, error) {
	in := h.Data.Event
	if in.IssueID == "" && in.ID == "" {
		return refuse("data.event.issue_id: is missing")
	}
	e := event{
		key: "issue/" + string(cmp.Or(in.IssueID, in.ID)), name: "SentryIssue", summary: string(in.Title),
		description: string(in.Culprit),
		severity:    sentryLevels[in.Level], starts: in.Time.Time, link: string(in.WebURL),
		labels:  map[string]string{"environment": string(in.Environment), "platform": string(in.Platform)},
		details: map[string]string{"rule": string(h.Data.Rule), "release": string(in.Release)},
	}
	return src.one(e, r), nil
}

// issue is the life of an issue: resolving or archiving it ends its alert. What was only created tells nothing, since no
// rule found that anybody should know.
func (h sentryHook) issue(src Source, r hook.Request) (Received, error) {
	in := h.Data.Issue
	switch h.Action {
	case "resolved", "archived", "ignored":
	default:
		return Received{Answer: accepted("ignored: only the end of issues is read, their beginning is told by issue alerts")}, nil
	}
	if in.ID == "" {
		return refuse("data.issue.id: is missing")
	}
	return src.one(event{key: "issue/" + string(in.ID), name: "SentryIssue", ended: true}, r), nil
}

func (h sentryHook) metricAlert(src Source, r hook.Request) (Received, error) {
	in := h.Data.MetricAlert
	key := cmp.Or(in.Rule.ID, in.ID)
	if key == "" {
		return refuse("data.metric_alert.id: is missing")
	}
	e := event{
		key: "metric/" + string(key), name: string(in.Rule.Name), summary: string(cmp.Or(h.Data.Title, in.Rule.Name)),
		description: string(h.Data.Text), starts: in.Detected.Time, link: string(h.Data.WebURL),
	}
	switch h.Action {
	case "critical", "warning":
		e.severity = string(h.Action)
	case "resolved":
		e.ended, e.ends = true, in.Closed.Time
	default:
		return refuse("action: %q of a metric alert is not critical, warning or resolved", clip(string(h.Action), 40))
	}
	return src.one(e, r), nil
}

// one is a call that told one alert.
func (src Source) one(e event, r hook.Request) Received {
	return Received{Alerts: []alerting.PostedAlert{src.post(e, r.At)}}
}
