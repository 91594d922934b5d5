package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

// explanationBody is an explanation with what the definition says itself.
type explanationBody struct {
	slo.Explanation
	Service     string     `json:"service"`
	Description string     `json:"description,omitempty"`
	Owner       string     `json:"owner,omitempty"`
	SLI         slo.SLI    `json:"sli"`
	Slices      slo.Slices `json:"slices,omitzero"`
	Bad         string     `json:"bad"` // in words
}

func (a *cli) sloExplain() *cobra.Command {
	var inputs []string
	var rate float64
	c := &cobra.Command{
		Use: "explain -i FILE [--rate 10]", Short: "Say in plain words what SLO files promise and when they page; needs no server", Args: args(cobra.NoArgs),
		Long: "Say what each SLO counts, what it allows, when its alerts fire and end, and what little traffic does to them.\n" +
			"Times hold for a steady rate and a steady share of failures after a time without any.",
		Example: "  nines slo explain -i slos/shop.yaml\n  nines slo explain -i slos/ --rate 0.05",
		RunE: func(_ *cobra.Command, _ []string) error {
			if !(rate > 0) || math.IsInf(rate, 0) {
				return usageError{fmt.Errorf("--rate %v is not a rate; give events a second, above zero", rate)}
			}
			files, err := definitions.Files(inputs, a.in)
			if err != nil {
				return err
			}
			set, problems := definitions.LoadSLOs(files)
			if err := problems.Err(); err != nil {
				return err
			}
			if len(set) == 0 {
				return fault.New(fault.Invalid, "there is no SLO in %s", strings.Join(inputs, ", "))
			}
			return a.explain(set, rate)
		},
	}
	f := c.Flags()
	f.StringSliceVarP(&inputs, "input", "i", nil, "file or folder of SLOs; - for standard input")
	f.Float64Var(&rate, "rate", 10, "events a second that figures are for")
	needs(c, "input")
	return c
}

func (a *cli) explain(set []slo.SLO, rate float64) error {
	told := []explanationBody{}
	for _, s := range set {
		e, err := s.Explain(rate)
		if err != nil {
			return err
		}
		told = append(told, explanationBody{e, s.Service, s.Description, s.Owner, s.SLI, s.Slices, badWords(s)})
	}
	return a.show(map[string]any{"slos": told}, func() {
		for i, e := range told {
			if i > 0 {
				a.printf("\n")
			}
			a.printExplanation(e)
		}
	})
}

// badWords says what a bad event is.
func badWords(s slo.SLO) string {
	sli := s.SLI
	switch {
	case sli.Histogram != "":
		return fmt.Sprintf("An event of the histogram %s%s is bad where it took longer than %s.", sli.Histogram, strings.TrimSpace(sli.Selector), sli.Threshold)
	case sli.RatioQuery != "":
		return "Each interval in which there is a ratio is one event, bad by that share: " + oneLine(sli.RatioQuery)
	case sli.Gauge != "":
		return "Each interval's sample of each series is one event, bad where it is 0: " + oneLine(sli.Gauge)
	case sli.Value != "":
		return fmt.Sprintf("Each interval and series with a value is one event, bad unless it is %s %v: %s", sli.Op, sli.Bound, oneLine(sli.Value))
	case len(sli.Parts) > 0:
		return "Each interval is one event, bad by the weighted mean of the error ratios of its parts; parts without traffic in it are left out."
	case sli.GoodQuery != "":
		return fmt.Sprintf("Good is what %s counts; bad is all else of %s", oneLine(sli.GoodQuery), oneLine(sli.TotalQuery))
	}
	return fmt.Sprintf("Bad is what %s counts, of all of %s", oneLine(sli.ErrorQuery), oneLine(sli.TotalQuery))
}

func oneLine(query string) string { return strings.Join(strings.Fields(query), " ") }

func (a *cli) printExplanation(e explanationBody) {
	a.printf("%s\n", printable(e.ID))
	if e.Description != "" {
		a.paragraph("%s", e.Description)
	}
	a.printf("\nWhat counts\n")
	a.paragraph("%s", e.Bad)
	if e.Slices.Target > 0 {
		a.paragraph("Events are judged by the interval: one of %s is bad where fewer than %v %% of its events are good.", spoken(e.IntervalSeconds), e.Slices.Target)
	} else if e.Slices.Ratio {
		a.paragraph("Events are judged by the interval: each of %s weighs the same, bad by its share of bad events.", spoken(e.IntervalSeconds))
	}
	for _, p := range e.Parts {
		a.paragraph("%s weighs %v (%.4g %% of the whole).", p.SLO, p.Weight, p.SharePercent)
	}
	a.printPromise(e.Explanation)
	a.printf("\nUnmeasured time\n")
	a.paragraph("%s", gapWords[e.Gap])
	a.paragraph("Maintenance that was entered counts nothing or no errors, as it was entered, and pages nobody about the budget.")
	if e.NoData {
		a.paragraph("Where no target is up and nothing is counted for %s, a no-data alert pages instead.", spoken(e.NoDataSeconds))
	} else {
		a.paragraph("There is no alert for lost targets.")
	}
	a.printf("\nGroups\n")
	a.paragraph("%s", groupWords(e.Explanation))
	for _, more := range e.Further {
		a.printf("\nFurther objective: %s\n", printable(more.ID))
		a.printPromise(more)
	}
}

var gapWords = map[string]string{
	slo.GapIgnore: "Time without data is left out of the figure, and shows as coverage.",
	slo.GapGood:   "Time without data counts as good, at the window's mean traffic.",
	slo.GapBad:    "Time without data counts as bad, at the window's mean traffic.",
}

func groupWords(e slo.Explanation) string {
	switch {
	case len(e.GroupBy) == 0:
		return "Everything is one group with one error budget."
	case len(e.BudgetBy) == 0:
		return fmt.Sprintf("Kept apart by %s (at most %d groups), with one error budget for all together; figures are for the whole.", strings.Join(e.GroupBy, ", "), e.MaxGroups)
	}
	return fmt.Sprintf("Kept apart by %s (at most %d groups), with an error budget and alerts for each %s; figures at the rate are for one of these.",
		strings.Join(e.GroupBy, ", "), e.MaxGroups, strings.Join(e.BudgetBy, " and "))
}

func (a *cli) printPromise(e slo.Explanation) {
	al := e.Allowance
	a.printf("\nPromise\n")
	a.paragraph("%s %% good over %s, so %s %% may fail.", e.Objective, windowWords(e), decimals(e.BudgetPercent))
	a.paragraph("That is about %s of total outage in the window%s; %s in 30 days, %s to %s in a calendar month of 28 to 31 days.", minutesText(al.WindowMinutes),
		nominal(e.Window), minutesText(al.ThirtyDaysMinutes), minutesText(al.ShortMonthMinutes), minutesText(al.LongMonthMinutes))
	a.paragraph("At %s: about %s failed of %s in the window.", rateWords(e), about(al.WindowFailures), about(e.EventsPerSecond*e.WindowDays*86400))
	a.printf("\nWhen it alerts, if so much of all fails from now on\n")
	if len(e.Tiers) == 0 {
		a.paragraph("Never: its pages and tickets are off.")
		return
	}
	a.printTiers(e)
	a.printLowTraffic(e)
}

func (a *cli) printTiers(e slo.Explanation) {
	header := []string{"tier", "windows"}
	for _, f := range e.Tiers[0].Faults {
		header = append(header, decimals(f.ErrorPercent)+" %")
	}
	header = append(header, "spent", "ends")
	var rows [][]string
	guarded := false
	for _, t := range e.Tiers {
		row, spent := []string{t.Name, seconds(t.LongSeconds) + "/" + seconds(t.ShortSeconds)}, missing
		for _, f := range t.Faults {
			cell := "never"
			if f.Fires {
				cell = seconds(f.AfterSeconds)
				if spent == missing {
					spent = fmt.Sprintf("%.3g %%", f.BudgetPercent)
				}
			}
			if f.Guarded {
				cell, guarded = cell+"*", true
			}
			row = append(row, cell)
		}
		rows = append(rows, append(row, spent, seconds(t.ResetSeconds)))
	}
	a.table(header, rows)
	delay := 0.0
	for _, f := range e.Tiers[0].Faults {
		delay = max(delay, f.WithinSeconds-f.AfterSeconds)
	}
	if delay > 0 {
		a.paragraph("Until it is seen, %s may pass besides for the first tier: a scrape (one in an interval of %s), settling, evaluation.", spoken(delay), spoken(e.IntervalSeconds))
	}
	a.paragraph("Spent is the share of the window's budget gone when the first of these faults fires it. Ends is about how long an alert stays after a total outage, at most.")
	if guarded {
		a.paragraph("* later than the burn rate alone says: at this rate so few failures could be chance.")
	}
	for _, t := range e.Tiers {
		if t.FiresAbovePercent < e.BudgetPercent*t.Factor*(1-1e-9) {
			a.paragraph("%s fires above %s %% of failures: %v times the budget is more than all.", t.Name, decimals(t.FiresAbovePercent), t.Factor)
		}
	}
}

func (a *cli) printLowTraffic(e slo.Explanation) {
	low := e.LowTraffic
	if low == nil {
		return
	}
	span := spoken(low.LongSeconds)
	a.printf("\nLittle traffic\n")
	if e.Guard < 1 {
		a.paragraph("An alert asks that chance alone would give as many failures to a service that just keeps its objective less than once in %s times.", count(math.Round(1/e.Guard)))
	} else {
		a.paragraph("There is no guard against chance.")
	}
	if low.FailuresNeeded > 0 {
		a.paragraph("At %s, about %s in %s, %s takes at least %s.", rateWords(e), about(low.Events), span, low.Tier, plural(low.FailuresNeeded, "failure"))
	} else {
		a.paragraph("At %s, about %s in %s, %s cannot fire at all.", rateWords(e), about(low.Events), span, low.Tier)
	}
	if low.OutageNeeds > 1 {
		a.paragraph("With fewer than %s in %s not even a total outage fires it.", count(low.OutageNeeds), span)
	}
	if low.SinglePagesUpTo > 0 {
		a.paragraph("A single failure fires it where there are no more than %s in %s (%s a second).", plural(low.SinglePagesUpTo, "event"), span, about(low.SinglePagesUpTo/low.LongSeconds))
	} else {
		a.paragraph("A single failure never fires it, however little the traffic.")
	}
}

// paragraph prints text indented by two, in lines of at most 78.
func (a *cli) paragraph(format string, args ...any) {
	for _, line := range strings.Split(text.WrapSoft(printable(fmt.Sprintf(format, args...)), 76), "\n") {
		a.printf("  %s\n", strings.TrimRight(line, " "))
	}
}

func windowWords(e slo.Explanation) string {
	if e.Window.Calendar != "" {
		zone := e.Window.Zone
		if zone == "" {
			zone = "UTC"
		}
		return "each calendar " + e.Window.Calendar + " (" + zone + ")"
	}
	return "the last " + spoken(e.WindowDays*86400)
}

// nominal says what length a calendar window's figures are for.
func nominal(w slo.Window) string {
	if w.Calendar == "" || w.Calendar == slo.Day || w.Calendar == slo.Week {
		return ""
	}
	return fmt.Sprintf(" (taken as %.0f days)", w.Length().Hours()/24)
}

func rateWords(e slo.Explanation) string {
	switch e.EventsPer {
	case slo.PerInterval:
		return "one event every " + strings.TrimPrefix(spoken(e.IntervalSeconds), "1 ")
	case slo.PerSample:
		return "one series, so one event every " + strings.TrimPrefix(spoken(e.IntervalSeconds), "1 ")
	}
	return decimals(e.EventsPerSecond) + " a second"
}

func plural(n float64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// decimals prints six digits, without an exponent.
func decimals(x float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// about prints a number of events that are to be expected, which may be a part of one.
func about(n float64) string {
	if n >= 100 {
		return count(math.Floor(n))
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'g', 3, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// minutesText prints minutes to about three digits, and short ones as seconds.
func minutesText(m float64) string {
	if m < 1 {
		return fmt.Sprintf("%.3g seconds", m*60)
	}
	if m < 1000 {
		return fmt.Sprintf("%.4g minutes", m)
	}
	return fmt.Sprintf("%.3g hours", m/60)
}

func seconds(s float64) string { return compact(time.Duration(s * float64(time.Second))) }

// compact prints a duration to its two largest units, without those that are zero.
func compact(d time.Duration) string {
	if d = d.Round(time.Second); d > time.Hour {
		d = d.Round(time.Minute)
	}
	var out string
	left := 2
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.unit; left > 0 && (n > 0 || out != "") {
			if n > 0 {
				out += fmt.Sprintf("%d%s", n, u.name)
			}
			d, left = d%u.unit, left-1
		}
	}
	if out == "" {
		return "0s"
	}
	return out
}

// spoken prints seconds as people say them.
func spoken(s float64) string {
	for _, u := range []struct {
		unit float64
		name string
	}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}} {
		if n := s / u.unit; n >= 1 && n == math.Trunc(n) {
			return plural(n, u.name)
		}
	}
	return fmt.Sprintf("%.4g seconds", s)
}
