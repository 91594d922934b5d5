package web

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// Config is what the pages need to know about the installation.
type Config struct {
	CookieName string // of the session cookie, which sign-in sets and httpapi's middleware reads
	BaseURL    string // how people reach the site; with https the cookie is Secure
	Version    string // of the program, shown in the footer
}

func (c Config) secure() bool { return strings.HasPrefix(c.BaseURL, "https://") }

// Deps is all that the pages ask of the rest. Every method returns *fault.Error where a person could do something
// about the trouble; what fails on one part of a page is shown there as missing, and the rest of the page stands.
type Deps struct {
	Sessions    Sessions
	Incidents   Incidents
	Insight     Insight
	Definitions Definitions
	Corrections Corrections // nil: pages know of none
	Alerts      Alerts      // nil: there are no pages of alerts and silences
	Contacts    Contacts    // nil: there are no pages of policies
	Assigner    Assigner    // nil: incidents cannot be given to others, and pages do not say who is called
	Runbooks    Runbooks    // nil: incidents do not show steps, and there is no list of runbooks
	Room        Room        // nil: nobody declares incidents, and they have neither roles, tasks nor status updates
	Changes     Changes     // nil: pages know of none
	Postmortems Postmortems // nil: there are no pages of postmortems and action items
	OnCall      OnCall      // nil: there are no pages of who is on call
	Reach       Reach       // nil: there is no page about oneself
	Evidence    Evidence    // nil: there is no page of figures, and incidents show neither suspects nor similar ones
	Capacity    Capacity    // nil: there are no pages of workloads
	// Runbook returns the Markdown of an embedded runbook; false where there is none of that name.
	Runbook func(name string) (string, bool)
	Now     func() time.Time // time.Now unless set
	Log     *slog.Logger     // where trouble goes that a page shows only as missing
}

// Sessions signs people in and out.
type Sessions interface {
	// SignIn returns a session token and its end. Wrong credentials are a fault.Unauthorized that doesn't say which of
	// both was wrong, too many tries a fault.Limited.
	SignIn(ctx context.Context, email, password string) (token string, expires time.Time, err error)
	// SignOut ends the session of the token.
	SignOut(ctx context.Context, token string) error
}

// Incidents reads incidents and changes them.
type Incidents interface {
	Incidents(ctx context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error)
	Incident(ctx context.Context, scope access.Scope, idOrNumber string) (incidents.Incident, error)
	Timeline(ctx context.Context, scope access.Scope, id string) ([]incidents.Event, error)
	Attempts(ctx context.Context, scope access.Scope, id string) ([]incidents.Attempt, error)
	Acknowledge(ctx context.Context, who access.Principal, id string) (incidents.Incident, error)
	EscalateNow(ctx context.Context, who access.Principal, id string) (incidents.Incident, error)
	Resolve(ctx context.Context, who access.Principal, id, reason string) (incidents.Incident, error)
	Note(ctx context.Context, who access.Principal, id, text string) (incidents.Incident, error)
}

// Insight answers what the numbers say.
type Insight interface {
	// Statuses returns the promises in scope; sloID and tenant narrow it, "" is all.
	Statuses(ctx context.Context, scope access.Scope, sloID, tenant string) ([]slo.Status, error)
	// History returns a promise's points in the span, oldest first, at most span.Points of them. A step that was not
	// seen has no point; it is drawn as a gap.
	History(ctx context.Context, scope access.Scope, sloID, tenant string, span Span) ([]Point, error)
	// Prediction says whether a promise's budget lasts, with its fan.
	Prediction(ctx context.Context, scope access.Scope, sloID, tenant string) (slo.Prediction, error)
	Posture(ctx context.Context, scope access.Scope) (Posture, error)
	Impact(ctx context.Context, scope access.Scope, i incidents.Incident) (incidents.Impact, error)
	// Postmortem returns the draft as Markdown.
	Postmortem(ctx context.Context, scope access.Scope, id string) (string, error)
	SLAReport(ctx context.Context, scope access.Scope, tenant string, month slo.Month) (slo.Report, error)
}

// Definitions reads what was applied.
type Definitions interface {
	SLO(id string) (slo.Versioned, bool)
	Contracts() []slo.Contract // every tenant's contract, ordered by tenant
}

// Span is the part of a history that a plot shows.
type Span struct {
	From, To time.Time // (From, To]
	Points   int       // at most this many, evenly spaced
}

// Point is one step of a promise's history. NaN in a field means that this one was not seen.
type Point struct {
	At        time.Time     // end of the step, UTC
	Step      time.Duration // how long it is; a longer distance to the point before is a gap. 0 is the usual distance
	Remaining float64       // share of the error budget left at At; negative when overspent
	Burn      float64       // burn rate during the step
	Errors    float64       // events that failed in the step
	Total     float64       // events in the step
}

// Posture is the whole in one sentence.
type Posture struct {
	Headline string   // "1 of 5 promises is at risk: shop availability for acme burns 14× too fast; Ada is on it"
	Level    string   // LevelCalm, LevelRisk or LevelBroken; anything else is shown as not known
	Missing  []string // what could not be asked, one sentence each: "The metrics engine does not answer."
}

// The levels of a Posture.
const (
	LevelCalm   = "calm"   // every promise is kept and nothing burns
	LevelRisk   = "risk"   // a promise will break at this speed, or people are at work on an incident
	LevelBroken = "broken" // a budget is overspent
)
