package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// world is everything the pages ask, made up: a shop whose availability burns for one of its three customers.
type world struct {
	mu        sync.Mutex
	now       time.Time
	failing   error // every question fails with it
	empty     bool  // nothing was ever applied or seen
	incidents []incidents.Incident
	events    map[string][]incidents.Event
	statuses  []slo.Status
	slos      map[string]slo.Versioned
	asked     []incidents.Filter
	listeners map[chan string]bool
	added     []slo.Correction
	silences  []alerting.Silence
	reviews   reviewed
	alerts    []alerting.Alert
	overrides []oncall.Override
	together  together
	ways      Ways
	links     []OnCallLink
}

var (
	ada  = access.Principal{ID: "user:7d1c", Name: "ada@example.com", Role: access.Responder}
	vic  = access.Principal{ID: "user:99aa", Name: "vic@example.com", Role: access.Viewer}
	acme = access.Principal{ID: "user:4e02", Name: "carol@acme.example", Role: access.Viewer, Tenant: "acme"}
)

var errEngine = fault.New(fault.Unavailable, "the metrics engine does not answer")

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 23, 14, 27, 5, 0, time.UTC), events: map[string][]incidents.Event{}, listeners: map[chan string]bool{}}
	w.fillPromises()
	w.fillIncidents()
	w.fillAlerts()
	return w
}

func (w *world) ago(d time.Duration) time.Time { return w.now.Add(-d) }

func (w *world) status(id, service, name, tenant string, objective slo.Objective, total, errors, burn, coverage float64) {
	st := slo.Status{
		SLO: id, Service: service, Name: name, Labels: map[string]string{}, Objective: objective, From: w.ago(30 * 24 * time.Hour), To: w.now,
		Counts: slo.Counts{Good: total - errors, Total: total}, Traffic: total > 0, Coverage: coverage, FirstSeen: w.ago(29 * 24 * time.Hour),
		Burn: burn, Version: 3, SLI: 100,
	}
	if tenant != "" {
		st.Labels["tenant"] = tenant
	}
	if st.Traffic {
		st.SLI = 100 * st.Counts.Good / total
	}
	st.Remaining = objective.Remaining(st.Counts)
	if burn > 0 && st.Remaining > 0 && st.Remaining/burn < 1 {
		st.Exhausted = w.now.Add(time.Duration(st.Remaining / burn * float64(30*24*time.Hour)))
	}
	if st.Traffic && st.Remaining <= 0 {
		st.Exhausted = w.now
	}
	if tenant == "acme" || tenant == "initech" {
		p, _ := w.Prediction(context.Background(), access.Operator(), id, tenant)
		brief := p.Brief()
		st.Prediction = &brief
	}
	w.statuses = append(w.statuses, st)
}

func (w *world) fillPromises() {
	w.status("shop-availability", "shop", "availability", "acme", 99.9, 48_211_034, 29_772, 14.2, 1)
	w.status("shop-availability", "shop", "availability", "globex", 99.9, 20_118_201, 4_022, 0.31, 1)
	w.status("shop-availability", "shop", "availability", "initech", 99.9, 1_204_331, 0, 0, 0.404)
	w.status("shop-checkout-latency", "shop", "checkout-latency", "acme", 99.5, 3_120_442, 9_811, 1.4, 1)
	w.status("nines-queries", "nines", "queries", "", 99.9, 812_004, 40, 0.05, 0.9971)
	w.status("search-freshness", "search", "freshness", "", 95, 0, 0, 0, 0)
	w.status("billing-invoices", "billing", "invoices", "globex", 99, 120_400, 1_390, 0.8, 1)
	policy := slo.Alerting{Runbook: "error-budget-burn", Policy: "shop-oncall"}
	w.slos = map[string]slo.Versioned{"shop-availability": {Version: 3, SLO: slo.SLO{
		ID: "shop-availability", Service: "shop", Name: "availability", Owner: "team-shop", Objective: 99.9, Spec: "nines/v1",
		Description: "Requests to the shop are answered without a server error.", Window: slo.Window{Rolling: 30 * 24 * time.Hour},
		GroupBy: []string{"tenant", "region"}, BudgetBy: []string{"tenant"}, Alerting: policy,
		SLI: slo.SLI{ErrorQuery: `shop_requests_total{code=~"5.."}`, TotalQuery: `shop_requests_total`},
	}}}
}

func (w *world) fillIncidents() {
	spent, little := 0.137, 0.021
	next := w.now.Add(3*time.Minute + 20*time.Second)
	opened := w.ago(11*time.Minute + 40*time.Second)
	policy := incidents.Policy{Name: "shop-oncall", Repeat: 2, Steps: []incidents.Step{
		{Targets: []incidents.Target{{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "SHOP_PAGERDUTY"}}}, {Slack: &incidents.SlackTarget{URL: incidents.Secret{File: "slack-shop"}}}}},
		{Delay: 15 * time.Minute, Targets: []incidents.Target{{Email: &incidents.EmailTarget{To: []string{"shop-leads@example.com"}}}}},
		{Delay: 15 * time.Minute, Targets: []incidents.Target{{Webhook: &incidents.WebhookTarget{URL: "https://ops.example.com/hooks/nines"}}}},
	}}
	labels := map[string]string{"alertname": "ShopAvailabilityBurn", "sloth_id": "shop-availability", "sloth_service": "shop", "sloth_severity": "page", "sloth_tier": "page-fast", "tenant": "acme"}
	w.incidents = []incidents.Incident{
		{ID: "0b6e7a52-6a5b-4d0e-9a06-3f9d6f6a1c44", Number: 42, Tenant: "acme", Title: "shop availability for acme burns 14 times too fast",
			Summary:  "1.4 % of acme’s requests to the shop failed in the last hour; 0.1 % are allowed. At this speed the budget is gone in 19 hours.",
			Severity: incidents.Critical, State: incidents.Triggered, Service: "shop", SLO: "shop-availability", Labels: labels, RunbookURL: "/runbooks/error-budget-burn",
			BudgetSpent: &spent, Policy: policy, Step: 1, NextEscalationAt: &next, StartedAt: opened.Add(-time.Minute), OpenedAt: opened, UpdatedAt: opened},
		{ID: "5a1de0f3-31fb-4bd8-8df0-08f3f1d0ce11", Number: 41, Tenant: "acme", Title: "shop checkout-latency for acme burns 3 times too fast", Severity: incidents.Warning, State: incidents.Acknowledged,
			Service: "shop", SLO: "shop-checkout-latency", Labels: map[string]string{"tenant": "acme"}, BudgetSpent: &little, OpenedAt: w.ago(5*time.Hour + 12*time.Minute), StartedAt: w.ago(5*time.Hour + 12*time.Minute), AcknowledgedBy: "linus@example.com", AcknowledgedAt: at(w.ago(5 * time.Hour))},
	}
	for n := int64(40); n > 0; n-- {
		w.incidents = append(w.incidents, w.oldIncident(n))
	}
	w.events[w.incidents[0].ID] = []incidents.Event{
		{ID: 1, At: opened, Kind: incidents.EventOpened, Actor: "system:alerts", Name: "Nines", Text: "Opened as error, firing since 14:14:25 UTC."},
		{ID: 2, At: opened.Add(time.Second), Kind: incidents.EventEscalated, Actor: "system:alerts", Name: "Nines", Text: "Step 1 of 3: paging PagerDuty (env SHOP_PAGERDUTY), Slack (file slack-shop)."},
		{ID: 3, At: opened.Add(2 * time.Second), Kind: incidents.EventPageSent, Actor: "system:pager", Name: "Nines", Text: "PagerDuty took the page."},
		{ID: 4, At: opened.Add(3 * time.Second), Kind: incidents.EventPageFailed, Actor: "system:pager", Name: "Nines", Text: "Slack did not take the page: 503 from the provider. It is tried again in 5 s."},
		{ID: 5, At: opened.Add(9 * time.Second), Kind: incidents.EventPageSent, Actor: "system:pager", Name: "Nines", Text: "Slack took the page."},
		{ID: 6, At: opened.Add(4 * time.Minute), Kind: incidents.EventSeverity, Actor: "system:alerts", Name: "Nines", Text: "Severity raised from error to critical."},
		{ID: 7, At: opened.Add(6 * time.Minute), Kind: incidents.EventNote, Actor: "user:7d1c", Name: "grace@example.com", Text: "Errors began with deployment 2026-11-23.3 of the shop; only eu-west answers 503.\nRolling back."},
	}
}

func at(t time.Time) *time.Time { return &t }

func (w *world) oldIncident(n int64) incidents.Incident {
	titles := []string{"shop availability for globex burns 6 times too fast", "nines-queries burns 3 times too fast", "billing-invoices for globex spends its whole budget", "target search:9100 is lost"}
	severities := []incidents.Severity{incidents.Error, incidents.Warning, incidents.Info, incidents.Critical}
	k := int(n) % 4
	opened := w.ago(time.Duration(43-n) * 17 * time.Hour)
	i := incidents.Incident{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Number: n, Title: titles[k], Severity: severities[k], State: incidents.Resolved, Service: "shop",
		OpenedAt: opened, StartedAt: opened, ResolvedAt: at(opened.Add(time.Duration(7+3*k) * time.Minute)), ResolvedBy: "Nines"}
	if k == 0 || k == 2 {
		i.Tenant = "globex"
	}
	if k == 3 {
		i.ResolvedBy = "ada@example.com"
	}
	return i
}

func (w *world) SignIn(_ context.Context, email, password string) (string, time.Time, error) {
	switch {
	case w.failing != nil:
		return "", time.Time{}, w.failing
	case password == "slow":
		return "", time.Time{}, fault.New(fault.Limited, "too many tries")
	case email != "ada@example.com" || password != "right":
		return "", time.Time{}, fault.New(fault.Unauthorized, "no")
	}
	return "session-token", w.now.Add(12 * time.Hour), nil
}

func (w *world) SignOut(context.Context, string) error { return w.failing }

func (w *world) Incidents(_ context.Context, scope access.Scope, f incidents.Filter) ([]incidents.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, f)
	if w.failing != nil {
		return nil, w.failing
	}
	var out []incidents.Incident
	for _, i := range w.incidents {
		inState := len(f.States) == 0
		for _, s := range f.States {
			inState = inState || i.State == s
		}
		if scope.Allows(i.Tenant) && inState && (f.SLO == "" || i.SLO == f.SLO) && (f.Before == 0 || i.Number < f.Before) && len(out) < f.Limit && !w.empty {
			out = append(out, i)
		}
	}
	return out, nil
}

func (w *world) Incident(_ context.Context, scope access.Scope, id string) (incidents.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.incidents {
		if (i.ID == id || fmt.Sprint(i.Number) == id) && scope.Allows(i.Tenant) {
			return i, nil
		}
	}
	return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident %s", id)
}

func (w *world) Timeline(_ context.Context, _ access.Scope, id string) ([]incidents.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing != nil || w.empty {
		return nil, w.failing
	}
	return append([]incidents.Event(nil), w.events[id]...), nil
}

func (w *world) Attempts(_ context.Context, _ access.Scope, id string) ([]incidents.Attempt, error) {
	if w.failing != nil || w.empty || id != w.incidents[0].ID {
		return nil, w.failing
	}
	opened := w.incidents[0].OpenedAt
	return []incidents.Attempt{
		{ID: 1, Page: 1, Number: 1, Provider: "pagerduty", StartedAt: opened.Add(time.Second), Took: 212 * time.Millisecond, Outcome: "sent", StatusCode: 202, ProviderID: "Q2X", DeliveredAt: at(opened.Add(3 * time.Second))},
		{ID: 2, Page: 2, Number: 1, Provider: "slack", StartedAt: opened.Add(time.Second), Took: 1400 * time.Millisecond, Outcome: "retry", StatusCode: 503, Error: "the provider is overloaded"},
		{ID: 3, Page: 2, Number: 2, Provider: "slack", StartedAt: opened.Add(8 * time.Second), Took: 140 * time.Millisecond, Outcome: "sent", StatusCode: 200},
		{ID: 4, Page: 3, Number: 1, Provider: "sms", StartedAt: opened.Add(9 * time.Second), Took: 90 * time.Millisecond, Outcome: "sent", StatusCode: 201, Undelivered: "the number is not in service"},
	}, nil
}

// change does something to an incident and tells everybody who listens.
func (w *world) change(id string, f func(*incidents.Incident) (incidents.Event, error)) (incidents.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing != nil {
		return incidents.Incident{}, w.failing
	}
	for n := range w.incidents {
		i := &w.incidents[n]
		if i.ID != id {
			continue
		}
		event, err := f(i)
		if err != nil {
			return *i, err
		}
		event.At = w.now
		w.events[id] = append(w.events[id], event)
		w.announce("incident", i.Tenant, id)
		return *i, nil
	}
	return incidents.Incident{}, fault.New(fault.NotFound, "there is no incident %s", id)
}

func (w *world) Acknowledge(_ context.Context, who access.Principal, id string) (incidents.Incident, error) {
	return w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		if i.State == incidents.Resolved {
			return incidents.Event{}, fault.New(fault.Conflict, "incident %d is resolved", i.Number)
		}
		i.State, i.AcknowledgedBy, i.AcknowledgedAt, i.NextEscalationAt = incidents.Acknowledged, who.Name, at(w.now), nil
		return incidents.Event{Kind: incidents.EventAcknowledged, Actor: who.ID, Name: who.Name, Text: "Acknowledged by " + who.Name + "."}, nil
	})
}

func (w *world) EscalateNow(_ context.Context, who access.Principal, id string) (incidents.Incident, error) {
	return w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		if i.State == incidents.Resolved {
			return incidents.Event{}, fault.New(fault.Conflict, "incident %d is resolved", i.Number)
		}
		i.State, i.Step = incidents.Triggered, i.Step+1
		return incidents.Event{Kind: incidents.EventEscalated, Actor: who.ID, Name: who.Name, Text: "Escalated by " + who.Name + "."}, nil
	})
}

func (w *world) Resolve(_ context.Context, who access.Principal, id, reason string) (incidents.Incident, error) {
	return w.change(id, func(i *incidents.Incident) (incidents.Event, error) {
		i.State, i.ResolvedBy, i.ResolvedAt = incidents.Resolved, who.Name, at(w.now)
		return incidents.Event{Kind: incidents.EventResolved, Actor: who.ID, Name: who.Name, Text: "Resolved by " + who.Name + ". Reason: " + reason}, nil
	})
}

func (w *world) Note(_ context.Context, who access.Principal, id, text string) (incidents.Incident, error) {
	return w.change(id, func(*incidents.Incident) (incidents.Event, error) {
		if strings.TrimSpace(text) == "" {
			return incidents.Event{}, fault.New(fault.Invalid, "text: is empty")
		}
		return incidents.Event{Kind: incidents.EventNote, Actor: who.ID, Name: who.Name, Text: text}, nil
	})
}

func (w *world) Statuses(_ context.Context, scope access.Scope, sloID, tenant string) ([]slo.Status, error) {
	if w.failing != nil || w.empty {
		return nil, w.failing
	}
	var out []slo.Status
	for _, st := range w.statuses {
		if scope.Allows(st.Labels["tenant"]) && (sloID == "" || st.SLO == sloID) && (tenant == "" || st.Labels["tenant"] == tenant) {
			out = append(out, st)
		}
	}
	return out, nil
}

// History draws a day's traffic with an outage twelve minutes ago, an older one, and two hours when nothing was seen.
func (w *world) History(_ context.Context, _ access.Scope, id, tenant string, span Span) ([]Point, error) {
	if w.failing != nil || w.empty || id == "search-freshness" {
		return nil, w.failing
	}
	step := span.To.Sub(span.From) / time.Duration(span.Points)
	var points []Point
	remaining := 0.82
	for at := span.From.Add(step); !at.After(span.To); at = at.Add(step) {
		age := span.To.Sub(at)
		if age > span.To.Sub(span.From)*6/10 && age < span.To.Sub(span.From)*65/100 {
			continue
		}
		hour := float64(at.Hour()) + float64(at.Minute())/60
		total := step.Minutes() * (1100 + 700*math.Sin((hour-9)/24*2*math.Pi) + 60*math.Sin(float64(at.Unix()/60)*1.7))
		ratio := 0.0002 + 0.0001*math.Sin(float64(at.Unix())/3000)
		if tenant == "acme" && (age < span.To.Sub(span.From)/25 || age > span.To.Sub(span.From)*3/10 && age < span.To.Sub(span.From)*33/100) {
			ratio = 0.0142
		}
		remaining -= ratio / 0.001 / float64(span.Points) * 0.28
		points = append(points, Point{At: at, Step: step, Remaining: remaining, Burn: ratio / 0.001, Errors: total * ratio, Total: total})
	}
	return points, nil
}

// Prediction burns on as the history did, with more doubt the further ahead.
func (w *world) Prediction(_ context.Context, _ access.Scope, _, tenant string) (slo.Prediction, error) {
	if w.failing != nil || w.empty {
		return slo.Prediction{}, w.failing
	}
	if tenant == "initech" {
		return slo.Prediction{At: w.now, Why: "11 hours of history were seen so far; a prediction needs a day, so that every hour was there once."}, nil
	}
	p := slo.Prediction{At: w.now, Until: w.now.Add(30 * 24 * time.Hour), Enough: true, Hours: 696, Burns: 3, Probability: 0.62}
	for i := range 25 {
		x := float64(i) / 24
		p.Fan = append(p.Fan, slo.FanPoint{At: w.now.Add(time.Duration(i) * 30 * time.Hour), ShareQuantiles: slo.ShareQuantiles{P10: 0.38 - 2.4*x, P50: 0.38 - 0.5*x, P90: 0.38 - 0.1*x}})
	}
	p.Left = p.Fan[24].ShareQuantiles
	p.IfGone = slo.TimeQuantiles{P10: w.now.Add(40 * time.Hour), P50: w.now.Add(8 * 24 * time.Hour), P90: w.now.Add(21 * 24 * time.Hour)}
	return p, nil
}

func (w *world) Posture(_ context.Context, scope access.Scope) (Posture, error) {
	switch {
	case w.failing != nil:
		return Posture{}, w.failing
	case w.empty:
		return Posture{Headline: "Nothing has been promised yet.", Level: LevelCalm}, nil
	case !scope.IsOperator():
		return Posture{Headline: "1 of your 2 promises is at risk: shop availability burns 14× too fast; we are on it.", Level: LevelRisk}, nil
	}
	return Posture{Headline: "1 of 7 promises is at risk: shop availability for acme burns 14× too fast, and nobody is on it yet.", Level: LevelBroken,
		Missing: []string{"Coverage of shop availability for initech is 40 %: no data came from ap-south between 02:10 and 19:40 UTC."}}, nil
}

func (w *world) Impact(_ context.Context, _ access.Scope, i incidents.Incident) (incidents.Impact, error) {
	if w.failing != nil || w.empty || i.SLO == "" {
		return incidents.Impact{}, w.failing
	}
	minutes, share := 10.0, 0.137
	return incidents.Impact{From: i.StartedAt, To: w.now, BadMinutes: &minutes, BudgetShare: &share, Coverage: 0.96, Objective: 99.9, Version: 3, Counts: []incidents.Harm{
		{Tenant: "acme", Region: "us-east", Errors: 14, Total: 10_233}, {Tenant: "acme", Region: "eu-west", Errors: 6_604, Total: 18_120}}}, nil
}

func (w *world) Postmortem(ctx context.Context, scope access.Scope, id string) (string, error) {
	if w.failing != nil {
		return "", w.failing
	}
	i, err := w.Incident(ctx, scope, id)
	if err != nil {
		return "", err
	}
	impact, _ := w.Impact(ctx, scope, i)
	attempts, _ := w.Attempts(ctx, scope, id)
	return incidents.DraftPostmortem(i, w.events[id], attempts, impact, w.now), nil
}

func (w *world) SLAReport(_ context.Context, scope access.Scope, tenant string, month slo.Month) (slo.Report, error) {
	if w.failing != nil {
		return slo.Report{}, w.failing
	}
	if w.empty || !scope.Allows(tenant) || month.Year < 2026 {
		return slo.Report{}, fault.New(fault.NotFound, "there is no contract for %q", tenant)
	}
	from, to := month.Bounds("Europe/Berlin")
	contract := slo.Contract{Tenant: tenant, Name: "Acme Corporation", Tier: "gold", Zone: "Europe/Berlin", Promises: []slo.Promise{
		{SLO: "shop-availability", Objective: 99.9, Credits: []slo.CreditTier{{Below: 99.9, Credit: 10}, {Below: 99, Credit: 25}}},
		{SLO: "shop-returns", Objective: 99}}}
	var buckets []slo.Bucket
	for at := from; at.Before(to) && at.Before(w.now.Add(-time.Hour)); at = at.Add(5 * time.Minute) {
		for n, region := range []string{"eu-west", "us-east"} {
			bad := 0.0
			if at.Hour() == 13 && n == 0 {
				bad = 60
			}
			buckets = append(buckets, slo.Bucket{Series: slo.Series{SLO: "shop-availability", Tenant: tenant, Region: region, Group: "{}"}, Start: at, Width: 5 * time.Minute,
				Counts: slo.Counts{Good: 1800 - bad, Total: 1800}, Seen: 5, Expect: 5, Version: 3})
		}
	}
	closed := map[string]time.Time{"shop-availability": w.now.Add(-time.Hour)}
	return slo.NewReport(contract, []slo.Versioned{w.slos["shop-availability"]}, 2, buckets, month, closed, w.now, w.reported(from)...), nil
}

func (w *world) SLO(id string) (slo.Versioned, bool) { v, ok := w.slos[id]; return v, ok && !w.empty }

func (w *world) Contracts() []slo.Contract {
	if w.empty {
		return nil
	}
	return []slo.Contract{{Tenant: "acme", Name: "Acme Corporation"}, {Tenant: "globex", Name: "Globex"}}
}

func runbook(name string) (string, bool) {
	return "# Error budget burns too fast\n\nThe service fails more often than was promised. **Find out for whom**, then undo what changed.\n\n## What it means\n\n" +
		"The budget of the window is spent at least 14.4 times faster than allowed, over an hour and over five minutes.\n\n## First five minutes\n\n" +
		"1. Acknowledge, so that nobody else is woken.\n2. Open the promise and look whether *one* tenant or region stands out.\n3. Compare with the last deployment:\n\n```\nkubectl rollout history deployment/shop\n```\n\n" +
		"## Who can help\n\n| Question | Who | Hours |\n|---|---|--:|\n| Shop code | team-shop | 24 |\n| Network | [netops](https://example.com/netops) | 8 |\n\n> Nothing is lost by rolling back first.\n\n- [ ] Tell the customer\n- [x] Check `shop_requests_total`\n", name == "error-budget-burn"
}

func (w *world) announce(topic, tenant, id string) {
	data, _ := json.Marshal(map[string]string{"topic": topic, "tenant": tenant, "id": id})
	for l := range w.listeners {
		select {
		case l <- string(data):
		default:
		}
	}
}

// app serves the world's pages to whoever the function says is signed in.
func (w *world) app(who func(*fiber.Ctx) access.Principal) *fiber.App {
	app := fiber.New(fiber.Config{Immutable: true, DisableStartupMessage: true, ErrorHandler: answerError})
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(access.WithPrincipal(c.UserContext(), who(c)))
		return c.Next()
	})
	err := Mount(app, Config{CookieName: "nines_session", BaseURL: "http://localhost", Version: "1.0.0"},
		Deps{Sessions: w, Incidents: w, Insight: w, Definitions: w, Runbook: runbook, Corrections: corrections{w}, Changes: w, Alerts: alertsOf{w}, Contacts: contactsOf{w}, Assigner: assignerOf{w}, Room: roomOf{w}, Runbooks: runbooksOf{w}, OnCall: onCallOf{w}, Reach: reachOf{w}, Postmortems: postmortemsOf{w}, Evidence: evidenceOf{w}, Capacity: capacityOf{w}, Now: func() time.Time { return w.now }})
	if err != nil {
		panic(err)
	}
	return app
}

func as(p access.Principal) func(*fiber.Ctx) access.Principal {
	return func(*fiber.Ctx) access.Principal { return p }
}

// answerError is the little of httpapi's error handler that these tests need.
func answerError(c *fiber.Ctx, err error) error {
	statuses := map[fault.Kind]int{fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409,
		fault.Limited: 429, fault.Unavailable: 503, fault.Timeout: 504}
	status := http.StatusInternalServerError
	if s, ok := statuses[fault.KindOf(err)]; ok {
		status = s
	}
	return HTMLError(c, status, fault.Public(err).Message)
}
