package web

import (
	"context"
	"math"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

var nan = math.NaN()

type promiseView struct {
	ID        string
	SLO       slo.SLO
	Defined   bool // false: only the ledger still knows it
	Version   int
	Status    *promiseRow // nil: nothing is known of the chosen tenant
	Tenants   []choice    // budgets of this promise, where there is more than one
	Ranges    []choice
	Words     string // the objective as a sentence
	Window    string
	Plots     []plot
	Outlook   string // whether the budget lasts, in sentences
	Span      Span
	Incidents []incidentRow
	Changes   []changeRow // of its service, the newest
	Asked     bool        // false: the incidents could not be asked
	Queries   []query
	Tiers     []tierRow

	Corrections correctionsView
}

// choice is one link of a set of which one is current.
type choice struct {
	Label, URL string
	Current    bool
}

type query struct{ Name, Text string }

type tierRow struct{ Name, Factor, Long, Short string }

// ranges are the spans that plots can show. The last is the whole window.
var ranges = []struct {
	name, label string
	length      time.Duration
}{
	{"1h", "1 h", time.Hour}, {"6h", "6 h", 6 * time.Hour}, {"24h", "24 h", 24 * time.Hour}, {"7d", "7 d", 7 * 24 * time.Hour},
	{"window", "Window", 0},
}

// plotPoints is how many steps a plot asks for: about one for two pixels.
const plotPoints = 240

func promiseURL(id, tenant string) string {
	u := "/slos/" + url.PathEscape(id)
	if tenant != "" {
		u += "?tenant=" + url.QueryEscape(tenant)
	}
	return u
}

func (s *site) promise(c *fiber.Ctx, who access.Principal) error {
	id, err := url.PathUnescape(c.Params("id"))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such promise")
	}
	ctx, scope, now := c.UserContext(), who.Scope(), s.Now().UTC()
	m := s.missing(ctx)
	defined, isDefined := s.Definitions.SLO(id)
	statuses, err := s.Insight.Statuses(ctx, scope, id, "")
	if err != nil && final(err) || err == nil && len(statuses) == 0 && !(isDefined && scope.IsOperator()) {
		return fault.New(fault.NotFound, "there is no promise %q, or it is not yours", id)
	}
	m.note("the promise’s state", err)
	rows := s.promiseRows(statuses, now)
	tenant := chooseTenant(c.Query("tenant"), who, rows)
	view := promiseView{ID: id, SLO: defined.SLO, Defined: isDefined, Version: defined.Version, Window: windowText(defined.SLO.Window)}
	view.choose(rows, tenant)
	if view.Status != nil {
		tenant = view.Status.Tenant // "" where everybody shares one budget
	}
	if st := view.Status; st != nil && !isDefined { // the ledger still knows what it was
		view.SLO.Service, view.SLO.Name = st.Status.Service, st.Status.Name
	}
	view.Words = objectiveWords(defined.SLO, view.Status)
	view.Span = view.spanOf(c.Query("range"), now)
	view.Ranges = view.rangeChoices(c.Query("range"), tenant)
	view.explain(defined.SLO, isDefined, scope)
	view.Corrections = s.correctionsOf(ctx, who, id, tenant, now, m)
	s.fillPromise(ctx, who, &view, tenant, now, m)
	return s.render(c, fiber.StatusOK, page{
		Template: "promise", Title: promiseTitle(view, tenant), Section: "overview",
		Topics: "incident alert definitions ledger correction", Missing: m.texts(), Body: view,
	})
}

// fillPromise asks for the history and the incidents of the promise.
func (s *site) fillPromise(ctx context.Context, who access.Principal, view *promiseView, tenant string, now time.Time, m *missing) {
	scope := who.Scope()
	var points []Point
	var list []incidents.Incident
	var changes []slo.Change
	var askedHistory, askedIncidents, askedChanges error
	var wait sync.WaitGroup
	wait.Go(func() { points, askedHistory = s.Insight.History(ctx, scope, view.ID, tenant, view.Span) })
	var prediction slo.Prediction
	var askedPrediction error
	if view.Defined {
		wait.Go(func() { prediction, askedPrediction = s.Insight.Prediction(ctx, scope, view.ID, tenant) })
	}
	wait.Go(func() {
		list, askedIncidents = s.Incidents.Incidents(ctx, scope, incidents.Filter{SLO: view.ID, Limit: 20})
	})
	if scope.IsOperator() && s.Changes != nil && view.SLO.Service != "" {
		wait.Go(func() {
			changes, askedChanges = s.Changes.Changes(ctx, scope, slo.ChangeFilter{Service: view.SLO.Service, Since: view.Span.From})
		})
	}
	wait.Wait()
	m.note("changes", askedChanges)
	view.Changes = changeRows(changes, now)
	m.note("the history", askedHistory)
	m.note("the prediction", askedPrediction)
	m.note("incidents", askedIncidents)
	if tenant != "" {
		list = slices.DeleteFunc(list, func(i incidents.Incident) bool { return i.Tenant != tenant && i.Tenant != "" })
	}
	view.Incidents = incidentRows(list, now, viewerOf(who), "")
	objective := view.SLO.Objective
	if view.Status != nil {
		objective = view.Status.Status.Objective
	}
	view.Plots, view.Asked = plotsOf(points, objective, view.SLO, view.Span), askedIncidents == nil
	for i := range view.Plots {
		view.Plots[i].Bands = view.Corrections.bands(view.Span)
		view.Plots[i].Events = plotEventsOf(changes)
	}
	view.look(prediction)
	if askedHistory != nil {
		for i := range view.Plots {
			view.Plots[i].Nothing = "Not known right now."
		}
	}
}

// chooseTenant takes the asked-for tenant, a tenant user's own, or the one in most trouble.
func chooseTenant(asked string, who access.Principal, rows []promiseRow) string {
	switch {
	case who.Tenant != "":
		return who.Tenant
	case asked != "":
		return asked
	case len(rows) > 0:
		return rows[0].Tenant
	}
	return ""
}

func (v *promiseView) choose(rows []promiseRow, tenant string) {
	for i, row := range rows {
		if row.Tenant == tenant || len(rows) == 1 && row.Tenant == "" {
			v.Status = &rows[i]
		}
	}
	if len(rows) < 2 {
		return
	}
	for _, row := range rows {
		label := row.Tenant
		if label == "" {
			label = "all"
		}
		v.Tenants = append(v.Tenants, choice{Label: label, URL: row.URL, Current: row.Tenant == tenant})
	}
	slices.SortFunc(v.Tenants, func(a, b choice) int {
		if a.Label < b.Label {
			return -1
		}
		return 1
	})
}

// spanOf returns the span to draw. Unless one was asked for it is the window, or, where the first data is younger,
// the shortest range that holds it all: a promise that is an hour old is not shown as an edge of thirty days.
func (v *promiseView) spanOf(asked string, now time.Time) Span {
	span := Span{From: now.Add(-v.SLO.Window.Length()), To: now, Points: plotPoints}
	var first time.Time
	if v.Status != nil {
		span.From, first = v.Status.Status.From, v.Status.Status.FirstSeen
	}
	for _, r := range ranges {
		from := now.Add(-r.length)
		if r.length == 0 || from.Before(span.From) {
			continue
		}
		if r.name == asked || !knownRange(asked) && !first.IsZero() && first.After(from) {
			span.From = from
			break
		}
	}
	return span
}

func knownRange(name string) bool {
	for _, r := range ranges {
		if r.name == name {
			return true
		}
	}
	return false
}

func (v *promiseView) rangeChoices(asked, tenant string) []choice {
	var out []choice
	length := v.Span.To.Sub(v.Span.From)
	for _, r := range ranges {
		u := url.Values{"range": {r.name}}
		if tenant != "" {
			u.Set("tenant", tenant)
		}
		current := r.name == asked || !knownRange(asked) && r.length == length
		out = append(out, choice{Label: r.label, URL: "/slos/" + url.PathEscape(v.ID) + "?" + u.Encode(), Current: current})
	}
	if !knownRange(asked) && !slices.ContainsFunc(out, func(c choice) bool { return c.Current }) {
		out[len(out)-1].Current = true
	}
	return out
}

func promiseTitle(v promiseView, tenant string) string {
	title := v.ID
	if v.SLO.Name != "" {
		title = v.SLO.Service + " " + v.SLO.Name
	}
	if tenant != "" {
		title += " for " + tenant
	}
	return title
}

// objectiveWords says the promise as people would: what share, of what, and what that allows.
func objectiveWords(s slo.SLO, row *promiseRow) string {
	objective, window := s.Objective, s.Window.Length()
	over := windowText(s.Window)
	if row != nil {
		objective, window = row.Status.Objective, windowLength(row.Status)
	}
	if objective == 0 {
		return ""
	}
	what := "of all requests must be good"
	if s.SLI.Histogram != "" {
		what = "of all requests must be answered within " + tookText(s.SLI.Threshold)
	}
	if s.SLI.RatioQuery != "" {
		what = "of the time must be good"
	}
	if s.Window == (slo.Window{}) {
		over = windowText(slo.Window{Rolling: window})
	}
	return objective.String() + thin + "% " + what + ", over " + over + ". That allows " +
		spanText(budgetSpan(objective, window)) + " of full outage."
}

// explain shows how the promise is measured; queries are the operator's own.
func (v *promiseView) explain(s slo.SLO, defined bool, scope access.Scope) {
	if !defined {
		return
	}
	for _, t := range s.Tiers() {
		v.Tiers = append(v.Tiers, tierRow{t.Name, axisBurn(t.Factor), spanText(t.Long), spanText(t.Short)})
	}
	if !scope.IsOperator() {
		return
	}
	for _, q := range []query{
		{"Errors", s.SLI.ErrorQuery}, {"All events", s.SLI.TotalQuery}, {"Error ratio", s.SLI.RatioQuery},
		{"Histogram", histogramText(s.SLI)},
	} {
		if q.Text != "" {
			v.Queries = append(v.Queries, q)
		}
	}
}

func histogramText(sli slo.SLI) string {
	if sli.Histogram == "" {
		return ""
	}
	return sli.Histogram + sli.Selector + " slower than " + tookText(sli.Threshold)
}
