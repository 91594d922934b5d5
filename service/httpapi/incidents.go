package httpapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type incidentsInput struct {
	State   []string `query:"state" enum:"triggered,acknowledged,resolved" doc:"Any of these, separated by commas; none is all."`
	Service string   `query:"service" maxLength:"200"`
	SLO     string   `query:"slo" maxLength:"200"`
	Limit   int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor  int64    `query:"cursor" minimum:"0" doc:"nextCursor of the page before."`
}

type incidentInput struct {
	ID string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
}

type resolveInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"4000" example:"rolled back release 118"`
	}
}

type noteInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"42"`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"16000" example:"the cache is cold; waiting for it to fill"`
	}
}

// incident is an incident as shown. Its policy's targets stay inside: they are how the operator reaches its people.
type incident struct {
	ID               string             `json:"id"`
	Number           int64              `json:"number" example:"42"`
	Tenant           string             `json:"tenant" doc:"Empty for the operator's own."`
	Title            string             `json:"title"`
	Summary          string             `json:"summary"`
	Severity         incidents.Severity `json:"severity" enum:"critical,error,warning,info"`
	State            incidents.State    `json:"state" enum:"triggered,acknowledged,resolved"`
	Service          string             `json:"service"`
	SLO              string             `json:"slo" doc:"The SLO whose burn alert opened it, or empty."`
	Labels           map[string]string  `json:"labels"`
	RunbookURL       string             `json:"runbookUrl"`
	BudgetSpent      *float64           `json:"budgetSpent" doc:"Share of the whole error budget spent by this incident so far; null is unknown."`
	PolicyName       string             `json:"policyName" doc:"The escalation policy in force when paging began; empty pages nobody."`
	Step             int                `json:"step" doc:"Steps already paged in this round."`
	Loop             int                `json:"loop" doc:"Rounds completed."`
	NextEscalationAt *time.Time         `json:"nextEscalationAt"`
	FallbackAt       *time.Time         `json:"fallbackAt" doc:"When the last step's fallback is paged, unless somebody accepts its pages before."`
	Held             string             `json:"held" doc:"Why nobody is paged further for now, or empty."`
	ResolveAt        *time.Time         `json:"resolveAt" doc:"When it is resolved unless an alert fires again; null while one fires."`
	UnreachableSince *time.Time         `json:"unreachableSince" doc:"Since when every page has failed; null where one was accepted."`
	Urgency          incidents.Urgency  `json:"urgency" doc:"By whose rules people are called."`
	Turn             int                `json:"turn" doc:"How often paging has begun anew: it was assigned, its urgency was raised, or an acknowledgement ended."`
	AssignedBy       string             `json:"assignedBy" doc:"Who assigned it last, or empty."`
	Awaited          []string           `json:"awaited" doc:"Who has to acknowledge still, of a step that everyone has to acknowledge."`
	ReturnAt         *time.Time         `json:"returnAt" doc:"When the acknowledgement ends and people are paged anew; null is never."`
	Snoozed          bool               `json:"snoozed" doc:"Somebody chose returnAt."`
	RaiseAt          *time.Time         `json:"raiseAt" doc:"When support hours begin, and with them high urgency."`
	AutoResolveAt    *time.Time         `json:"autoResolveAt" doc:"When it is resolved if nobody does; null is never."`
	ExhaustedAt      *time.Time         `json:"exhaustedAt" doc:"Since when its policy names nobody else."`
	StartedAt        time.Time          `json:"startedAt"`
	OpenedAt         time.Time          `json:"openedAt"`
	AcknowledgedAt   *time.Time         `json:"acknowledgedAt"`
	AcknowledgedBy   string             `json:"acknowledgedBy"`
	ResolvedAt       *time.Time         `json:"resolvedAt"`
	ResolvedBy       string             `json:"resolvedBy"`
	UpdatedAt        time.Time          `json:"updatedAt"`
	URL              string             `json:"url" doc:"The incident's page."`
	Trace            string             `json:"trace,omitempty" doc:"W3C traceparent of the posting that opened it."`

	Level      incidents.Level           `json:"level" doc:"1 to 5 for SEV1 to SEV5; 0 is not rated."`
	Impact     incidents.ImpactScope     `json:"impact" doc:"Who notices it, as somebody said; empty where nobody has."`
	RatedBy    string                    `json:"ratedBy" doc:"Who set the level last; empty where the matrix did."`
	Roles      map[incidents.Role]string `json:"roles" doc:"Who has which, by e-mail address."`
	DeclaredBy string                    `json:"declaredBy" doc:"Who opened it by hand; empty where alerts did."`
	MergedInto string                    `json:"mergedInto" doc:"UUID of the incident that it is part of since, or empty."`
	Follows    string                    `json:"follows" doc:"UUID of the incident that it opens anew, or empty."`
	SplitFrom  string                    `json:"splitFrom" doc:"UUID of the incident that its alerts were in first, or empty."`
	Phase      incidents.Phase           `json:"phase" doc:"As the latest status update says; empty before the first."`
	UpdateDue  *time.Time                `json:"updateDue" doc:"When the next status update was promised for."`

	PostmortemRequired *incidents.Requirement `json:"postmortemRequired,omitempty" doc:"Why it has to be reviewed, and which error-budget policy asks; absent where it has not."`
}

// attempt is one try at sending a page, as shown.
type attempt struct {
	ID         int64     `json:"id"`
	Page       int64     `json:"page"`
	Number     int       `json:"number"`
	Provider   string    `json:"provider" example:"pagerduty"`
	StartedAt  time.Time `json:"startedAt"`
	TookMS     float64   `json:"tookMs" doc:"Milliseconds."`
	Outcome    string    `json:"outcome" enum:"sent,retry,failed,canceled," doc:"Empty while in flight, or where a crash cut it off."`
	StatusCode int       `json:"statusCode" doc:"The provider's HTTP status; 0 where there was none."`
	ProviderID string    `json:"providerId"`
	Error      string    `json:"error"`

	DeliveredAt *time.Time `json:"deliveredAt" doc:"When it arrived, where the provider tells; null otherwise."`
	Undelivered string     `json:"undelivered" doc:"Why it did not arrive, where the provider tells."`
}

type incidentPage struct {
	Incidents  []incident `json:"incidents" doc:"The newest first."`
	NextCursor string     `json:"nextCursor,omitempty" doc:"Absent on the last page."`
}

type timeline struct {
	Events []incidents.Event `json:"events" doc:"The oldest first."`
}

type attemptList struct {
	Attempts []attempt `json:"attempts" doc:"The oldest first."`
}

func (a *API) mountIncidents() {
	const tag = "Incidents"
	register(a, operation{id: "list-incidents", method: get, path: "/incidents", tag: tag, role: access.Viewer, audience: anyone,
		summary: "List incidents, the newest first"}, a.listIncidents)
	register(a, operation{id: "get-incident", method: get, path: "/incidents/{id}", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read an incident"}, a.incident)
	register(a, operation{id: "get-incident-timeline", method: get, path: "/incidents/{id}/timeline", tag: tag, role: access.Viewer,
		audience: anyone, summary: "Read what happened, in order",
		about: "A tenant's people see what happened to the service, not whom the operator paged."}, a.timeline)
	register(a, operation{id: "list-incident-attempts", method: get, path: "/incidents/{id}/attempts", tag: tag, role: access.Viewer,
		audience: operatorOnly, summary: "Read every try at paging somebody, and what the provider answered"}, a.attemptsOf)
	register(a, operation{id: "get-incident-postmortem", method: get, path: "/incidents/{id}/postmortem", tag: tag, role: access.Viewer,
		audience: operatorOnly, slow: true, produces: "text/markdown", summary: "Draft the postmortem as Markdown"}, a.postmortem)
	register(a, operation{id: "acknowledge-incident", method: post, path: "/incidents/{id}/acknowledge", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Say that you are on it", about: "Stops escalation. Acknowledging twice changes nothing."}, a.acknowledge)
	register(a, operation{id: "escalate-incident", method: post, path: "/incidents/{id}/escalate", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Page the next step at once",
		about: "After the last step a further round begins. It takes back an acknowledgement; what is held for maintenance is a conflict."}, a.escalate)
	register(a, operation{id: "resolve-incident", method: post, path: "/incidents/{id}/resolve", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Say that it is over", about: "Resolved is final; the same trouble again is a new incident."}, a.resolve)
	register(a, operation{id: "add-incident-note", method: post, path: "/incidents/{id}/notes", tag: tag, role: access.Responder,
		audience: operatorOnly, summary: "Add a note to the timeline"}, a.note)
}

func (a *API) listIncidents(ctx context.Context, in *incidentsInput) (*body[incidentPage], error) {
	f := incidents.Filter{Service: in.Service, SLO: in.SLO, Limit: in.Limit, Before: in.Cursor}
	for _, s := range in.State {
		f.States = append(f.States, incidents.State(s))
	}
	found, err := a.deps.Incidents.Incidents(ctx, access.PrincipalOf(ctx).Scope(), f)
	page := incidentPage{Incidents: []incident{}}
	for _, i := range found {
		page.Incidents = append(page.Incidents, a.shown(ctx, i))
	}
	if n := len(found); n > 0 && n == in.Limit {
		page.NextCursor = strconv.FormatInt(found[n-1].Number, 10)
	}
	return show(page, err)
}

func (a *API) incident(ctx context.Context, in *incidentInput) (*body[incident], error) {
	found, err := a.deps.Incidents.Incident(ctx, access.PrincipalOf(ctx).Scope(), in.ID)
	return show(a.shown(ctx, found), err)
}

func (a *API) timeline(ctx context.Context, in *incidentInput) (*body[timeline], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	events, err := a.deps.Incidents.Timeline(ctx, who.Scope(), found.ID)
	if who.Tenant != "" {
		events = forTenant(events)
	}
	return show(timeline{list(events)}, err)
}

func (a *API) attemptsOf(ctx context.Context, in *incidentInput) (*body[attemptList], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	tried, err := a.deps.Incidents.Attempts(ctx, who.Scope(), found.ID)
	shown := make([]attempt, 0, len(tried))
	for _, t := range tried {
		shown = append(shown, attempt{
			ID: t.ID, Page: t.Page, Number: t.Number, Provider: t.Provider, StartedAt: t.StartedAt, TookMS: float64(t.Took.Microseconds()) / 1e3,
			Outcome: t.Outcome, StatusCode: t.StatusCode, ProviderID: t.ProviderID, Error: t.Error,
			DeliveredAt: t.DeliveredAt, Undelivered: t.Undelivered,
		})
	}
	return show(attemptList{shown}, err)
}

func (a *API) postmortem(ctx context.Context, in *incidentInput) (*huma.StreamResponse, error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	draft, err := a.deps.Intelligence.Postmortem(ctx, who.Scope(), found.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		h.SetHeader("Content-Type", "text/markdown; charset=utf-8")
		_, err := h.BodyWriter().Write([]byte(draft))
		exchangeOf(ctx).failed(err)
	}}, nil
}

func (a *API) acknowledge(ctx context.Context, in *incidentInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Incidents.Acknowledge(ctx, who, id)
	})
}

func (a *API) escalate(ctx context.Context, in *incidentInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Incidents.EscalateNow(ctx, who, id)
	})
}

func (a *API) resolve(ctx context.Context, in *resolveInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Incidents.Resolve(ctx, who, id, in.Body.Reason)
	})
}

func (a *API) note(ctx context.Context, in *noteInput) (*body[incident], error) {
	return a.change(ctx, in.ID, func(who access.Principal, id string) (incidents.Incident, error) {
		return a.deps.Incidents.Note(ctx, who, id, in.Body.Text)
	})
}

// change finds the incident in the caller's scope first, so that an id of somebody else's is not found, then does it.
func (a *API) change(ctx context.Context, id string, do func(who access.Principal, id string) (incidents.Incident, error)) (*body[incident], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, id)
	if err != nil {
		return nil, err
	}
	changed, err := do(who, found.ID)
	return show(a.shown(ctx, changed), err)
}

func (a *API) find(ctx context.Context, who access.Principal, id string) (incidents.Incident, error) {
	found, err := a.deps.Incidents.Incident(ctx, who.Scope(), id)
	if err == nil && !who.Scope().Allows(found.Tenant) {
		return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident %s", id)
	}
	return found, err
}

func (a *API) shown(ctx context.Context, i incidents.Incident) incident {
	shown := incident{
		ID: i.ID, Number: i.Number, Tenant: i.Tenant, Title: i.Title, Summary: i.Summary, Severity: i.Severity, State: i.State,
		Service: i.Service, SLO: i.SLO, Labels: labelsOf(i.Labels), RunbookURL: i.RunbookURL, BudgetSpent: i.BudgetSpent,
		StartedAt: i.StartedAt, OpenedAt: i.OpenedAt, AcknowledgedAt: i.AcknowledgedAt, ResolvedAt: i.ResolvedAt, UpdatedAt: i.UpdatedAt,
		Level: i.Level, Roles: map[incidents.Role]string{}, MergedInto: i.MergedInto, Follows: i.Follows, SplitFrom: i.SplitFrom,
		Awaited: []string{}, URL: strings.TrimRight(a.config.BaseURL, "/") + "/incidents/" + i.ID,
	}
	if access.PrincipalOf(ctx).Tenant == "" {
		shown.PolicyName, shown.Step, shown.Loop, shown.NextEscalationAt = i.Policy.Name, i.Step, i.Loop, i.NextEscalationAt
		shown.FallbackAt, shown.Held, shown.ResolveAt, shown.UnreachableSince = i.FallbackAt, i.Held, i.ResolveAt, i.UnreachableSince
		shown.AcknowledgedBy, shown.ResolvedBy, shown.Trace = i.AcknowledgedBy, i.ResolvedBy, i.Trace
		shown.PostmortemRequired = i.PostmortemRequired
		shown.Impact, shown.RatedBy, shown.DeclaredBy, shown.Phase, shown.UpdateDue = i.Impact, i.RatedBy, i.DeclaredBy, i.Phase, i.UpdateDue
		if i.Roles != nil {
			shown.Roles = i.Roles
		}
		shown.Urgency, shown.Turn, shown.AssignedBy, shown.Awaited = i.Urgency, i.Turn, i.AssignedBy, list(i.Awaited)
		shown.ReturnAt, shown.Snoozed, shown.RaiseAt = i.ReturnAt, i.Snoozed, i.RaiseAt
		shown.AutoResolveAt, shown.ExhaustedAt = i.AutoResolveAt, i.ExhaustedAt
	}
	return shown
}

// labelsOf makes empty labels of none, so that JSON shows {} and never null.
func labelsOf(labels map[string]string) map[string]string {
	if labels == nil {
		return map[string]string{}
	}
	return labels
}

// tenantKinds are the timeline's entries that tell a customer about its service.
var tenantKinds = map[incidents.EventKind]bool{
	incidents.EventOpened: true, incidents.EventAlertJoined: true, incidents.EventAlertEnded: true, incidents.EventSeverity: true,
	incidents.EventAcknowledged: true, incidents.EventResolved: true, incidents.EventStatus: true, incidents.EventMerged: true,
	incidents.EventSplit: true, incidents.EventReopened: true,
}

// forTenant leaves out whom the operator paged and what its people wrote and are called.
func forTenant(events []incidents.Event) []incidents.Event {
	var shown []incidents.Event
	for _, e := range events {
		public := e.Kind == incidents.EventStatus && e.Detail["public"] == true
		if !tenantKinds[e.Kind] || e.Kind == incidents.EventStatus && !public {
			continue
		}
		e.Detail = nil
		if public { // written for them
			e.Actor, e.Name = "operator", "operator"
		}
		if !public && !strings.HasPrefix(e.Actor, "system:") {
			e.Actor, e.Name = "operator", "operator"
			e.Text = ""
		}
		shown = append(shown, e)
	}
	return shown
}
