package slo

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The gate's reasons in plain words: what was measured, of what, against which bound, over what span and how much of it
// was seen.

// tooLittle says why a budget cannot be gone by, or "" where it can.
func (p BudgetPolicy) tooLittle(st GateStatus, now time.Time) string {
	switch {
	case !st.Traffic:
		return "no traffic was seen in its window"
	case st.Counts.Total < p.Minimum.Events:
		return fmt.Sprintf("only %s events were seen in its window; the policy asks for %s", number(math.Floor(st.Counts.Total)), number(p.Minimum.Events))
	case round12(st.Coverage) < p.Minimum.Coverage:
		return fmt.Sprintf("only %s of its window was seen; the policy asks for %s", cutShare(st.Coverage), cutShare(p.Minimum.Coverage))
	case !st.LastSeen.IsZero() && now.Sub(st.LastSeen) > gateSilence:
		return fmt.Sprintf("nothing was seen of it since %s", minuteOf(st.LastSeen))
	}
	return ""
}

func littleReason(p BudgetPolicy, st GateStatus, groups int, now time.Time) GateReason {
	figure, bound, value := number(math.Floor(st.Counts.Total))+" events", number(p.Minimum.Events)+" events", st.Counts.Total
	if st.Traffic && st.Counts.Total >= p.Minimum.Events {
		figure, bound, value = cutShare(st.Coverage)+" seen", cutShare(p.Minimum.Coverage), st.Coverage
	}
	return GateReason{
		Action: p.Unknown, Policy: p.Name, Rule: "unknown: " + string(p.Unknown), SLO: st.SLO, Labels: st.Labels, Groups: groups,
		Figure: figure, Bound: bound, Value: &value,
		Text: fmt.Sprintf("%s says too little: %s%s.", budgetName(st.Status), p.tooLittle(st, now), alike(groups)),
	}
}

func noBudget(p BudgetPolicy, c Change) GateReason {
	return GateReason{
		Action: p.Unknown, Policy: p.Name, Rule: "unknown: " + string(p.Unknown), Figure: "no SLO", Bound: "one",
		Text: fmt.Sprintf("Nothing is promised about %s that this policy looks at, so no budget says anything.", serviceWords(c.Service)),
	}
}

func budgetReason(p BudgetPolicy, r BudgetRule, st GateStatus, groups int, now time.Time) GateReason {
	out := GateReason{Action: r.Action, Policy: p.Name, SLO: st.SLO, Labels: st.Labels, Groups: groups, Words: r.Reason}
	name := budgetName(st.Status)
	switch {
	case r.Below != nil:
		out.Rule, out.Bound = "below: "+number(*r.Below), cutShare(*r.Below)
		out.Figure, out.Value = shareLeft(st.Remaining), &st.Remaining
		out.Text = fmt.Sprintf("%s has %s of its error budget; the bound is %s", name, shareLeft(st.Remaining), out.Bound)
		if st.Remaining < 0 {
			out.Text = fmt.Sprintf("%s has spent %s; the bound is %s left", name, overspent(st.Remaining), out.Bound)
		}
	case r.Burn > 0:
		out.Rule, out.Bound = "burn: "+number(r.Burn), timesOver(r.Burn)
		out.Figure, out.Value = timesOver(st.Burn), &st.Burn
		out.Text = fmt.Sprintf("%s burned its error budget %s as fast as allowed in the last hour; the bound is %s", name, out.Figure, out.Bound)
	default:
		hours := st.Exhausted.Sub(now).Hours()
		out.Rule, out.Bound = "exhaustionWithin: "+promDuration(r.ExhaustionWithin), promDuration(r.ExhaustionWithin)
		out.Figure, out.Value = "gone in "+promDuration(st.Exhausted.Sub(now).Truncate(time.Minute)), &hours
		out.Text = fmt.Sprintf("%s will have spent its error budget at %s, at the speed of the last hour; the bound is %s ahead", name, minuteOf(st.Exhausted), out.Bound)
		if hours <= 0 {
			out.Figure, out.Text = "gone", fmt.Sprintf("%s has spent its error budget; the bound is that it lasts %s", name, out.Bound)
		}
	}
	out.Text += seenOf(st.Status, now) + alike(groups) + "."
	return out
}

func incidentReason(p BudgetPolicy, r BudgetRule, i OpenIncident, incidents int) GateReason {
	text := fmt.Sprintf("Incident #%d (%s) is open: %s", i.Number, i.Severity, strings.TrimRight(i.Title, ". "))
	if incidents > 1 {
		text += fmt.Sprintf("; so are %d more", incidents-1)
	}
	return GateReason{
		Action: r.Action, Policy: p.Name, Rule: "openIncident: " + r.OpenIncident, SLO: i.SLO, Incident: i.Number, Groups: incidents,
		Figure: "#" + strconv.FormatInt(i.Number, 10) + " " + i.Severity, Bound: "no " + r.OpenIncident, Words: r.Reason, Text: text + ".",
	}
}

func calendarReason(p BudgetPolicy, f CalendarOff) GateReason {
	loc, _ := location(f.Zone)
	from, to := f.From.In(loc).Format("2006-01-02 15:04"), f.To.In(loc).Format("2006-01-02 15:04")
	return GateReason{
		Action: Freeze, Policy: p.Name, Rule: "freezes", Figure: "until " + to, Bound: "calendar", Until: &f.To, Words: f.Reason,
		Text: fmt.Sprintf("Changes wait from %s until %s (%s), by the calendar.", from, to, f.Zone),
	}
}

// verdictHeadline is the verdict in one sentence, with the first of its reasons.
func verdictHeadline(v Verdict, c Change) string {
	what := fmt.Sprintf("%s of %s", kindWords(c.Kind), serviceWords(c.Service))
	if len(v.Reasons) == 0 {
		if len(v.Excused) > 0 {
			return fmt.Sprintf("%s may go: a %s is excepted from %s.", what, c.Kind, howMany(len(v.Excused), "1 rule that holds others back", "%d rules that hold others back"))
		}
		return what + " may go" + lookedAt(v) + "."
	}
	more := ""
	if n := len(v.Reasons) - 1; n > 0 {
		more = fmt.Sprintf(" There %s more.", howMany(n, "is 1 reason", "are %d reasons"))
	}
	if v.Action == Freeze {
		return what + " must wait. " + v.Reasons[0].Text + more
	}
	return what + " needs approval. " + v.Reasons[0].Text + more
}

// howMany chooses the words for one or, with a %d, for many.
func howMany(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func lookedAt(v Verdict) string {
	if len(v.Budgets) == 0 {
		return ""
	}
	worst := slices.MinFunc(v.Budgets, func(a, b GateBudget) int {
		switch {
		case a.Remaining < b.Remaining:
			return -1
		case a.Remaining > b.Remaining:
			return 1
		}
		return 0
	})
	if !worst.Known {
		return ""
	}
	if worst.Remaining < 0 { // for all that is known it may go all the same
		return fmt.Sprintf("; %s has spent %s", budgetLabelled(worst.SLO, worst.Labels), overspent(worst.Remaining))
	}
	return fmt.Sprintf(": %s has %s of its error budget", budgetLabelled(worst.SLO, worst.Labels), shareLeft(worst.Remaining))
}

func kindWords(kind string) string {
	if kind == "" {
		kind = DefaultChangeKind
	}
	if strings.ContainsRune("aeio", rune(kind[0])) {
		return "An " + kind
	}
	return "A " + kind
}

func serviceWords(service string) string {
	if service == AllServices {
		return "all services"
	}
	return service
}

func budgetName(st Status) string { return budgetLabelled(st.SLO, st.Labels) }

// budgetLabelled is "shop-availability for acme", and with more labels "shop-availability for region eu, tenant acme".
func budgetLabelled(id string, labels map[string]string) string {
	if len(labels) == 0 {
		return id
	}
	if tenant, only := labels["tenant"]; only && len(labels) == 1 {
		if tenant == "" {
			tenant = "requests without a tenant"
		}
		return id + " for " + tenant
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+" "+strconv.Quote(labels[name]))
	}
	return id + " for " + strings.Join(parts, ", ")
}

// seenOf says over what the figure is and how much of that was seen.
func seenOf(st Status, now time.Time) string {
	text := fmt.Sprintf(" (window from %s", minuteOf(st.From))
	if !st.FirstSeen.IsZero() && st.FirstSeen.Sub(st.From) > time.Hour {
		text += ", first seen " + minuteOf(st.FirstSeen)
	}
	if st.To.After(now) {
		text += ", until " + minuteOf(st.To)
	}
	return text + fmt.Sprintf("; %s seen, %s events)", cutShare(st.Coverage), number(math.Floor(st.Counts.Total)))
}

func alike(groups int) string {
	if groups < 2 {
		return ""
	}
	return fmt.Sprintf("; so it is for %d groups, of which this is the worst", groups)
}

// youngSpent is from where on people read how many times a budget was spent more easily than a percentage: a young
// promise that fails has little budget yet.
const youngSpent = -9

// shareLeft is the share of a budget that is left, never flattered.
func shareLeft(share float64) string {
	switch {
	case share <= youngSpent:
		return fmt.Sprintf("spent %.0f times", 1-share)
	case share < 0:
		return "overspent by " + cutShare(-share)
	}
	return cutShare(share) + " left"
}

// overspent says how much of a budget was spent, all of it and more.
func overspent(share float64) string {
	if share <= youngSpent {
		return fmt.Sprintf("its error budget %.0f times over", 1-share)
	}
	return "its error budget and " + cutShare(-share) + " of it more"
}

// cutShare writes a share as per cent, cut off after one decimal and never rounded up.
func cutShare(share float64) string {
	return strconv.FormatFloat(math.Floor(round12(share)*1000+1e-6)/10, 'f', -1, 64) + " %"
}

// timesOver writes a burn rate.
func timesOver(rate float64) string {
	decimals := 2
	if rate >= 10 {
		decimals = 1
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(rate, 'f', decimals, 64), "0"), ".") + "×"
}

func minuteOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
