package httpapi

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/focus"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/forecast/pool"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// Deps is all that the API asks of the rest. Every method returns a *fault.Error where a client could do something about
// the trouble; any other error is answered as ours, without its text.
type Deps struct {
	Sessions     Sessions
	People       People
	Audit        AuditLog
	Definitions  Definitions
	Versions     Versions
	Alerts       Alerts
	AlertHistory AlertHistory
	Silences     Silences
	Heartbeats   Heartbeats
	Contacts     Contacts
	OnCall       OnCall // nil: nobody is on call, and there are no operations about it
	Runbooks     Runbooks
	Explainer    Explainer
	Assigner     Assigner
	Reach        Reach
	Room         Room
	Trackers     Trackers
	Incidents    Incidents
	Past         PastIncidents
	Evidence     Evidence
	Intelligence Intelligence
	Decisions    Decisions
	Forecasts    Forecasts
	Corrections  Corrections
	Postmortems  Postmortems
	Budgets      Budgets
	Gate         Gate
	Hooks        Hooks
	// Router returns the routes that alerts take now; it is asked at each posting.
	Router func() incidents.Router
	// AlertRules returns the rules about alerts in force, as Alertmanager's status shows them. Nil means none.
	AlertRules func() alerting.Rules
	// TierOf returns the contract tier of a tenant for request metrics; "" is the operator.
	TierOf  func(tenant string) string
	Metrics HTTPMetrics
	Events  *Hub // where GET /events listens; New makes one where none is given
	Log     *slog.Logger
	Now     func() time.Time // time.Now unless set
}

// Sessions tells who is behind a credential. What is unknown, revoked or expired is a fault.Unauthorized.
type Sessions interface {
	SignIn(ctx context.Context, email, password string) (token string, expires time.Time, err error)
	SignOut(ctx context.Context, token string) error
	PrincipalOfSession(ctx context.Context, token string) (access.Principal, error)
	PrincipalOfToken(ctx context.Context, token string) (access.Principal, error)
}

// People keeps users and API tokens. Changes are audited in the same transaction.
type People interface {
	CreateUser(ctx context.Context, who access.Principal, u User, password string) (User, error)
	Users(ctx context.Context, who access.Principal) ([]User, error)
	// CreateToken returns the token itself, once and never again.
	CreateToken(ctx context.Context, who access.Principal, name string, role access.Role, tenant string) (plain string, t Token, err error)
	Tokens(ctx context.Context, who access.Principal) ([]Token, error)
	RevokeToken(ctx context.Context, who access.Principal, id string) error
}

// AuditLog reads who did what.
type AuditLog interface {
	Audit(ctx context.Context, who access.Principal, f AuditFilter) ([]AuditRecord, error)
}

// Definitions validates, compares, applies and exports definition files.
type Definitions interface {
	Validate(ctx context.Context, files []manifest.File) (manifest.Problems, error)
	Diff(ctx context.Context, who access.Principal, files []manifest.File, prune bool) ([]manifest.Outcome, error)
	Apply(ctx context.Context, who access.Principal, files []manifest.File, prune bool) ([]manifest.Outcome, error)
	Export(ctx context.Context) ([]manifest.File, error)
}

// Versions reads a definition's history, the newest first.
type Versions interface {
	DefinitionVersions(ctx context.Context, kind, name string) ([]manifest.Record, error)
}

// Alerts keeps what sources tell.
type Alerts interface {
	// ReceiveAlerts returns nil only after the alerts, the incidents they open, join or end and the pages that follow
	// have been committed together. The incidents remember the span in ctx.
	ReceiveAlerts(ctx context.Context, who access.Principal, alerts []alerting.Alert, router incidents.Router) error
	// GiveWay waits a moment while what is urgent is worked off; see postgres.DB.
	GiveWay(ctx context.Context)
	// Alerts returns the alerts in scope, only those firing now where firing is set.
	Alerts(ctx context.Context, scope access.Scope, firing bool) ([]alerting.Alert, error)
}

// AlertHistory reads what happened to alerts, the newest first.
type AlertHistory interface {
	AlertHistory(ctx context.Context, scope access.Scope, f alerting.HistoryFilter) (alerting.HistoryPage, error)
}

// Silences keeps what people silence. Changes are audited in the same transaction, and nil means that alerts show them.
type Silences interface {
	// PutSilence makes a silence, or changes the one whose id it carries; what changes more than its end may give it a new
	// id. An unknown id is a fault.NotFound.
	PutSilence(ctx context.Context, who access.Principal, s alerting.Silence) (alerting.Silence, error)
	// ExpireSilence ends a silence; one that has ended stays as it is.
	ExpireSilence(ctx context.Context, who access.Principal, id string) error
	// Silence returns a silence of that id, also long after it has ended.
	Silence(ctx context.Context, scope access.Scope, id string) (alerting.Silence, error)
	Silences(ctx context.Context, scope access.Scope, f alerting.SilenceFilter) ([]alerting.Silence, error)
	SilenceHistory(ctx context.Context, scope access.Scope, id string) ([]alerting.SilenceVersion, error)
}

// Heartbeats notes who is alive. A heartbeat that is not defined, or another tenant's, is a fault.NotFound.
type Heartbeats interface {
	PingHeartbeat(ctx context.Context, who access.Principal, name string) (alerting.Ping, error)
	// PingWithKey is a ping by whoever has the heartbeat's own key; any other is a fault.Unauthorized, whatever is wrong.
	PingWithKey(ctx context.Context, name, key string) (alerting.Ping, error)
	HeartbeatStates(ctx context.Context, scope access.Scope) ([]alerting.HeartbeatState, error)
}

// Contacts shows whom policies page, and finds out whether pages arrive there. It is the operator's own.
type Contacts interface {
	Policies(ctx context.Context, who access.Principal) ([]incidents.Policy, error)
	// LastTests returns the last test of each target that had one, by Target.Key.
	LastTests(ctx context.Context, who access.Principal, targets []incidents.Target) (map[string]incidents.ContactTest, error)
	// TestPolicy sends a test page to the targets at the spot of a policy in force, TestTarget to any. A target or person
	// that has had too many is a fault.Limited; that a page did not arrive is no error.
	TestPolicy(ctx context.Context, who access.Principal, policy string, at incidents.Spot) ([]incidents.ContactTest, error)
	TestTarget(ctx context.Context, who access.Principal, t incidents.Target) ([]incidents.ContactTest, error)
}

// Explainer says what would become of an alert, without storing it.
type Explainer interface {
	Explain(ctx context.Context, who access.Principal, a alerting.Alert) (Explanation, error)
}

// Explanation is what would become of an alert, step by step.
type Explanation struct {
	Findings []alerting.Finding `json:"findings" doc:"Each silence, inhibition rule, maintenance window and route, and last the verdict."`
	Paging   []string           `json:"paging" doc:"What it would do where nothing holds it: the incident, its severity, and whom it pages. Empty for tenants."`
	Held     bool               `json:"held" doc:"Something keeps it from paging."`
}

// Incidents reads incidents and changes them. An id is the UUID or the number.
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

// Intelligence answers questions over all of it. Every answer keeps to the scope.
type Intelligence interface {
	// Statuses returns the promises in scope, and what the figures lack, one sentence each; sloID and tenant narrow it, ""
	// is all.
	Statuses(ctx context.Context, scope access.Scope, sloID, tenant string) (found []slo.Status, lacks []string, err error)
	// BurnDown returns how the budget of the window in force went, and where it is going.
	BurnDown(ctx context.Context, scope access.Scope, sloID, tenant string, points int) ([]BurnPoint, slo.Prediction, error)
	Posture(ctx context.Context, scope access.Scope) (Posture, error)
	Postmortem(ctx context.Context, scope access.Scope, id string) (string, error)
	SLAReport(ctx context.Context, scope access.Scope, tenant string, month slo.Month) (slo.Report, error)
	Forecast(ctx context.Context, r ForecastRequest) (ForecastAnswer, error)
	// Anomalies compares what came within the window with forecasts made before it, one for each horizon.
	Anomalies(ctx context.Context, r ForecastRequest, window time.Duration) (forecast.Anomalies, error)
	Recommend(ctx context.Context, workload string) (autoscale.Decision, error)
	Cost(ctx context.Context, scope access.Scope, from, to time.Time) (cost.Report, error)
	// Showback allocates what a span cost; "" is by tenant.
	Showback(ctx context.Context, scope access.Scope, from, to time.Time, by allocation.By) (allocation.Showback, error)
	ExportCost(ctx context.Context, from, to time.Time, issuer string) (focus.Table, error)
	CostOutlook(ctx context.Context, r plan.OutlookRequest) (plan.Outlook, error)
	CostBudgets(ctx context.Context) ([]cost.BudgetState, error)
	CostAnomalies(ctx context.Context, days int, level float64) (plan.AnomalyReport, error)
	CostSavings(ctx context.Context, days int) (plan.SavingsReport, error)
	CostWhatIf(ctx context.Context, from, to time.Time, set []string) (plan.Difference, error)
}

// Decisions reads recorded scaling recommendations, the newest first. Workload "" is all.
type Decisions interface {
	Decisions(ctx context.Context, scope access.Scope, workload string, limit int) ([]autoscale.Decision, error)
}

// HTTPMetrics observes one answered request. The span in ctx is its exemplar; route is a template, never a raw path.
type HTTPMetrics interface {
	Observe(ctx context.Context, method, route string, status int, tier string, took time.Duration)
}

// User is a person who signs in.
type User struct {
	ID        string      `json:"id"`
	Email     string      `json:"email"`
	Role      access.Role `json:"role"`
	Tenant    string      `json:"tenant"` // "" for the operator's own people
	Disabled  bool        `json:"disabled"`
	CreatedAt time.Time   `json:"createdAt"`
}

// Token is an API token; its secret is shown once, when it is made.
type Token struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Role       access.Role `json:"role"`
	Tenant     string      `json:"tenant"` // "" for the operator's own
	CreatedAt  time.Time   `json:"createdAt"`
	CreatedBy  string      `json:"createdBy"`
	LastUsedAt *time.Time  `json:"lastUsedAt"`
	RevokedAt  *time.Time  `json:"revokedAt"`
}

// AuditFilter narrows the audit log. The zero filter is all of it, newest first.
type AuditFilter struct {
	Actor  string // access.Principal.ID
	Action string
	Limit  int   // 1 to 500; 0 means 100
	Before int64 // only ids below this one: the cursor of the next page; 0 means from the newest
}

// AuditRecord is one thing that somebody did.
type AuditRecord struct {
	ID     int64          `json:"id"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor"` // access.Principal.ID
	Name   string         `json:"name"`  // the actor's name for people
	Tenant string         `json:"tenant"`
	Action string         `json:"action"`
	Object string         `json:"object"` // what it was done to, such as "incident/<id>"
	Detail map[string]any `json:"detail,omitempty"`
}

// BurnPoint is one step of a promise's history. A step that was not seen has no point.
type BurnPoint struct {
	At        time.Time `json:"at"` // end of the step
	Remaining float64   `json:"remaining" doc:"Share of the error budget left, negative when overspent. A rolling window's is that of the window ending at this time; a calendar window's is that of the whole period, with the traffic still to come as expected."`
	Burn      float64   `json:"burn"` // burn rate during the step
	Errors    float64   `json:"errors"`
	Total     float64   `json:"total"`
	Partial   bool      `json:"partial,omitempty" doc:"The rolling window ending at this time reaches back before the first data; the budget is that of the first whole window, as far as it was seen."`
}

// Posture answers which promises are at risk now, why, and who is on it.
type Posture struct {
	At       time.Time     `json:"at"`
	Headline string        `json:"headline"`
	Level    string        `json:"level"` // "calm", "risk" or "broken"
	Promises int           `json:"promises"`
	AtRisk   []PostureRisk `json:"atRisk"`
	Missing  []string      `json:"missing"` // what could not be asked, one sentence each
}

// PostureRisk is one promise at risk.
type PostureRisk struct {
	SLO       string            `json:"slo"`
	Service   string            `json:"service"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels"`
	Why       string            `json:"why"`
	Remaining float64           `json:"remaining"` // share of the error budget left
	Burn      float64           `json:"burn"`
	Exhausted *time.Time        `json:"exhausted"` // when the budget is gone at the current burn; null: not in the window
	Incidents []PostureIncident `json:"incidents"`
}

// PostureIncident is an open incident about a promise, and who is on it.
type PostureIncident struct {
	ID       string `json:"id"`
	Number   int64  `json:"number"`
	State    string `json:"state"`
	Severity string `json:"severity"`
	Who      string `json:"who"` // who acknowledged it, or ""
}

// ForecastRequest asks where a series is going.
type ForecastRequest struct {
	Query   string
	Horizon time.Duration
	Step    time.Duration
	History time.Duration
	Limit   *float64  // the value whose reaching is predicted; nil for none
	Tiers   []float64 // steps of capacity: the reaching of the next one is predicted
	Level   float64   // of the prediction interval, in (0, 1), such as 0.9
	Zone    string    // IANA; "" is UTC
	Counter bool      // the growth a second is forecast
	Floor   *float64
	Cap     *float64
	Events  []forecast.Event
	By      string // who asks
}

// ForecastAnswer is where each series of the query is going.
type ForecastAnswer struct {
	ID     string           `json:"id" doc:"Under which it is kept, to be judged when its time has come."`
	Query  string           `json:"query"`
	At     time.Time        `json:"at"`
	Level  float64          `json:"level"`
	Series []ForecastSeries `json:"series"`
}

// ForecastSeries is one series and its prediction.
type ForecastSeries struct {
	Labels   map[string]string `json:"labels"`
	Method   string            `json:"method"`   // the models that carry it, in words
	Season   string            `json:"season"`   // such as "1d", or "" for none
	Coverage float64           `json:"coverage"` // share of the history's grid that was seen
	History  int               `json:"history"`  // points the forecast rests on
	Models   []pool.Share      `json:"models"`   // what each contributes, the heaviest first
	Past     forecast.Past     `json:"past"`     // how such forecasts would have done before, in this history
	Held     *ForecastHeld     `json:"held"`     // how the last forecasts of this query came out; null where none has been judged
	Notes    []string          `json:"notes"`    // what was found in the history and done about it
	Observed []ForecastSeen    `json:"observed"` // the history, thinned
	Points   []ForecastPoint   `json:"points"`
	// Mean, Earliest and Latest say when the limit is reached; null is not within the horizon.
	Mean     *time.Time      `json:"mean"`
	Earliest *time.Time      `json:"earliest"`
	Latest   *time.Time      `json:"latest"`
	Reached  *forecast.Reach `json:"reached"` // the same with its chance; null where no limit was asked about
	Tier     *forecast.Reach `json:"tier"`    // when the next tier is reached; null where none was asked about or none is left
}

// ForecastHeld is how the last forecasts of a query came out.
type ForecastHeld struct {
	Forecasts int      `json:"forecasts"`
	Within    float64  `json:"within"` // share of what came that lay within the interval
	Ratio     *float64 `json:"ratio"`  // of the error over that of repeating the last cycle; null where that was exact
}

// ForecastSeen is one observed value.
type ForecastSeen struct {
	At    time.Time `json:"at"`
	Value float64   `json:"value"`
}

// NewForecastSeries puts a forecast and what was observed before it into the API's words.
func NewForecastSeries(labels map[string]string, f forecast.Forecast, observed []forecast.Point) ForecastSeries {
	s := ForecastSeries{Labels: labels, Method: f.Method, Coverage: f.Coverage, History: f.History, Models: list(f.Models), Past: f.Past,
		Notes: list(f.Notes), Observed: []ForecastSeen{}, Points: []ForecastPoint{}}
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if f.Season > 0 {
		s.Season = f.Season.String()
	}
	for _, p := range observed {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			s.Observed = append(s.Observed, ForecastSeen(p))
		}
	}
	for _, p := range f.Points {
		s.Points = append(s.Points, ForecastPoint(p))
	}
	return s
}

// ForecastFilter chooses kept forecasts. What is zero does not restrict.
type ForecastFilter struct {
	ID      string
	Subject string
	Query   string
	Step    time.Duration
	Judged  bool
	Limit   int
}

// Forecasts reads kept forecasts, the newest first.
type Forecasts interface {
	Forecasts(ctx context.Context, scope access.Scope, f ForecastFilter) ([]forecast.Kept, error)
}

// ForecastPoint is one predicted value with its interval.
type ForecastPoint struct {
	At    time.Time `json:"at"`
	Mean  float64   `json:"mean"`
	Lower float64   `json:"lower"`
	Upper float64   `json:"upper"`
}
