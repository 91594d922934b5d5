package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
	"github.com/nines-sre/nines/capacity/cost/focus"
	"github.com/nines-sre/nines/capacity/cost/plan"
	"github.com/nines-sre/nines/capacity/cost/publish"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

func (a *cli) costCommand() *cobra.Command {
	return group("cost", "What usage costs, whose it is, and where it is going",
		a.costReport(), a.costForecast(), a.costWhatIf(), a.costBudget(), a.costAnomalies(), a.costSavings(), a.costExport(), a.costValidate())
}

// costSpan are the flags that name a period.
type costSpan struct{ from, to, month string }

func (s *costSpan) flags(c *cobra.Command, back time.Duration) {
	now := time.Now().UTC()
	f := c.Flags()
	f.StringVar(&s.from, "from", now.Add(-back).Format(time.RFC3339), "begin of the period")
	f.StringVar(&s.to, "to", now.Format(time.RFC3339), "end of the period")
	f.StringVar(&s.month, "month", "", "calendar month (UTC) such as 2026-11, in place of --from and --to")
}

// bounds returns the period as the API reads it.
func (s costSpan) bounds() (from, to string, err error) {
	if s.month == "" {
		return s.from, s.to, nil
	}
	at, err := time.Parse("2006-01", s.month)
	if err != nil {
		return "", "", usageError{fmt.Errorf("--month %q is not a month such as 2026-11", s.month)}
	}
	return at.Format(time.RFC3339), at.AddDate(0, 1, 0).Format(time.RFC3339), nil
}

func (a *cli) costReport() *cobra.Command {
	var span costSpan
	var tenant, by, format string
	c := &cobra.Command{
		Use: "report", Short: "Cost by tenant and item; with --by what the whole fleet cost and whose it is", Args: args(cobra.NoArgs),
		Long: "Cost by tenant and item, from price sheets and measured usage. With --by or --format the whole is allocated: workload by the\n" +
			"larger of request and usage, idle, shared and overhead, with unit costs and how much of the period was seen.",
		Example: "  nines cost report --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z\n  nines cost report --month 2026-11 --by service\n" +
			"  nines cost report --month 2026-11 --tenant acme --format html > acme.html",
		RunE: func(c *cobra.Command, _ []string) error {
			from, to, err := span.bounds()
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"from": {from}, "to": {to}}
			if tenant != "" {
				query.Set("tenant", tenant)
			}
			if by == "" && format == "" {
				var report cost.Report
				if err := api.get(c.Context(), "/cost/report", query, &report); err != nil {
					return err
				}
				return a.show(report, func() { a.printCost(report) })
			}
			query.Set("by", cmp.Or(by, string(allocation.ByTenant)))
			var s allocation.Showback
			if err := api.get(c.Context(), "/cost/allocation", query, &s); err != nil {
				return err
			}
			return a.showShowback(s, tenant, format)
		},
	}
	span.flags(c, 24*time.Hour)
	f := c.Flags()
	f.StringVar(&tenant, "tenant", "", "only this tenant")
	f.StringVar(&by, "by", "", "allocate the whole fleet, by tenant, team, service, namespace, region or resource")
	f.StringVar(&format, "format", "", "table, md or html")
	return c
}

func (a *cli) showShowback(s allocation.Showback, tenant, format string) error {
	title := "Cost report"
	if tenant != "" {
		title += " for " + tenant
	}
	switch format {
	case "md":
		a.printf("%s", publish.Markdown(s, title))
		return nil
	case "html":
		page, err := publish.HTML(s, title)
		if err != nil {
			return err
		}
		a.printf("%s", page)
		return nil
	case "", "table":
		return a.show(s, func() { a.printShowback(s) })
	}
	return usageError{errors.New("--format has to be table, md or html")}
}

func (a *cli) printShowback(s allocation.Showback) {
	a.printf("Cost from %s to %s, in %s\n\n", clock(s.From), clock(s.To), s.Currency)
	var rows [][]string
	for _, one := range s.Sums {
		rows = append(rows, []string{cmp.Or(one.Name, "(nobody)"), one.Workload.String(), one.Idle.String(), one.Shared.String(), one.Overhead.String(), one.Total.String()})
	}
	rows = append(rows, []string{"total", s.Workload.String(), s.Idle.String(), s.Shared.String(), s.Overhead.String(), s.Total.String()})
	a.table([]string{string(s.By), "workload", "idle", "shared", "overhead", "total"}, rows)
	if len(s.Units) > 0 {
		a.printf("\n")
		rows = nil
		for _, u := range s.Units {
			rows = append(rows, []string{cmp.Or(u.Tenant, "(nobody)"), u.Service, u.Cost.String(), fmt.Sprintf("%.0f", u.Requests), decimalOrMissing(u.PerRequest), decimalOrMissing(u.PerGood)})
		}
		a.table([]string{"tenant", "service", "cost", "requests", "a request", "a good one"}, rows)
	}
	a.printLacks(s.Coverage, append(s.Missing, s.Skipped...))
}

func decimalOrMissing(d *cost.Decimal) string {
	if d == nil {
		return missing
	}
	return d.String()
}

// printLacks says how much of the period was seen, and what the figures lack.
func (a *cli) printLacks(coverage []allocation.Coverage, lacks []string) {
	least, of := 1.0, 0
	for _, c := range coverage {
		least, of = min(least, c.Share), c.Of
	}
	if of > 0 {
		a.printf("\nOf %d hours the least seen source covers %s.\n", of, percent(least))
	}
	for _, l := range lacks {
		a.printf("! %s\n", printable(l))
	}
}

func (a *cli) costForecast() *cobra.Command {
	var growth, low, high string
	var users int64
	var months int
	c := &cobra.Command{
		Use: "forecast", Short: "Where the month ends, and with --growth the months after it", Args: args(cobra.NoArgs),
		Example: "  nines cost forecast\n  nines cost forecast --growth 5 --low 2 --high 8 --users 1200 --months 18",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"months": {strconv.Itoa(months)}, "users": {strconv.FormatInt(users, 10)}}
			for name, value := range map[string]string{"growth": growth, "low": low, "high": high} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var o plan.Outlook
			if err := api.get(c.Context(), "/cost/outlook", query, &o); err != nil {
				return err
			}
			return a.show(o, func() { a.printOutlook(o) })
		},
	}
	f := c.Flags()
	f.StringVar(&growth, "growth", "", "growth of users, per cent a month")
	f.StringVar(&low, "low", "", "the same at the least; half of --growth unless given")
	f.StringVar(&high, "high", "", "the same at the most; one and a half times --growth unless given")
	f.Int64Var(&users, "users", 0, "users now")
	f.IntVar(&months, "months", 12, "how many months ahead, 1 to 36")
	return c
}

func (a *cli) printOutlook(o plan.Outlook) {
	m := o.MonthEnd
	a.printf("%s: %s %s spent until %s, %s today so far.\n", m.Month, m.Spent, o.Currency, clock(m.Until), o.Today)
	if m.Expected == nil {
		a.printf("No forecast of the month's end: %s.\n", printable(m.Why))
	} else {
		a.printf("It ends at %s %s; with %g %% between %s and %s, by %d days.\n", m.Expected.Mean, o.Currency, m.Level*100, m.Expected.Lower, m.Expected.Upper, m.History)
	}
	if len(o.Path) > 0 {
		a.printf("\nA month now: %s fixed, %s that grows with users (by %d days);\nusers grow %s %% a month, %s to %s.\n\n", o.Fixed, o.Variable, o.Days,
			o.Growth.Expected, o.Growth.Low, o.Growth.High)
		var rows [][]string
		for _, p := range o.Path {
			users := missing
			if p.Users != nil {
				users = strconv.FormatInt(*p.Users, 10)
			}
			rows = append(rows, []string{p.Month, users, p.Lower.String(), p.Mean.String(), p.Upper.String()})
		}
		a.table([]string{"month", "users", "low", "expected", "high"}, rows)
	}
	a.printLacks(nil, o.Missing)
}

func (a *cli) costWhatIf() *cobra.Command {
	var span costSpan
	var set []string
	c := &cobra.Command{
		Use: "whatif --set CHANGE", Short: "Replay a period with other prices, places, replicas, growth or commitments", Args: args(cobra.NoArgs),
		Long: "Replay a period with changes and show it before and after. Nothing is changed. A CHANGE is one of\n" +
			"  price.RESOURCE=0.03 or =-10%       a new price, or a share more or less\n" +
			"  region=NEW or region.OLD=NEW       everything, or what runs in OLD, runs in NEW\n" +
			"  replicas.SERVICE=+50% or =x2       more or fewer replicas of a service; nodes follow\n" +
			"  growth=20%                         everything that is used grows; nodes follow\n" +
			"  commitment.RESOURCE=40@0.02        40 units are committed to, at 0.02 a unit and hour",
		Example: "  nines cost whatif --month 2026-11 --set price.cpu=-10% --set replicas.shop=x2",
		RunE: func(c *cobra.Command, _ []string) error {
			from, to, err := span.bounds()
			if err != nil {
				return err
			}
			for _, text := range set {
				if _, err := plan.ParseChange(text); err != nil {
					return usageError{errors.New(fault.Public(err).Message)}
				}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var d plan.Difference
			if err := api.post(c.Context(), "/cost/whatif", map[string]any{"from": from, "to": to, "set": set}, &d); err != nil {
				return err
			}
			return a.show(d, func() { a.printDifference(d) })
		},
	}
	span.flags(c, 7*24*time.Hour)
	c.Flags().StringArrayVar(&set, "set", nil, "a change (repeatable)")
	needs(c, "set")
	return c
}

func (a *cli) printDifference(d plan.Difference) {
	a.printf("%s\nfrom %s to %s, in %s\n\n", printable(strings.Join(d.Changes, ", ")), clock(d.Before.From), clock(d.Before.To), d.Before.Currency)
	var rows [][]string
	for _, r := range d.Rows {
		rows = append(rows, []string{r.Name, r.Before.String(), r.After.String(), r.Change.String()})
	}
	a.table([]string{"", "before", "after", "change"}, rows)
	a.printLacks(nil, d.After.Skipped)
}

func (a *cli) costBudget() *cobra.Command {
	return &cobra.Command{
		Use: "budget", Short: "How each cost budget stands, and which of its alerts are reached", Args: args(cobra.NoArgs),
		Example: "  nines cost budget",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Budgets []cost.BudgetState `json:"budgets"`
			}
			if err := api.get(c.Context(), "/cost/budgets", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printBudgets(answer.Budgets) })
		},
	}
}

func (a *cli) printBudgets(states []cost.BudgetState) {
	if len(states) == 0 {
		a.printf("There is no cost budget; apply a document of kind %s.\n", cost.BudgetKind)
		return
	}
	var rows [][]string
	for _, s := range states {
		expected, ahead := missing, missing
		if s.Expected != nil && s.Ahead != nil {
			expected, ahead = s.Expected.String(), percent(*s.Ahead)
		}
		rows = append(rows, []string{s.Budget.Name, s.Budget.Monthly.String(), s.Spent.String(), percent(s.Share), expected, ahead, marks(s.Alerts)})
	}
	a.table([]string{"budget", "monthly", "spent", "", "expected", "", "marks"}, rows)
	for _, s := range states {
		a.printf("%s is of %s.\n", s.Budget.Name, s.Budget.Scope)
	}
}

// marks are the alerts that are reached, such as "50, 80; ahead 100".
func marks(alerts []cost.AlertState) string {
	var spent, ahead []string
	for _, alert := range alerts {
		switch {
		case alert.Reached && alert.Of == cost.Forecast:
			ahead = append(ahead, alert.At.String())
		case alert.Reached:
			spent = append(spent, alert.At.String())
		}
	}
	text := strings.Join(spent, ", ")
	if len(ahead) > 0 {
		text += "; ahead " + strings.Join(ahead, ", ")
	}
	return cmp.Or(strings.TrimPrefix(text, "; "), "none")
}

func (a *cli) costAnomalies() *cobra.Command {
	var days int
	var level float64
	c := &cobra.Command{
		Use: "anomalies", Short: "Days that cost other than the days before made likely, by service and tenant", Args: args(cobra.NoArgs),
		Example: "  nines cost anomalies --days 60 --level 0.97",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var found plan.AnomalyReport
			query := url.Values{"days": {strconv.Itoa(days)}, "level": {strconv.FormatFloat(level, 'g', -1, 64)}}
			if err := api.get(c.Context(), "/cost/anomalies", query, &found); err != nil {
				return err
			}
			return a.show(found, func() { a.printAnomalies(found) })
		},
	}
	c.Flags().IntVar(&days, "days", 35, "how far back to look, 2 to 62")
	c.Flags().Float64Var(&level, "level", 0.95, "share of usual days: with 0.95 one usual day in twenty stands out by chance")
	return c
}

func (a *cli) printAnomalies(found plan.AnomalyReport) {
	a.printf("%d of %d series of service and tenant, %s to %s\n\n", len(found.Anomalies), found.Series, clock(found.From), clock(found.To))
	var rows [][]string
	for _, f := range found.Anomalies {
		rows = append(rows, []string{f.At.Format(time.DateOnly), f.Service, cmp.Or(f.Tenant, "(nobody)"), f.Cost.String(), f.Expected.String(), f.Off.String(), fmt.Sprintf("%.3f (%d)", f.P, f.History)})
	}
	a.table([]string{"day", "service", "tenant", "cost", "expected", "off by", "p (days)"}, rows)
	a.printLacks(nil, found.Missing)
}

func (a *cli) costSavings() *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "savings", Short: "Requests far above use and nodes that nobody asks for, with the evidence", Args: args(cobra.NoArgs),
		Example: "  nines cost savings --days 14",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var found plan.SavingsReport
			if err := api.get(c.Context(), "/cost/savings", url.Values{"days": {strconv.Itoa(days)}}, &found); err != nil {
				return err
			}
			return a.show(found, func() { a.printSavings(found) })
		},
	}
	c.Flags().IntVar(&days, "days", 7, "days of evidence, 1 to 62")
	return c
}

func (a *cli) printSavings(found plan.SavingsReport) {
	a.printf("From %s to %s: up to %s %s in 30 days\n\n", clock(found.From), clock(found.To), found.Monthly, found.Currency)
	var rows [][]string
	for _, s := range found.Savings {
		of := strings.Trim(s.Namespace+"/"+s.Service, "/")
		if s.Kind == plan.Unused {
			of = s.Place.String()
		}
		rows = append(rows, []string{s.Kind, cmp.Or(of, missing), string(s.Resource), fmt.Sprintf("%.3g", s.Have), fmt.Sprintf("%.3g", s.Need), fmt.Sprintf("%.3g", s.P95), strconv.Itoa(s.Hours), s.Monthly.String()})
	}
	a.table([]string{"kind", "of", "resource", "have", "need", "p95", "hours", "saves"}, rows)
	a.printLacks(found.Coverage, nil)
}

func (a *cli) costExport() *cobra.Command {
	var month, format, issuer, output string
	c := &cobra.Command{
		Use: "export --month YYYY-MM", Short: "Write a month's costs as billing data by FOCUS 1.2, CSV or Parquet", Args: args(cobra.NoArgs),
		Example: "  nines cost export --month 2026-11 -o cost.csv\n  nines cost export --month 2026-11 --format focus-parquet -o cost.parquet",
		RunE: func(c *cobra.Command, _ []string) error {
			if format != "focus-csv" && format != "focus-parquet" {
				return usageError{errors.New("--format has to be focus-csv or focus-parquet")}
			}
			if format == "focus-parquet" && output == "" {
				return usageError{errors.New("a Parquet file needs a name: give it with --output")}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"format": {format}}
			if issuer != "" {
				query.Set("issuer", issuer)
			}
			var content []byte
			if err := api.get(c.Context(), "/cost/export/"+url.PathEscape(month), query, &content); err != nil {
				return err
			}
			if output == "" {
				a.printf("%s", content)
				return nil
			}
			if err := os.WriteFile(output, content, 0o644); err != nil {
				return fault.Wrap(fault.Invalid, err, "write %s", output)
			}
			return a.show(map[string]string{"file": output}, func() { a.printf("wrote %s\n", output) })
		},
	}
	f := c.Flags()
	f.StringVar(&month, "month", "", "calendar month in UTC")
	f.StringVar(&format, "format", "focus-csv", "focus-csv or focus-parquet")
	f.StringVar(&issuer, "issuer", "", "who asks for the money; the price sheet's name unless given")
	f.StringVarP(&output, "output", "o", "", "file to write to")
	needs(c, "month")
	return c
}

// mostProblems keeps a broken file's problems on a few screens.
const mostProblems = 200

func (a *cli) costValidate() *cobra.Command {
	var excerpt bool
	c := &cobra.Command{
		Use: "validate FILE", Short: "Check billing data against FOCUS 1.2 without a server; every problem with its row and column", Args: args(cobra.ExactArgs(1)),
		Example: "  nines cost validate cost.csv",
		RunE: func(_ *cobra.Command, files []string) error {
			content, err := readBilling(files[0])
			if err != nil {
				return err
			}
			table, err := focus.Read(content)
			if err != nil {
				return err
			}
			problems, all := table.Validate(focus.Options{Excerpt: excerpt, Most: mostProblems})
			if all == 0 {
				return a.show(map[string]any{"rows": len(table.Rows), "problems": []any{}}, func() {
					a.printf("%d rows with %d columns are as FOCUS %s asks\n", len(table.Rows), len(table.Columns), focus.Version)
				})
			}
			e := fault.New(fault.Invalid, "%s has %d problem(s) against FOCUS %s", files[0], all, focus.Version)
			for _, p := range problems {
				e.Details = append(e.Details, fault.Detail{Where: files[0], Message: p.String()})
			}
			if all > len(problems) {
				e.Details = append(e.Details, fault.Detail{Where: files[0], Message: fmt.Sprintf("and %d more", all-len(problems))})
			}
			return e
		},
	}
	c.Flags().BoolVar(&excerpt, "excerpt", false, "the file shows only some columns: mandatory ones may be missing")
	return c
}

func readBilling(name string) ([]byte, error) {
	about, err := os.Stat(name)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read %s", name)
	}
	if about.Size() > focus.MaxBytes {
		return nil, fault.New(fault.TooLarge, "%s has more than %d MB; split it", name, focus.MaxBytes>>20)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read %s", name)
	}
	return content, nil
}

func (a *cli) printCost(r cost.Report) {
	a.printf("Cost from %s to %s\n\n", clock(r.From), clock(r.To))
	var rows [][]string
	for _, row := range r.Rows {
		rows = append(rows, []string{row.Tenant, row.Item, fmt.Sprintf("%.0f %s", row.Quantity, row.Unit), row.Cost.String(), percent(row.Share)})
	}
	rows = append(rows, []string{"total", "", "", r.Total.String(), ""})
	a.table([]string{"tenant", "item", "quantity", "cost", "share"}, rows)
	for _, s := range r.Skipped {
		a.printf("! %s\n", printable(s))
	}
}
