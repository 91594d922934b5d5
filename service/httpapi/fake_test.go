package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

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
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/slo"
)

// world stands in for everything behind the API. Two tenants live in it; whatever belongs to globex carries its name, so
// that a leak shows.
type world struct {
	rules    []incidents.Rule
	quiet    []incidents.Quiet
	mu       sync.Mutex
	declared []incidents.DeclareWish
	fail     error // what every method returns, where set
	block    bool  // methods wait for their context
	received []alerting.Alert
	traced   []string // trace ids seen by ReceiveAlerts
	stored   []alerting.Alert
	silences []alerting.Silence
	signOuts []string
	observed []observation
	hooked   []hook.Request
	log      bytes.Buffer
}

type observation struct {
	method, route string
	status        int
	tier          string
}

func (w *world) gate(ctx context.Context) error {
	w.mu.Lock()
	fail, block := w.fail, w.block
	w.mu.Unlock()
	if block {
		<-ctx.Done()
		return ctx.Err()
	}
	return fail
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// A token in these tests is role or role@tenant.
func principalFor(token string) (access.Principal, error) {
	role, tenant, _ := strings.Cut(token, "@")
	if !access.Role(role).Valid() {
		return access.Principal{}, fault.New(fault.Unauthorized, "this token is not known or was revoked")
	}
	return access.Principal{ID: "token:" + token, Name: token, Role: access.Role(role), Tenant: tenant}, nil
}

func (w *world) PrincipalOfToken(_ context.Context, token string) (access.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil && fault.Is(w.fail, fault.Unavailable) {
		return access.Principal{}, w.fail
	}
	return principalFor(token)
}

func (w *world) PrincipalOfSession(_ context.Context, token string) (access.Principal, error) {
	return principalFor(strings.TrimPrefix(token, "session-"))
}

func (w *world) SignIn(_ context.Context, email, password string) (string, time.Time, error) {
	if password != "correct horse" {
		return "", time.Time{}, fault.New(fault.Unauthorized, "e-mail or password is wrong")
	}
	return "session-viewer", time.Now().Add(time.Hour), nil
}

func (w *world) SignOut(_ context.Context, token string) error {
	w.set(func() { w.signOuts = append(w.signOuts, token) })
	return nil
}

func (w *world) CreateUser(ctx context.Context, _ access.Principal, u User, _ string) (User, error) {
	u.ID = "u1"
	return u, w.gate(ctx)
}
func (w *world) Users(ctx context.Context, _ access.Principal) ([]User, error) {
	return []User{{ID: "u1", Email: "ada@example.com", Role: access.Admin}}, w.gate(ctx)
}
func (w *world) CreateToken(ctx context.Context, _ access.Principal, name string, role access.Role, tenant string) (string, Token, error) {
	return "nines_secret", Token{ID: "t1", Name: name, Role: role, Tenant: tenant}, w.gate(ctx)
}
func (w *world) Tokens(ctx context.Context, _ access.Principal) ([]Token, error) {
	return nil, w.gate(ctx)
}
func (w *world) RevokeToken(ctx context.Context, _ access.Principal, _ string) error {
	return w.gate(ctx)
}
func (w *world) Audit(ctx context.Context, _ access.Principal, f AuditFilter) ([]AuditRecord, error) {
	return []AuditRecord{{ID: 9, Action: "incident.acknowledge"}, {ID: 8}}[:min(2, f.Limit)], w.gate(ctx)
}

func (w *world) Validate(ctx context.Context, files []manifest.File) (manifest.Problems, error) {
	var problems manifest.Problems
	for _, f := range files {
		if f.Text == "bad" {
			problems = append(problems, manifest.Problem{File: f.Name, Line: 3, Field: "spec.objective", Message: "100 leaves no budget"})
		}
	}
	return problems, w.gate(ctx)
}
func (w *world) Diff(ctx context.Context, _ access.Principal, files []manifest.File, _ bool) ([]manifest.Outcome, error) {
	problems, _ := w.Validate(ctx, files)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return nil, w.gate(ctx)
}
func (w *world) Apply(ctx context.Context, p access.Principal, files []manifest.File, prune bool) ([]manifest.Outcome, error) {
	return w.Diff(ctx, p, files, prune)
}
func (w *world) Export(ctx context.Context) ([]manifest.File, error) { return nil, w.gate(ctx) }
func (w *world) DefinitionVersions(ctx context.Context, kind, name string) ([]manifest.Record, error) {
	if name == "unknown" {
		return nil, nil
	}
	return []manifest.Record{{Kind: kind, Name: name, Version: 1}}, w.gate(ctx)
}

func (w *world) ReceiveAlerts(ctx context.Context, _ access.Principal, alerts []alerting.Alert, _ incidents.Router) error {
	if err := w.gate(ctx); err != nil {
		return err
	}
	w.set(func() {
		w.received = append(w.received, alerts...)
		w.stored = append(w.stored, alerts...)
		w.traced = append(w.traced, traceID(ctx))
	})
	return nil
}

func (w *world) Alerts(ctx context.Context, scope access.Scope, _ bool) ([]alerting.Alert, error) {
	if err := w.gate(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	judge := alerting.NewJudge(alerting.Rules{}, w.kept(), nil, time.Now())
	mine := inScope(scope, w.stored, func(a alerting.Alert) string { return a.Tenant })
	for i := range mine {
		if v := judge.Verdict(mine[i]); v.Suppressed() {
			mine[i].Verdict = &v
		}
	}
	return mine, nil
}

func inScope[T any](scope access.Scope, all []T, tenant func(T) string) []T {
	var mine []T
	for _, x := range all {
		if scope.Allows(tenant(x)) {
			mine = append(mine, x)
		}
	}
	return mine
}

var theIncidents = []incidents.Incident{
	{ID: "11111111-1111-4111-8111-111111111111", Number: 2, Tenant: "acme", Title: "acme burns", Severity: incidents.Critical, State: incidents.Triggered,
		AcknowledgedBy: "ada@example.com", Policy: incidents.Policy{Name: "night", Steps: []incidents.Step{{Targets: []incidents.Target{{Email: &incidents.EmailTarget{To: []string{"oncall@example.com"}}}}}}}},
	{ID: "22222222-2222-4222-8222-222222222222", Number: 1, Tenant: "globex", Title: "globex burns", Severity: incidents.Error, State: incidents.Triggered},
}

func (w *world) Incidents(ctx context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error) {
	mine := inScope(scope, theIncidents, func(i incidents.Incident) string { return i.Tenant })
	return mine[:min(len(mine), f.Limit)], w.gate(ctx)
}
func (w *world) Incident(ctx context.Context, scope access.Scope, id string) (incidents.Incident, error) {
	if err := w.gate(ctx); err != nil {
		return incidents.Incident{}, err
	}
	for _, i := range inScope(scope, theIncidents, func(i incidents.Incident) string { return i.Tenant }) {
		if i.ID == id || id == "2" && i.Number == 2 || id == "1" && i.Number == 1 {
			return i, nil
		}
	}
	return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident %s", id)
}
func (w *world) Timeline(ctx context.Context, _ access.Scope, id string) ([]incidents.Event, error) {
	return []incidents.Event{
		{ID: 1, Incident: id, Kind: incidents.EventOpened, Actor: "system:alerts", Text: "opened", Detail: map[string]any{"x": 1}},
		{ID: 2, Incident: id, Kind: incidents.EventPageSent, Actor: "system:pager", Text: "paged oncall@example.com"},
		{ID: 3, Incident: id, Kind: incidents.EventNote, Actor: "user:1", Name: "ada@example.com", Text: "customer is rude"},
		{ID: 4, Incident: id, Kind: incidents.EventAcknowledged, Actor: "user:1", Name: "ada@example.com", Text: "ada@example.com acknowledged"},
	}, w.gate(ctx)
}
func (w *world) Attempts(ctx context.Context, _ access.Scope, id string) ([]incidents.Attempt, error) {
	return []incidents.Attempt{{ID: 1, Incident: id, Provider: "email", Took: 1500 * time.Microsecond, Outcome: "sent"}}, w.gate(ctx)
}
func (w *world) Acknowledge(ctx context.Context, _ access.Principal, id string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}
func (w *world) EscalateNow(ctx context.Context, _ access.Principal, id string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}
func (w *world) Resolve(ctx context.Context, _ access.Principal, id, _ string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}
func (w *world) Reassign(ctx context.Context, _ access.Principal, id string, to incidents.Assignment) (incidents.Incident, error) {
	if to.Turn != nil && *to.Turn != 0 {
		return incidents.Incident{}, fault.New(fault.Conflict, "incident 2 was assigned by ben@example.com meanwhile")
	}
	return w.Incident(ctx, access.Operator(), id)
}
func (w *world) Snooze(ctx context.Context, _ access.Principal, id string, _ time.Time) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}
func (w *world) Pages(ctx context.Context, _ access.Scope, id string) ([]incidents.Page, error) {
	return []incidents.Page{{ID: 1, Incident: id, Person: "ada@example.com", Method: "phone", Number: 1, State: incidents.PagePending,
		Target: incidents.Target{Email: &incidents.EmailTarget{To: []string{"ada@example.com"}}}}}, w.gate(ctx)
}
func (w *world) Note(ctx context.Context, _ access.Principal, id, _ string) (incidents.Incident, error) {
	return w.Incident(ctx, access.Operator(), id)
}

func (w *world) TakeOver(ctx context.Context, _ access.Principal, _ string, past []incidents.Past) (int, error) {
	return len(past) - 1, w.gate(ctx)
}

func (w *world) Statuses(ctx context.Context, scope access.Scope, sloID, tenant string) ([]slo.Status, []string, error) {
	var found []slo.Status
	for _, t := range []string{"acme", "globex"} {
		if scope.Allows(t) && (tenant == "" || tenant == t) && (sloID == "" || sloID == "shop-availability") {
			found = append(found, slo.Status{SLO: "shop-availability", Labels: map[string]string{"tenant": t}, Objective: 99.9})
		}
	}
	return found, []string{"The metrics engine does not answer."}, w.gate(ctx)
}
func (w *world) BurnDown(ctx context.Context, _ access.Scope, _, _ string, points int) ([]BurnPoint, slo.Prediction, error) {
	left := slo.ShareQuantiles{P10: -0.2, P50: 0.4, P90: 0.8}
	return make([]BurnPoint, min(points, 3)), slo.Prediction{Enough: true, Probability: 0.2, Left: left, Fan: []slo.FanPoint{{ShareQuantiles: left}}}, w.gate(ctx)
}
func (w *world) Posture(ctx context.Context, _ access.Scope) (Posture, error) {
	return Posture{Level: "risk", AtRisk: []PostureRisk{{SLO: "shop-availability"}}}, w.gate(ctx)
}
func (w *world) Postmortem(ctx context.Context, _ access.Scope, _ string) (string, error) {
	return "# Postmortem\n", w.gate(ctx)
}
func (w *world) SLAReport(ctx context.Context, _ access.Scope, tenant string, month slo.Month) (slo.Report, error) {
	return slo.Report{Tenant: tenant, Month: month}, w.gate(ctx)
}
func (w *world) Forecast(ctx context.Context, r ForecastRequest) (ForecastAnswer, error) {
	return ForecastAnswer{Query: r.Query, Level: r.Level, Series: []ForecastSeries{NewForecastSeries(nil, forecast.Forecast{
		Points: []forecast.Predicted{{Mean: 1}}, Models: []pool.Share{{Model: "naive", Weight: 1}}}, []forecast.Point{{Value: math.NaN()}, {Value: 1}})}}, w.gate(ctx)
}
func (w *world) Anomalies(ctx context.Context, r ForecastRequest, _ time.Duration) (forecast.Anomalies, error) {
	return forecast.Anomalies{Level: r.Level, Found: []forecast.Anomaly{{Values: 1}}}, w.gate(ctx)
}
func (w *world) Recommend(ctx context.Context, workload string) (autoscale.Decision, error) {
	return autoscale.Decision{Workload: workload}, w.gate(ctx)
}
func (w *world) Cost(ctx context.Context, _ access.Scope, _, _ time.Time) (cost.Report, error) {
	return cost.Report{}, w.gate(ctx)
}
func (w *world) Showback(ctx context.Context, _ access.Scope, _, _ time.Time, by allocation.By) (allocation.Showback, error) {
	return allocation.Showback{By: by}, w.gate(ctx)
}
func (w *world) ExportCost(ctx context.Context, from, to time.Time, issuer string) (focus.Table, error) {
	return focus.FromAllocation(allocation.Allocation{From: from, To: to}, allocation.Allocation{}, issuer), w.gate(ctx)
}
func (w *world) CostOutlook(ctx context.Context, r plan.OutlookRequest) (plan.Outlook, error) {
	return plan.Outlook{Growth: r.Growth}, w.gate(ctx)
}
func (w *world) CostBudgets(ctx context.Context) ([]cost.BudgetState, error) {
	return []cost.BudgetState{cost.Budget{Name: "shop", Alerts: cost.DefaultAlerts()}.Evaluate(cost.Money{}, nil, nil, nil)}, w.gate(ctx)
}
func (w *world) CostAnomalies(ctx context.Context, _ int, level float64) (plan.AnomalyReport, error) {
	return plan.AnomalyReport{Level: level}, w.gate(ctx)
}
func (w *world) CostSavings(ctx context.Context, _ int) (plan.SavingsReport, error) {
	return plan.SavingsReport{}, w.gate(ctx)
}
func (w *world) CostWhatIf(ctx context.Context, _, _ time.Time, set []string) (plan.Difference, error) {
	return plan.Difference{Changes: set}, w.gate(ctx)
}
func (w *world) Decisions(ctx context.Context, _ access.Scope, workload string, _ int) ([]autoscale.Decision, error) {
	return []autoscale.Decision{{Workload: workload}}, w.gate(ctx)
}
func (w *world) Forecasts(ctx context.Context, _ access.Scope, f ForecastFilter) ([]forecast.Kept, error) {
	return []forecast.Kept{{Subject: f.Subject, Query: f.Query, Labels: map[string]string{}}}, w.gate(ctx)
}
func (w *world) Observe(_ context.Context, method, route string, status int, tier string, _ time.Duration) {
	w.set(func() { w.observed = append(w.observed, observation{method, route, status, tier}) })
}
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) deps() Deps {
	return Deps{
		Sessions: w, People: w, Audit: w, Definitions: w, Versions: w, Alerts: w, Incidents: w, Past: w, Intelligence: w, Decisions: w, Forecasts: w, Metrics: w,
		Corrections: w, Budgets: w, Gate: w, Hooks: w, AlertHistory: w, Silences: w, Heartbeats: w, Explainer: w, Contacts: w, Assigner: w, Reach: ways{w}, Room: w, Trackers: w, Evidence: w, Runbooks: books{w},
		Postmortems: reviews{w},
		Router:      func() incidents.Router { return incidents.Router{} },
		TierOf:      func(tenant string) string { return "tier-" + tenant },
		Log:         slog.New(slog.NewJSONHandler(w, nil)),
	}
}

// newWorld returns an app over a fresh world; tweak may change the configuration and the dependencies.
func newWorld(t testing.TB, tweak ...func(*Config, *Deps)) (*fiber.App, *world) {
	t.Helper()
	w := &world{}
	c, d := Config{Version: "test", PrometheusURL: "http://127.0.0.1:1"}, w.deps()
	for _, f := range tweak {
		f(&c, &d)
	}
	app, err := New(c, d)
	if err != nil {
		t.Fatal(err)
	}
	return app, w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a answer) problem(t testing.TB) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(a.text), &p); err != nil {
		t.Fatalf("%d %q is no problem: %v", a.status, a.text, err)
	}
	return p
}

// ask sends a request; headers are "Name: value".
func ask(t testing.TB, app *fiber.App, method, target, content string, headers ...string) answer {
	t.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(content))
	if content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	res, err := app.Test(req, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// serve listens on a free port until the test ends and returns host:port.
func serve(t testing.TB, app *fiber.App) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- app.Listener(l) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(3 * time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("listener: %v", err)
		}
	})
	return l.Addr().String()
}

// ways are a person's, of which there is one.
type ways struct{ *world }

func (w ways) Reachability(ctx context.Context, who access.Principal, email string) (Reachability, error) {
	return Reachability{
		Email: email, Zone: "Europe/Berlin", Quiet: []incidents.Quiet{{Days: []time.Weekday{time.Monday}, From: 22 * time.Hour, To: 24 * time.Hour}},
		Methods: []ContactMethod{{ID: "7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11", Name: "mobile", Way: "sms", Address: "+4915112345678"}},
		Rules:   []incidents.Rule{{Urgency: incidents.HighUrgency, Delay: 5 * time.Minute, Method: "7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11"}}, Offered: map[string][]string{"email": {}},
	}, w.gate(ctx)
}

func (w ways) AddMethod(ctx context.Context, _ access.Principal, _ string, m ContactMethod) (ContactMethod, error) {
	return m, w.gate(ctx)
}
func (w ways) SendCode(ctx context.Context, _ access.Principal, _, _ string) error {
	return w.gate(ctx)
}
func (w ways) VerifyMethod(ctx context.Context, _ access.Principal, _, _, _ string) error {
	return w.gate(ctx)
}
func (w ways) RemoveMethod(ctx context.Context, _ access.Principal, _, _ string) error {
	return w.gate(ctx)
}
func (w ways) SetRules(ctx context.Context, _ access.Principal, _ string, rules []incidents.Rule) error {
	w.rules = rules
	return w.gate(ctx)
}
func (w ways) SetQuiet(ctx context.Context, _ access.Principal, _, zone string, quiet []incidents.Quiet) error {
	w.quiet = quiet
	return w.gate(ctx)
}

// books are the runbooks, of which there is one.
type books struct{ *world }

func (b books) Pages() []runbooks.Page {
	return []runbooks.Page{{Name: "disk-low", Title: "The disk is nearly full", Alerts: []string{"DiskLow"}, Text: "# The disk",
		Steps: []runbooks.Step{{Name: "free", Title: "What is free", Language: runbooks.PromQL, Body: "free"}}}}
}
func (b books) Page(string) (runbooks.Page, error) { return b.Pages()[0], b.gate(context.Background()) }
func (b books) Run(ctx context.Context, who access.Principal, wish RunWish) (runbooks.Run, error) {
	return runbooks.Run{ID: "r1", Runbook: wish.Runbook, Step: wish.Step, Language: runbooks.PromQL, ByName: who.Name, Outcome: runbooks.OK, BeganAt: time.Now()}, b.gate(ctx)
}
func (b books) Approve(ctx context.Context, who access.Principal, id string) (runbooks.Run, error) {
	return runbooks.Run{ID: id, Language: runbooks.HTTP, Outcome: runbooks.OK, ApprovedName: who.Name}, b.gate(ctx)
}
func (b books) Deny(ctx context.Context, who access.Principal, id, reason string) (runbooks.Run, error) {
	return runbooks.Run{ID: id, Language: runbooks.HTTP, Outcome: runbooks.Denied, ApprovedName: who.Name, Error: reason}, b.gate(ctx)
}
func (b books) Runs(ctx context.Context, _ access.Principal, _, _ string, _ int) ([]runbooks.Run, error) {
	return []runbooks.Run{{ID: "r1", Language: runbooks.SQL, Outcome: runbooks.Failed, Error: "no answer"}}, b.gate(ctx)
}
