package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo/backtest"
)

// backtestBody is the result as JSON.
type backtestBody struct {
	backtest.Result
	Tuning *backtest.Tuning `json:"tuning,omitempty"`
}

const (
	plainWidth = 100 // of charts where there is no terminal
	mostPages  = 40  // in the table of pages, for each rule set; JSON has all
)

func (a *cli) backtestShow(ctx context.Context, replay *backtest.Replay, o backtestFlags) error {
	body := backtestBody{Result: replay.Result()}
	if o.tune {
		tuning, err := replay.Tune(ctx, o.falsePages)
		if err != nil {
			return err
		}
		body.Tuning = &tuning
	}
	if o.svg != "" {
		picture := replay.Chart(body.Result, backtest.SVGColumns).SVG()
		if err := os.WriteFile(o.svg, []byte(picture), 0o644); err != nil {
			return fault.Wrap(fault.Invalid, err, "write the drawing")
		}
	}
	return a.show(body, func() { a.printBacktest(replay, body, o) })
}

func (a *cli) printBacktest(replay *backtest.Replay, body backtestBody, o backtestFlags) {
	r := body.Result
	a.printf("%s, %s %%, from %s to %s, by %s\n\n", printable(r.SLO), r.Objective, clock(r.From), clock(r.To), r.Origin)
	wide := width(a.out)
	if wide == 0 {
		wide = plainWidth
	}
	a.printf("%s\n", replay.Chart(r, backtest.TerminalColumns(wide, o.ascii)).Text(o.ascii))
	a.printGroups(r)
	a.printComparison(r)
	a.printPages(r)
	if body.Tuning != nil {
		a.printTuning(*body.Tuning)
	}
	for _, n := range r.Notes {
		a.printf("! %s\n", printable(n))
	}
	if o.svg != "" {
		a.printf("Drawn to %s\n", printable(o.svg))
	}
}

func (a *cli) printGroups(r backtest.Result) {
	var rows [][]string
	for _, g := range r.Groups {
		rows = append(rows, []string{labelText(g.Labels), count(g.Total), count(g.Errors), percent(g.Spent), percent(g.Coverage)})
	}
	if len(rows) > 0 {
		a.table([]string{"for", "events", "errors", "budget spent", "seen"}, rows)
		a.printf("\n")
	}
}

// printComparison sets the rule sets side by side.
func (a *cli) printComparison(r backtest.Result) {
	var rows [][]string
	for _, set := range r.Rules {
		row := []string{set.Name, fmt.Sprint(len(set.Pages)), fmt.Sprint(len(set.Tickets))}
		if s := set.Score; s != nil {
			row = append(row, fmt.Sprintf("%d/%d", s.Detected, s.Incidents), percent(s.Precision), fmt.Sprintf("%.1f", s.FalsePages),
				orDash(s.DelayMedian), orDash(s.DelayWorst), orDash(s.ResetMedian))
		}
		rows = append(rows, row)
	}
	header := []string{"rules", "pages", "tickets"}
	if len(r.Rules) > 0 && r.Rules[0].Score != nil {
		header = append(header, "found", "precision", "false/30d", "delay", "worst", "reset")
	}
	a.table(header, rows)
	a.printf("\n")
	for _, set := range r.Rules {
		if set.Score != nil && len(set.Score.Missed) > 0 {
			a.printf("%s did not page for: %s\n", set.Name, printable(strings.Join(set.Score.Missed, ", ")))
		}
	}
}

func (a *cli) printPages(r backtest.Result) {
	var rows [][]string
	grouped := len(r.Groups) > 0 && len(r.Groups[0].Labels) > 0
	for _, set := range r.Rules {
		for i, p := range set.Pages {
			if i == mostPages {
				rows = append(rows, []string{set.Name, fmt.Sprintf("and %d more", len(set.Pages)-i)})
				break
			}
			row := []string{set.Name, p.Tier, second(p.Fired), lasted(p), orDash(p.Delay), orDash(p.ResetAfter), percent(p.Spent), a.belongs(r, p)}
			if grouped {
				row = slices.Insert(row, 2, labelText(p.Labels))
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		a.printf("Nothing would have paged.\n\n")
		return
	}
	header := []string{"rules", "tier", "fired (UTC)", "lasted", "delay", "reset", "spent", "incident"}
	if grouped {
		header = slices.Insert(header, 2, "for")
	}
	a.table(header, rows)
	a.printf("\nDelay is from an incident's start, reset from its end; spent is of the period's budget by then.\n\n")
}

func (a *cli) belongs(r backtest.Result, p backtest.Page) string {
	switch {
	case p.Incident != "":
		return p.Incident
	case len(r.Rules) > 0 && r.Rules[0].Score != nil:
		return "none: false"
	}
	return missing
}

func second(t time.Time) string { return t.UTC().Format("01-02 15:04:05") }

func lasted(p backtest.Page) string {
	if p.Reset.IsZero() {
		return "still on"
	}
	return short(p.Reset.Sub(p.Fired))
}

func orDash(seconds *float64) string {
	if seconds == nil {
		return missing
	}
	return short(time.Duration(*seconds * float64(time.Second)))
}

func (a *cli) printTuning(t backtest.Tuning) {
	a.printf("Tried %d ways to page for at most %g false pages in 30 days:\n\n", t.Tried, t.Wanted)
	row := func(name string, p backtest.Proposal) []string {
		return []string{name, fmt.Sprintf("%d/%d", p.Score.Detected, p.Score.Incidents), orDash(p.Score.DelayMedian), orDash(p.Score.DelayWorst),
			fmt.Sprintf("%.2f", p.Score.FalsePages), fmt.Sprintf("%.2f", p.Resampled), fmt.Sprintf("%.2f", p.Upper)}
	}
	rows := [][]string{row("as it is", t.Current)}
	for i, p := range t.Proposals {
		rows = append(rows, row(fmt.Sprintf("proposal %d", i+1), p))
	}
	a.table([]string{"", "found", "delay", "worst", "false/30d", "resampled", "not excluded"}, rows)
	a.printf("\n")
	for i, p := range t.Proposals {
		a.printf("# proposal %d, below spec:\n%s\n", i+1, p.YAML)
	}
	for _, n := range t.Notes {
		a.printf("! %s\n", printable(n))
	}
}
