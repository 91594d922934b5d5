package web

import (
	"cmp"
	"context"
	"html/template"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// sparkRows is for how many promises the overview draws the last day; those at risk come first.
const sparkRows = 40

type overviewView struct {
	Posture   Posture
	Incidents []incidentRow
	Promises  []promiseRow
	Known     bool // false: the promises could not be asked
	Asked     bool // false: the incidents could not be asked
}

// promiseRow is one promise as a line of the overview.
type promiseRow struct {
	Status    slo.Status
	Tenant    string
	URL       string
	Health    health
	SLI       string
	Budget    string
	Of        string // the whole budget as time, such as "43 min"
	Meter     template.HTML
	Burn      string
	Exhausted string
	GoneNote  string // what that rests on
	Coverage  string // "" where all was seen
	Spark     template.HTML
}

func (s *site) overview(c *fiber.Ctx, who access.Principal) error {
	ctx, scope, now := c.UserContext(), who.Scope(), s.Now().UTC()
	m := s.missing(ctx)
	var view overviewView
	var statuses []slo.Status
	var open []incidents.Incident
	var askedPosture, askedStatuses, askedIncidents error
	var wait sync.WaitGroup
	wait.Go(func() { view.Posture, askedPosture = s.Insight.Posture(ctx, scope) })
	wait.Go(func() { statuses, askedStatuses = s.Insight.Statuses(ctx, scope, "", "") })
	wait.Go(func() {
		open, askedIncidents = s.Incidents.Incidents(ctx, scope, incidents.Filter{States: openStates, Limit: 50})
	})
	wait.Wait()
	m.note("the state of the whole", askedPosture)
	m.note("promises", askedStatuses)
	m.note("incidents", askedIncidents)
	view.Known, view.Asked = askedStatuses == nil, askedIncidents == nil
	if askedPosture != nil {
		view.Posture = Posture{Headline: "Whether promises are at risk is not known right now."}
	}
	view.Incidents = incidentRows(open, now, viewerOf(who), "overview")
	view.Promises = s.promiseRows(statuses, now)
	s.drawSparks(ctx, scope, view.Promises, now)
	return s.render(c, fiber.StatusOK, page{
		Template: "overview", Title: "Overview", Section: "overview", Topics: "incident alert definitions ledger",
		Missing: append(slices.Clone(view.Posture.Missing), m.texts()...), Body: view,
	})
}

// promiseRows orders the promises by trouble, then by name.
func (s *site) promiseRows(statuses []slo.Status, now time.Time) []promiseRow {
	rows := make([]promiseRow, 0, len(statuses))
	for _, st := range statuses {
		rows = append(rows, s.promiseRow(st, now))
	}
	slices.SortStableFunc(rows, func(a, b promiseRow) int {
		return cmp.Or(cmp.Compare(a.Health.rank, b.Health.rank), cmp.Compare(a.Status.Service, b.Status.Service),
			cmp.Compare(a.Status.Name, b.Status.Name), cmp.Compare(a.Tenant, b.Tenant))
	})
	return rows
}

func (s *site) promiseRow(st slo.Status, now time.Time) promiseRow {
	row := promiseRow{
		Status: st, Tenant: st.Labels["tenant"], Health: healthOf(st, now), SLI: unknown, Budget: unknown, Burn: unknown,
		Exhausted: unknown, Of: spanText(budgetSpan(st.Objective, windowLength(st))),
	}
	row.URL = promiseURL(st.SLO, row.Tenant)
	if !st.Traffic {
		row.Meter = meter(nan, "unknown")
		return row
	}
	row.SLI, row.Budget, row.Burn = sliText(st.Counts, st.Objective), budgetText(st.Remaining), burnText(st.Burn)
	row.Meter = meter(st.Remaining, row.Health.Class)
	row.Exhausted, row.GoneNote = goneText(st, now), goneNote(st)
	if st.Coverage < 0.995 {
		row.Coverage = shareText(st.Coverage)
	}
	return row
}

func windowLength(st slo.Status) time.Duration { return st.To.Sub(st.From) }

// exhaustedText says when the budget is gone at the present speed.
func exhaustedText(st slo.Status, now time.Time) string {
	switch {
	case st.Remaining <= 0:
		return "spent"
	case st.Exhausted.IsZero():
		return "lasts the window"
	case !st.Exhausted.After(now):
		return "now"
	}
	return "in " + spanText(st.Exhausted.Sub(now))
}

// health is how a promise stands, as a word, a class for its colour and shape, and an order.
type health struct {
	Word, Class string
	rank        int
}

// healthOf judges by facts that stand beside it: what is left and whether it lasts.
func healthOf(st slo.Status, now time.Time) health {
	soon := !st.Exhausted.IsZero() && st.Exhausted.Sub(now) < windowLength(st)/10
	switch {
	case !st.Traffic:
		return health{"no traffic seen", "idle", 4}
	case st.Remaining <= 0:
		return health{"budget spent", "spent", 0}
	case soon && st.Burn >= 1:
		return health{"burning fast", "hot", 1}
	case !st.Exhausted.IsZero() && st.Burn >= 1:
		return health{"burning", "warm", 2}
	}
	return health{"on track", "calm", 3}
}

// drawSparks asks for the last day of the first rows, a few at a time. A row that cannot be asked stays without.
func (s *site) drawSparks(ctx context.Context, scope access.Scope, rows []promiseRow, now time.Time) {
	var g errgroup.Group
	g.SetLimit(4)
	span := Span{From: now.Add(-24 * time.Hour), To: now, Points: 64}
	for i := range rows[:min(len(rows), sparkRows)] {
		row := &rows[i]
		if !row.Status.Traffic {
			continue
		}
		g.Go(func() error {
			points, err := s.Insight.History(ctx, scope, row.Status.SLO, row.Tenant, span)
			if err != nil {
				s.Log.WarnContext(ctx, "no sparkline", "slo", row.Status.SLO, "error", err)
				return nil
			}
			row.Spark = budgetSpark(points, row.Health.Class, span)
			return nil
		})
	}
	_ = g.Wait() // no row fails the page
}

func budgetSpark(points []Point, class string, span Span) template.HTML {
	values := valuesOf(withSteps(points), func(p Point) float64 { return p.Remaining })
	drawn := plot{Points: values, Format: budgetText, Nothing: "nothing seen in the last 24 hours"}
	return spark("Budget over 24 hours. "+drawn.Describe(), class, values, span.From, span.To)
}
