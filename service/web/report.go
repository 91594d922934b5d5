package web

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

type reportsView struct {
	Tenants []slo.Contract // to choose from; one for a tenant's own people
	Months  []slo.Month    // to choose from, newest first
	Tenant  string
	Month   slo.Month
	Report  *slo.Report // nil: nothing chosen, or it could not be made
	Lines   []promiseLine
	Asked   bool   // false: it could not be asked
	File    string // address of the same report as JSON
	Made    time.Time
}

// promiseLine is one promise of a report, in words.
type promiseLine struct {
	slo.PromiseReport
	Title    string
	Figure   string
	Verdict  string
	Class    string
	Spent    string
	Bad      string
	Covered  string
	Missing  string
	Credited string
	Rules    string // which versions of the definition counted
	Regions  []regionLine

	Told         []reportCorrection
	ExcludedText string
	ImputedFloat float64
}

type regionLine struct {
	slo.RegionReport
	Figure, Bad string
}

func (s *site) reports(c *fiber.Ctx, who access.Principal) error {
	now := s.Now().UTC()
	view := reportsView{Tenants: s.contractsFor(who), Months: monthsBefore(now, 13), Made: now, Asked: true}
	view.Tenant = strings.Clone(c.Query("tenant"))
	if who.Tenant != "" {
		view.Tenant = who.Tenant
	} else if view.Tenant == "" && len(view.Tenants) > 0 {
		view.Tenant = view.Tenants[0].Tenant
	}
	view.Month = view.Months[0]
	if asked := c.Query("month"); asked != "" {
		month, err := slo.ParseMonth(asked)
		if err != nil {
			return err
		}
		view.Month = month
	}
	if !slices.Contains(view.Months, view.Month) {
		view.Months = append(view.Months, view.Month)
	}
	m := s.missing(c.UserContext())
	if view.Tenant != "" {
		report, err := s.Insight.SLAReport(c.UserContext(), who.Scope(), view.Tenant, view.Month)
		switch {
		case err == nil:
			view.setReport(report)
		case fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) && who.Tenant == "":
			return err
		default:
			m.note("the report", err)
			view.Asked = fault.Is(err, fault.NotFound)
		}
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "reports", Title: reportTitle(view), Section: "reports", Missing: m.texts(), Body: view,
	})
}

func reportTitle(v reportsView) string {
	if v.Report == nil {
		return "SLA reports"
	}
	return fmt.Sprintf("SLA report %s %s", v.Report.Tenant, v.Month)
}

// contractsFor returns the contracts that somebody may choose from.
func (s *site) contractsFor(who access.Principal) []slo.Contract {
	return slices.DeleteFunc(slices.Clone(s.Definitions.Contracts()), func(c slo.Contract) bool { return !who.Scope().Allows(c.Tenant) })
}

// monthsBefore returns so many months up to the one that now lies in, newest first.
func monthsBefore(now time.Time, n int) []slo.Month {
	months := make([]slo.Month, 0, n)
	for i := range n {
		t := time.Date(now.Year(), now.Month()-time.Month(i), 1, 0, 0, 0, 0, time.UTC)
		months = append(months, slo.Month{Year: t.Year(), Month: t.Month()})
	}
	return months
}

// monthName writes a month for people: "November 2026".
func monthName(m slo.Month) string { return fmt.Sprintf("%s %d", m.Month, m.Year) }

func (v *reportsView) setReport(r slo.Report) {
	v.Report = &r
	v.File = "/api/v1/reports/sla?tenant=" + r.Tenant + "&month=" + r.Month.String()
	for _, p := range r.Promises {
		line := lineOf(p)
		if r.Provisional && p.Met != nil {
			line.Verdict += " so far"
		}
		v.Lines = append(v.Lines, line)
	}
}

func lineOf(p slo.PromiseReport) promiseLine {
	line := promiseLine{
		PromiseReport: p, Title: p.Service + " " + p.Name, Verdict: "no traffic", Class: "idle", Figure: unknown, Spent: unknown,
	}
	if !p.Defined {
		line.Title, line.Verdict = p.SLO, "not defined any more"
	}
	if p.Displayed != "" {
		line.Figure = p.Displayed + thin + "%"
	}
	if p.Met != nil {
		line.Verdict, line.Class = "kept", "calm"
		if !*p.Met {
			line.Verdict, line.Class = "missed", "spent"
		}
	}
	if p.BudgetSpent != nil {
		line.Spent = shareText(*p.BudgetSpent)
	}
	line.Bad, line.Covered = minutesText(p.BadMinutes), shareText(p.Coverage)
	if p.MissingHours > 0 {
		line.Missing = spanText(time.Duration(p.MissingHours * float64(time.Hour)))
	}
	if p.Credit > 0 {
		line.Credited = trimmed(p.Credit, 2) + thin + "%"
	}
	line.Rules = versionsText(p.Versions)
	line.Told, line.ExcludedText, line.ImputedFloat = reportCorrections(p.Corrections), minutesText(p.ExcludedMinutes), float64(p.Imputed)
	for _, r := range p.Regions {
		row := regionLine{RegionReport: r, Figure: unknown, Bad: minutesText(r.BadMinutes)}
		if r.Displayed != "" {
			row.Figure = r.Displayed + thin + "%"
		}
		line.Regions = append(line.Regions, row)
	}
	return line
}

func minutesText(m float64) string {
	if !finite(m) {
		return unknown
	}
	if m >= 100 {
		return countText(math.Ceil(m)) + thin + "min"
	}
	return trimmed(m, 1) + thin + "min"
}

func versionsText(versions []int) string {
	if len(versions) == 0 {
		return unknown
	}
	texts := make([]string, len(versions))
	for i, v := range versions {
		texts[i] = fmt.Sprintf("%d", v)
	}
	return strings.Join(texts, ", ")
}
