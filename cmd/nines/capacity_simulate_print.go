package main

import (
	"fmt"
	"math"

	"github.com/nines-sre/nines/capacity/simulate"
)

func (a *cli) printSimulation(b simulateBody, o simulateFlags, title string) {
	a.printf("%s: %d points %s apart, %s to %s\n", printable(b.File), b.Points, b.Step, clock(b.TraceFrom), clock(b.TraceTo))
	a.printf("Provisioning %s; a replica takes %.4g, of which %.3g %% within the SLO.\n", b.Provisioning, b.PerReplica, 100*b.Usable)
	a.printf("The first %s train only; the %.1f days from %s are scored.\n\n", b.WarmUp, b.days(), clock(b.From))
	a.printPolicies(b)
	if o.sweep && len(b.Frontiers) > 0 {
		wide := width(a.out)
		if wide == 0 {
			wide = plainWidth
		}
		a.printf("%s\n", b.Study.Chart(title).Text(wide, o.ascii))
	}
	for _, j := range b.Judged {
		if o.sweep {
			a.printCompared(j)
		}
		a.printVerdict(j, len(b.Judged) > 1)
	}
	for _, n := range b.Notes {
		a.printf("! %s\n", printable(n))
	}
	if o.svg != "" {
		a.printf("Drawn to %s\n", printable(o.svg))
	}
}

func (b simulateBody) days() float64 {
	days := 0.0
	for _, o := range b.Outcomes {
		days = math.Max(days, o.Days)
	}
	return days
}

func (a *cli) printPolicies(b simulateBody) {
	header := []string{"policy", "target", "missing %", "too few %", "lost %", "repl-h/day", "events/day"}
	if b.Costs != nil {
		header = append(header, b.Currency)
	}
	var rows, more [][]string
	for _, o := range b.Outcomes {
		target := missing
		if o.Target != nil {
			target = fmt.Sprintf("%.3g %%", 100**o.Target)
		}
		row := []string{o.Policy, target, small(o.Under), small(o.UnderTime), small(o.Violations), fmt.Sprintf("%.1f", o.ReplicaHoursPD), fmt.Sprintf("%.0f", o.EventsPD)}
		if b.Costs != nil {
			row = append(row, b.Costs[o.Policy].String())
		}
		rows = append(rows, row)
		speedup := missing
		if o.Speedup != nil {
			speedup = fmt.Sprintf("%.2f", *o.Speedup)
		}
		more = append(more, []string{o.Policy, small(o.Over), small(o.OverTime), small(o.Instability), speedup})
	}
	a.table(header, rows)
	a.printf("\n")
	a.table([]string{"policy", "spare %", "too many %", "unstable %", "speed-up"}, more)
	a.printf("\nmissing (θU), spare (θO): replicas over the demand; too few (τU), too many (τO): share of time;\n"+
		"lost: load beyond what ready replicas take within the SLO; unstable (υ): synchronisations at\n"+
		"which supply and demand moved differently; speed-up (ε) over a fixed fleet of %d, the mean\n"+
		"demand. Replica-hours count replicas from their beginning, before they take load.\n\n", b.Baseline)
}

// small prints a share in per cent so that little is told from nothing.
func small(perCent float64) string {
	switch {
	case perCent == 0:
		return "0"
	case perCent < 0.001:
		return "<0.001"
	case perCent < 10:
		return fmt.Sprintf("%.3f", perCent)
	}
	return fmt.Sprintf("%.1f", perCent)
}

func (a *cli) printCompared(j simulate.Judgement) {
	var rows [][]string
	for _, c := range j.Compared {
		row := []string{fmt.Sprintf("%.3g %%", 100*c.Target), fmt.Sprintf("%.1f", c.ReplicaHours), small(c.Under), missing, missing, missing}
		if c.Ours != nil {
			row[3] = small(*c.Ours)
		}
		if c.Ratio != nil {
			row[4] = ratioText(*c.Ratio)
		}
		if c.HoursRatio != nil {
			row[5] = ratioText(*c.HoursRatio)
		}
		rows = append(rows, row)
	}
	a.table([]string{"hpa at", "repl-h/day", "missing %", j.Policy, "ratio", "repl-h ratio"}, rows)
	a.printf("\nWith a forecast: what is missing at equal replica-hours, between its own targets, and its ratio;\nlast, the ratio of replica-hours with equally much missing.\n\n")
}

func ratioText(x float64) string {
	if x < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3g", x)
}

func (a *cli) printVerdict(j simulate.Judgement, several bool) {
	if several {
		a.printf("%s: ", printable(j.Policy))
	}
	a.printf("%s\n", j.Verdict.Reason)
	if t := j.Trial; t.Days > 0 {
		said := "stay forecast-only"
		if t.Verdict.Acts() {
			said = "let it act"
		}
		came := "had too little missing to compare"
		if t.Ratio != nil {
			came = "gave a ratio of " + ratioText(*t.Ratio)
		}
		a.printf("Put to the test: by the first %.1f days alone the gate would %s; the %.1f days after %s.\n", t.Verdict.Days, said, t.Days, came)
	}
	if p := j.Bounds; p.Judged > 0 {
		a.printf("Of %d bounds that should hold %.3g %% of the time, %.1f %% did.\n", p.Judged, 100*p.Level, 100*p.Coverage)
	}
	a.printf("\n")
}
