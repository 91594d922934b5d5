package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type alertsInput struct {
	Filter []string `query:"filter,explode" maxItems:"64" doc:"Alertmanager matchers, all of which must hold." example:"[\"severity=\\\"critical\\\"\"]"`
	State  string   `query:"state" enum:"active,suppressed" doc:"Only those that may page, or only those that something holds; both unless set."`
	All    bool     `query:"all" doc:"Also alerts that have ended."`
}

type alertList struct {
	Alerts []alerting.Alert `json:"alerts"`
}

// HistoryQuery narrows a search in the history of alerts; it is exported because the web framework sets embedded fields so.
type HistoryQuery struct {
	Filter []string  `query:"filter,explode" maxItems:"64" doc:"Alertmanager matchers on the alerts' labels, all of which must hold." example:"[\"alertname=\\\"Down\\\"\"]"`
	Kind   []string  `query:"kind" enum:"fired,restarted,ended,suppressed,released" doc:"Any of these, separated by commas; none is all."`
	From   time.Time `query:"from" doc:"RFC 3339; only what happened at or after it."`
	To     time.Time `query:"to" doc:"RFC 3339; only what happened before it."`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor int64     `query:"cursor" minimum:"0" doc:"nextCursor of the page before."`
}

type oneHistoryInput struct {
	Fingerprint string `path:"fingerprint" pattern:"^[0-9a-f]{16}$" patternDescription:"16 hex digits" doc:"The alert's fingerprint." example:"25c2cdb12d31dc50"`
	HistoryQuery
}

type eventPage struct {
	Events     []alerting.Event `json:"events" doc:"The newest first."`
	NextCursor string           `json:"nextCursor,omitempty" doc:"Absent on the last page. A page may be short and still have a next."`
}

type explainInput struct {
	Body struct {
		Labels      map[string]string `json:"labels,omitempty" doc:"Of an alert, which need not exist." example:"{\"alertname\":\"Down\",\"severity\":\"critical\"}"`
		Annotations map[string]string `json:"annotations,omitempty"`
		Fingerprint string            `json:"fingerprint,omitempty" maxLength:"16" doc:"Or the fingerprint of one that fires now."`
	}
}

// explanation is an Explanation with the alert that it is about.
type explanation struct {
	Alert alerting.Alert `json:"alert"`
	Explanation
}

func (a *API) mountAlerts() {
	const tag = "Alerts"
	register(a, operation{id: "list-alerts", method: get, path: "/alerts", tag: tag, role: access.Viewer, audience: anyone,
		summary: "List alerts with the incident each belongs to, and what keeps it from paging"}, a.alerts)
	register(a, operation{id: "search-alert-history", method: get, path: "/alerts/history", tag: tag,
		role: access.Viewer, audience: anyone,
		summary: "Search what happened to alerts, ended ones too", slow: true}, a.alertHistory)
	register(a, operation{id: "get-alert-history", method: get, path: "/alerts/{fingerprint}/history", tag: tag,
		role: access.Viewer, audience: anyone,
		summary: "Read what happened to one alert: fired, ended, suppressed, released"}, a.historyOfAlert)
	register(a, operation{id: "explain-alert", method: post, path: "/alerts/explain", tag: tag,
		role: access.Viewer, audience: anyone, slow: true,
		summary: "Say step by step what would become of an alert; nothing is stored",
		about: "Every silence, inhibition rule, maintenance window and route in order, why it applies or not, and which policy would be paged. " +
			"A tenant's people learn what holds their alerts, not whom the operator pages."}, a.explain)
}

func (a *API) alerts(ctx context.Context, in *alertsInput) (*body[alertList], error) {
	matchers, err := alerting.ParseMatchers(in.Filter)
	if err != nil {
		return nil, err
	}
	found, err := a.alertsIn(ctx, access.PrincipalOf(ctx).Scope(), !in.All, matchers)
	shown := alertList{Alerts: make([]alerting.Alert, 0, len(found))}
	for _, al := range found {
		if in.State == "" || in.State == stateOf(al) {
			shown.Alerts = append(shown.Alerts, al)
		}
	}
	return show(shown, err)
}

func (a *API) alertHistory(ctx context.Context, in *HistoryQuery) (*body[eventPage], error) {
	return a.history(ctx, "", in)
}

func (a *API) historyOfAlert(ctx context.Context, in *oneHistoryInput) (*body[eventPage], error) {
	return a.history(ctx, in.Fingerprint, &in.HistoryQuery)
}

func (a *API) history(ctx context.Context, fingerprint string, in *HistoryQuery) (*body[eventPage], error) {
	matchers, err := alerting.ParseMatchers(in.Filter)
	if err != nil {
		return nil, err
	}
	if !in.From.IsZero() && !in.To.IsZero() && !in.To.After(in.From) {
		return nil, fault.New(fault.Invalid, "to: must lie after from")
	}
	f := alerting.HistoryFilter{
		Fingerprint: fingerprint, Matchers: matchers, From: in.From.UTC(), To: in.To.UTC(), Limit: in.Limit, Before: in.Cursor,
	}
	for _, kind := range in.Kind {
		f.Kinds = append(f.Kinds, alerting.EventKind(kind))
	}
	found, err := a.deps.AlertHistory.AlertHistory(ctx, access.PrincipalOf(ctx).Scope(), f)
	page := eventPage{Events: list(found.Events)}
	for i := range page.Events {
		page.Events[i].Labels = labelsOf(page.Events[i].Labels)
	}
	if found.Next > 0 {
		page.NextCursor = strconv.FormatInt(found.Next, 10)
	}
	return show(page, err)
}

func (a *API) explain(ctx context.Context, in *explainInput) (*body[explanation], error) {
	who := access.PrincipalOf(ctx)
	al, err := a.alertToExplain(ctx, who, in)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.Explainer.Explain(ctx, who, al)
	found.Findings, found.Paging = list(found.Findings), list(found.Paging)
	return show(explanation{Alert: al, Explanation: found}, err)
}

// alertToExplain is the alert that fires under the fingerprint, or one made of the labels as if it were told now.
func (a *API) alertToExplain(ctx context.Context, who access.Principal, in *explainInput) (alerting.Alert, error) {
	asked := in.Body
	switch {
	case asked.Fingerprint != "" && len(asked.Labels) > 0:
		return alerting.Alert{}, fault.New(fault.Invalid, "fingerprint: give the fingerprint of an alert or its labels, not both")
	case asked.Fingerprint != "":
		return a.firingAlert(ctx, who, asked.Fingerprint)
	}
	posted := []alerting.PostedAlert{{Labels: asked.Labels, Annotations: asked.Annotations}}
	valid, err := alerting.Parse(posted, a.deps.Now(), a.config.ResolveTimeout)
	if err != nil || len(valid) == 0 {
		return alerting.Alert{}, err
	}
	al := owned(valid[0], who)
	al.Labels, al.Annotations = labelsOf(al.Labels), labelsOf(al.Annotations)
	return al, nil
}

func (a *API) firingAlert(ctx context.Context, who access.Principal, fingerprint string) (alerting.Alert, error) {
	found, err := a.alertsIn(ctx, who.Scope(), true, nil)
	if err != nil {
		return alerting.Alert{}, err
	}
	for _, al := range found {
		if al.Fingerprint == fingerprint {
			return al, nil
		}
	}
	return alerting.Alert{}, fault.New(fault.NotFound,
		"no alert with fingerprint %q fires now; explain its labels instead", fingerprint)
}

// stateOf is the alert's state in Alertmanager's words.
func stateOf(al alerting.Alert) string {
	if al.Verdict != nil && al.Verdict.Suppressed() {
		return "suppressed"
	}
	return "active"
}

const created = http.StatusCreated
