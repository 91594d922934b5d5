package httpapi

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Gate judges changes by the error-budget policies, records them and ties them to the incidents that follow.
type Gate interface {
	// Ask decides about a change and, unless dryRun, records it; the same change, or the same key, is recorded once. A
	// dry run has no ID. A budget that cannot be known up to now is a fault.Unavailable, never a yes.
	Ask(ctx context.Context, who access.Principal, c slo.Change, key string, dryRun bool) (slo.Change, error)
	ApproveChange(ctx context.Context, who access.Principal, id, reason string) (slo.Change, error)
	FinishChange(ctx context.Context, who access.Principal, id, outcome string) (slo.Change, error)
	Changes(ctx context.Context, scope access.Scope, f slo.ChangeFilter) ([]slo.Change, error)
	Change(ctx context.Context, scope access.Scope, idOrNumber string) (slo.Change, error)
	// ChangesBefore returns the changes that began shortly before an incident, the closest first.
	ChangesBefore(ctx context.Context, scope access.Scope, incident string) ([]slo.Preceding, error)
	// IncidentsAfter returns the incidents that opened soon after a change began, the first first.
	IncidentsAfter(ctx context.Context, scope access.Scope, change string) ([]slo.Follower, error)
}

type gateInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"A request with the same key makes no second change."`
	Body struct {
		Service     string `json:"service" minLength:"1" maxLength:"200" example:"shop" doc:"The service that changes, or all."`
		Change      string `json:"change" minLength:"1" maxLength:"500" example:"release-118" doc:"What identifies it: a commit, a release, a URL."`
		Kind        string `json:"kind,omitempty" maxLength:"32" default:"deploy" example:"deploy" doc:"deploy, config, flag, rollback, security, fix or a word of your own; policies may except kinds."`
		Author      string `json:"author,omitempty" maxLength:"200" doc:"Who made it; who asks unless set. Authors cannot approve their own changes."`
		Description string `json:"description,omitempty" maxLength:"4000"`
		Environment string `json:"environment,omitempty" maxLength:"63" example:"production"`
		DryRun      bool   `json:"dryRun,omitempty" doc:"Only decide; record nothing."`
	}
}

type changesInput struct {
	Service string    `query:"service" maxLength:"200" doc:"Only of this service, and of all services."`
	Since   time.Time `query:"since" doc:"Only those asked for at or after."`
	Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor  int64     `query:"cursor" minimum:"0" doc:"nextCursor of the page before."`
}

type changeInput struct {
	ID string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"7"`
}

type approveInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"7"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"4000" doc:"Needed to lift a freeze." example:"looked at the canary"`
	}
}

type finishInput struct {
	ID   string `path:"id" maxLength:"64" doc:"The UUID or the number." example:"7"`
	Body struct {
		Outcome string `json:"outcome" enum:"succeeded,failed,rolled-back,aborted" doc:"aborted: it never went."`
	}
}

// GateAnswer is what holds for a change now.
type GateAnswer struct {
	Allowed  bool       `json:"allowed"`
	Action   slo.Action `json:"action" enum:"allow,approve,freeze" doc:"The verdict, softened by an approval that answers it."`
	Headline string     `json:"headline" doc:"In one sentence."`
	Change   Change     `json:"change" doc:"As recorded, with its verdict and the reasons; without id and number in a dry run."`
	DryRun   bool       `json:"dryRun"`
}

// Change is a change as shown.
type Change struct {
	slo.Change
	Standing  slo.Action `json:"standing" enum:"allow,approve,freeze" doc:"What holds: the verdict, softened by an approval that answers it."`
	Incidents []Follower `json:"incidents,omitempty" doc:"Those that opened soon after it began."`
}

// Follower is an incident that opened soon after a change began.
type Follower struct {
	ID           string    `json:"id"`
	Number       int64     `json:"number"`
	Title        string    `json:"title"`
	Severity     string    `json:"severity"`
	State        string    `json:"state"`
	OpenedAt     time.Time `json:"openedAt"`
	AfterSeconds float64   `json:"afterSeconds" doc:"From the beginning of the change."`
}

// Preceding is a change that began shortly before an incident.
type Preceding struct {
	Change
	BeforeSeconds float64 `json:"beforeSeconds" doc:"Before the incident opened."`
}

type changePage struct {
	Changes    []Change `json:"changes" doc:"The newest first."`
	NextCursor string   `json:"nextCursor,omitempty" doc:"Absent on the last page."`
}

type precedingList struct {
	Changes []Preceding `json:"changes" doc:"The closest first."`
}

func (a *API) mountGate() {
	const tag = "Changes"
	register(a, operation{id: "ask-gate", method: post, path: "/gate", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "May this change go? Decides by the error-budget policies and records the change",
		about: "The answer is 200 whatever the verdict; look at allowed. Budgets that cannot be known now are answered 503. " +
			"The same service, environment, kind and change within 24 hours is the same change until it is finished."}, a.askGate)
	register(a, operation{id: "list-changes", method: get, path: "/changes", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List changes, the newest first"}, a.listChanges)
	register(a, operation{id: "get-change", method: get, path: "/changes/{id}", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Read a change, with the incidents that followed"}, a.changeAsked)
	register(a, operation{id: "approve-change", method: post, path: "/changes/{id}/approve", tag: tag, role: access.Editor, audience: operatorOnly,
		summary: "Agree to a change as a second person",
		about:   "Neither the author nor who asked may. An admin may lift a freeze for one change, with a reason."}, a.approveChange)
	register(a, operation{id: "finish-change", method: post, path: "/changes/{id}/finish", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Say how a change went"}, a.finishChange)
	register(a, operation{id: "list-incident-changes", method: get, path: "/incidents/{id}/changes", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List the changes that began shortly before an incident, the closest first"}, a.changesBefore)
}

func (a *API) askGate(ctx context.Context, in *gateInput) (*body[GateAnswer], error) {
	b := in.Body
	asked := slo.Change{Service: b.Service, Ref: b.Change, Kind: b.Kind, Author: b.Author, Description: b.Description, Environment: b.Environment}
	c, err := a.deps.Gate.Ask(ctx, access.PrincipalOf(ctx), asked, strings.TrimSpace(in.Key), b.DryRun)
	if err != nil {
		return nil, err
	}
	return show(GateAnswer{Allowed: c.Standing() == slo.Allow, Action: c.Standing(), Headline: headlineOf(c), Change: shownChange(c, nil), DryRun: b.DryRun}, nil)
}

// headlineOf is the verdict's own, unless an approval answers it.
func headlineOf(c slo.Change) string {
	if c.Verdict.Action != slo.Allow && c.Standing() == slo.Allow {
		return "Approved by " + c.ApprovedByName + ", so it may go. " + c.Verdict.Headline
	}
	return c.Verdict.Headline
}

func (a *API) listChanges(ctx context.Context, in *changesInput) (*body[changePage], error) {
	f := slo.ChangeFilter{Service: in.Service, Since: in.Since, Limit: in.Limit, Before: in.Cursor}
	found, err := a.deps.Gate.Changes(ctx, access.PrincipalOf(ctx).Scope(), f)
	page := changePage{Changes: []Change{}}
	for _, c := range found {
		page.Changes = append(page.Changes, shownChange(c, nil))
	}
	if n := len(found); n > 0 && n == in.Limit {
		page.NextCursor = strconv.FormatInt(found[n-1].Number, 10)
	}
	return show(page, err)
}

func (a *API) changeAsked(ctx context.Context, in *changeInput) (*body[Change], error) {
	scope := access.PrincipalOf(ctx).Scope()
	c, err := a.deps.Gate.Change(ctx, scope, in.ID)
	if err != nil {
		return nil, err
	}
	after, err := a.deps.Gate.IncidentsAfter(ctx, scope, c.ID)
	return show(shownChange(c, after), err)
}

func (a *API) approveChange(ctx context.Context, in *approveInput) (*body[Change], error) {
	c, err := a.deps.Gate.ApproveChange(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Reason)
	return show(shownChange(c, nil), err)
}

func (a *API) finishChange(ctx context.Context, in *finishInput) (*body[Change], error) {
	c, err := a.deps.Gate.FinishChange(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Outcome)
	return show(shownChange(c, nil), err)
}

func (a *API) changesBefore(ctx context.Context, in *incidentInput) (*body[precedingList], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.find(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	before, err := a.deps.Gate.ChangesBefore(ctx, who.Scope(), found.ID)
	shown := make([]Preceding, 0, len(before))
	for _, p := range before {
		shown = append(shown, Preceding{shownChange(p.Change, nil), p.Before.Seconds()})
	}
	return show(precedingList{shown}, err)
}

func shownChange(c slo.Change, after []slo.Follower) Change {
	shown := Change{Change: c, Standing: c.Standing()}
	for _, f := range after {
		shown.Incidents = append(shown.Incidents, Follower{ID: f.ID, Number: f.Number, Title: f.Title, Severity: f.Severity, State: f.State,
			OpenedAt: f.OpenedAt, AfterSeconds: f.Before.Seconds()})
	}
	return shown
}
