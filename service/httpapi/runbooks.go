package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/runbooks"
)

// Runbooks shows runbooks and runs their steps. It is the operator's own.
type Runbooks interface {
	Pages() []runbooks.Page
	// Page returns a fault.NotFound where there is none of that name.
	Page(name string) (runbooks.Page, error)
	// Run returns how the step went; that it failed is no error. It is a fault.Conflict where a step that changes
	// something is not confirmed, and a fault.Forbidden where the step is not allowed.
	Run(ctx context.Context, who access.Principal, wish RunWish) (runbooks.Run, error)
	// Approve runs a step that somebody else has asked for, and Deny ends its waiting; what does not wait is a fault.Conflict.
	Approve(ctx context.Context, who access.Principal, id string) (runbooks.Run, error)
	Deny(ctx context.Context, who access.Principal, id, reason string) (runbooks.Run, error)
	Runs(ctx context.Context, who access.Principal, incident, runbook string, limit int) ([]runbooks.Run, error)
}

// RunWish is what is to be run.
type RunWish struct {
	Runbook  string `json:"-"`
	Step     string `json:"step" maxLength:"63" doc:"The step's name." example:"error-ratio"`
	Incident string `json:"incident,omitempty" maxLength:"40" doc:"Its labels fill in the step's variables, and its timeline tells of the run." example:"12"`
	Confirm  bool   `json:"confirm,omitempty" doc:"Needed for a step that changes something; who confirms is on record."`
	DryRun   bool   `json:"dryRun,omitempty" doc:"Only show what would be run."`
}

type runbookShown struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Alerts   []string `json:"alerts"`
	Services []string `json:"services"`
	Owner    string   `json:"owner,omitempty"`
	Reviewed string   `json:"reviewed,omitempty" doc:"Day on which it was last found right."`
	Steps    []stepOf `json:"steps"`
	Text     string   `json:"text,omitempty" doc:"Markdown."`
}

type stepOf struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Language string `json:"language" enum:"promql,logql,http,sql,shell"`
	Source   string `json:"source,omitempty"`
	OnOpen   bool   `json:"onOpen" doc:"Runs by itself when an incident opens."`
	Changes  bool   `json:"changes" doc:"Changes something, so it must be confirmed."`
	Alone    bool   `json:"alone" doc:"Who asks for it may confirm it; otherwise somebody else has to approve it."`
	Body     string `json:"body"`
}

type runShown struct {
	ID        string     `json:"id,omitempty" doc:"None for a dry run."`
	Runbook   string     `json:"runbook"`
	Step      string     `json:"step"`
	Language  string     `json:"language"`
	Asked     string     `json:"asked" doc:"What was run, its variables filled in."`
	Incident  string     `json:"incident,omitempty"`
	By        string     `json:"by,omitempty"`
	Confirmed bool       `json:"confirmed"`
	BeganAt   *time.Time `json:"beganAt"`
	TookMS    float64    `json:"tookMs"`
	Outcome   string     `json:"outcome,omitempty" enum:"waiting,running,ok,failed,denied,expired"`
	Output    string     `json:"output"`
	Truncated bool       `json:"truncated" doc:"There was more than is kept."`
	Error     string     `json:"error,omitempty"`

	ApprovedBy string     `json:"approvedBy,omitempty" doc:"Who approved or denied it, where it had to be."`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty" doc:"Until when it waits or waited for an approval."`
}

type runbookList struct {
	Runbooks []runbookShown `json:"runbooks"`
}

type runList struct {
	Runs []runShown `json:"runs"`
}

type runbookInput struct {
	Name string `path:"name" maxLength:"100" doc:"The runbook's name." example:"disk-low"`
}

type runInput struct {
	Name string `path:"name" maxLength:"100" doc:"The runbook's name." example:"disk-low"`
	Body RunWish
}

type runIDInput struct {
	ID string `path:"id" maxLength:"40" doc:"The run's UUID."`
}

type denyInput struct {
	ID   string `path:"id" maxLength:"40" doc:"The run's UUID."`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"1000"`
	}
}

type runsInput struct {
	Incident string `query:"incident" maxLength:"40" doc:"UUID or number."`
	Runbook  string `query:"runbook" maxLength:"100"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (a *API) mountRunbooks() {
	const tag = "Runbooks"
	register(a, operation{id: "list-runbooks", method: get, path: "/runbooks", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List the runbooks in force"}, a.runbooks)
	register(a, operation{id: "get-runbook", method: get, path: "/runbooks/{name}", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Read a runbook"}, a.runbook)
	register(a, operation{id: "run-step", method: post, path: "/runbooks/{name}/runs", tag: tag, role: access.Responder, audience: operatorOnly,
		slow: true, summary: "Run a step of a runbook",
		about: "That the step failed is no error of the request: see its outcome. Steps that run a command need the role admin."}, a.runStep)
	register(a, operation{id: "approve-run", method: post, path: "/runs/{id}/approve", tag: tag, role: access.Responder, audience: operatorOnly,
		slow: true, summary: "Approve a step that somebody else has asked for, and run it",
		about: "It holds for fifteen minutes. Of several who approve it one does; the others are told by a conflict."}, a.approveRun)
	register(a, operation{id: "deny-run", method: post, path: "/runs/{id}/deny", tag: tag, role: access.Responder, audience: operatorOnly,
		summary: "Deny a step that waits for an approval, or take back what you asked for"}, a.denyRun)
	register(a, operation{id: "list-runs", method: get, path: "/runs", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List what steps of runbooks found, the newest first"}, a.runs)
}

func (a *API) runbooks(context.Context, *none) (*body[runbookList], error) {
	out := runbookList{Runbooks: []runbookShown{}}
	for _, p := range a.deps.Runbooks.Pages() {
		shown := shownRunbook(p)
		shown.Text = ""
		out.Runbooks = append(out.Runbooks, shown)
	}
	return show(out, nil)
}

func (a *API) runbook(_ context.Context, in *runbookInput) (*body[runbookShown], error) {
	p, err := a.deps.Runbooks.Page(in.Name)
	return show(shownRunbook(p), err)
}

func (a *API) runStep(ctx context.Context, in *runInput) (*body[runShown], error) {
	wish := in.Body
	wish.Runbook = in.Name
	r, err := a.deps.Runbooks.Run(ctx, access.PrincipalOf(ctx), wish)
	return show(shownRun(r), err)
}

func (a *API) approveRun(ctx context.Context, in *runIDInput) (*body[runShown], error) {
	r, err := a.deps.Runbooks.Approve(ctx, access.PrincipalOf(ctx), in.ID)
	return show(shownRun(r), err)
}

func (a *API) denyRun(ctx context.Context, in *denyInput) (*body[runShown], error) {
	r, err := a.deps.Runbooks.Deny(ctx, access.PrincipalOf(ctx), in.ID, in.Body.Reason)
	return show(shownRun(r), err)
}

func (a *API) runs(ctx context.Context, in *runsInput) (*body[runList], error) {
	found, err := a.deps.Runbooks.Runs(ctx, access.PrincipalOf(ctx), in.Incident, in.Runbook, in.Limit)
	out := runList{Runs: []runShown{}}
	for _, r := range found {
		out.Runs = append(out.Runs, shownRun(r))
	}
	return show(out, err)
}

func shownRunbook(p runbooks.Page) runbookShown {
	shown := runbookShown{Name: p.Name, Title: p.Title, Alerts: append([]string{}, p.Alerts...), Services: append([]string{}, p.Services...),
		Owner: p.Owner, Reviewed: p.Reviewed, Steps: []stepOf{}, Text: p.Text}
	for _, s := range p.Steps {
		shown.Steps = append(shown.Steps, stepOf{Name: s.Name, Title: s.Title, Language: string(s.Language), Source: s.Source, OnOpen: s.OnOpen,
			Changes: s.Changes, Alone: s.Alone, Body: s.Body})
	}
	return shown
}

func shownRun(r runbooks.Run) runShown {
	shown := runShown{ID: r.ID, Runbook: r.Runbook, Step: r.Step, Language: string(r.Language), Asked: r.Asked, Incident: r.Incident, By: r.ByName,
		Confirmed: r.Confirmed, TookMS: float64(r.Took.Microseconds()) / 1000, Outcome: string(r.Outcome), Output: r.Output, Truncated: r.Truncated,
		Error: r.Error, ApprovedBy: r.ApprovedName, ExpiresAt: r.ExpiresAt}
	if !r.BeganAt.IsZero() {
		at := r.BeganAt.UTC()
		shown.BeganAt = &at
	}
	return shown
}
