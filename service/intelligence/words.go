package intelligence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/slo"
)

// reasonOf says why a promise is in its state, with the numbers.
func reasonOf(p PromiseRisk, now time.Time) string {
	var reason string
	switch p.State {
	case Exhausted:
		reason = fmt.Sprintf("%s %% was promised; since %s %s of %s failed, which is %s of the error budget. The last hour burns it %s.",
			p.Objective, stamp(seenFrom(p), now), whole(p.Counts.Errors()), whole(p.Counts.Total), percent(1-p.Remaining), burn(p.Burn))
	case Burning:
		reason = burningReason(p, now)
	case Unknown:
		reason = unknownReason(p, now)
	default:
		reason = fineReason(p)
	}
	if p.Excluded {
		reason += " It is in maintenance now, which counts neither as good nor as bad."
	}
	if p.Stale && p.State != Unknown {
		reason += " Live figures are missing; this is as of the ledger."
	}
	return reason
}

func burningReason(p PromiseRisk, now time.Time) string {
	switch {
	case !p.Traffic:
		return "An incident is open, and no traffic was seen in the window."
	case p.Burn > 1 && !p.Exhausted.IsZero():
		return fmt.Sprintf("The last hour burns the error budget %s; %s of it is left, and gone by %s at this speed.", burn(p.Burn), percent(p.Remaining), stamp(p.Exhausted, now)) +
			outlook(p.Prediction, now)
	}
	return fmt.Sprintf("An incident is open. The last hour burns the error budget %s; %s of it is left.", burn(p.Burn), percent(p.Remaining)) +
		outlook(p.Prediction, now)
}

// outlook says what the history makes of a burn, as one more sentence; "" where it cannot.
func outlook(p *slo.Prediction, now time.Time) string {
	switch {
	case p == nil || !p.Enough:
		return ""
	case p.IfGone.P10.IsZero():
		return fmt.Sprintf(" Going by its history it lasts until %s (gone with %s probability).", stamp(p.Until, now), p.Chance())
	}
	return fmt.Sprintf(" Going by its history it is gone before %s with %s probability, then most likely between %s and %s.",
		stamp(p.Until, now), p.Chance(), stamp(p.IfGone.P10, now), stamp(p.IfGone.P90, now))
}

func unknownReason(p PromiseRisk, now time.Time) string {
	if p.FirstSeen.IsZero() {
		return "Nothing was seen of it: neither the ledger nor the metrics engine has a figure."
	}
	if now.Sub(p.LastSeen) > silence {
		return fmt.Sprintf("Nothing was seen of it since %s; then %s of the error budget was left.", stamp(p.LastSeen, now), percent(p.Remaining))
	}
	return fmt.Sprintf("Only %s of the time since %s was seen; what was seen leaves %s of the error budget.", percent(p.Coverage), stamp(p.FirstSeen, now), percent(p.Remaining))
}

func fineReason(p PromiseRisk) string {
	if !p.Traffic {
		return "Measured, and without traffic: nothing failed."
	}
	return fmt.Sprintf("%s of the error budget is left; the last hour burns it %s.", percent(p.Remaining), burn(p.Burn))
}

// headlineOf says all of it in a sentence or two.
func headlineOf(p Posture) string {
	t := p.Tally
	risky := t.Exhausted + t.Burning
	var said string
	switch {
	case t.Promises == 0:
		said = "Nothing has been promised yet."
	case risky > 0:
		worst := p.Promises[0]
		said = fmt.Sprintf("%d of %s %s at risk: %s %s; %s.", risky, count(t.Promises, "promise"), isAre(risky), title(worst), verdict(worst), attention(worst))
	case t.Unknown > 0:
		said = fmt.Sprintf("Of %s, %d cannot be judged: too little was seen of %s.", count(t.Promises, "promise"), t.Unknown, title(p.Promises[0]))
	case t.Promises == 1:
		said = "The promise is kept: " + title(p.Promises[0]) + "."
	default:
		said = fmt.Sprintf("All %d promises are kept.", t.Promises)
	}
	if risky > 0 && t.Unknown > 0 {
		said += fmt.Sprintf(" %d more cannot be judged.", t.Unknown)
	}
	if n := len(p.Others); n > 0 {
		said += fmt.Sprintf(" %s about something else %s open; on #%d: %s.", count(n, "incident"), isAre(n), p.Others[0].Number, p.Others[0].Who)
	}
	return said
}

func verdict(p PromiseRisk) string {
	switch {
	case p.State == Exhausted:
		return fmt.Sprintf("has spent %s of its error budget", percent(1-p.Remaining))
	case p.Burn > 1:
		return "burns its error budget " + burn(p.Burn)
	}
	return "has an open incident"
}

// attention says who is on it, from the incident that somebody is on, else from the worst.
func attention(p PromiseRisk) string {
	if len(p.Incidents) == 0 {
		return "no incident is open"
	}
	for _, i := range p.Incidents {
		if i.State == incidents.Acknowledged {
			return i.Who
		}
	}
	return p.Incidents[0].Who
}

// whoIsOn says who is on an incident, or who is being told, as half a sentence.
func whoIsOn(i incidents.Incident, now time.Time) string {
	steps := len(i.Policy.Steps)
	switch {
	case i.State == incidents.Acknowledged && i.AcknowledgedAt != nil:
		return fmt.Sprintf("%s is on it since %s", i.AcknowledgedBy, stamp(*i.AcknowledgedAt, now))
	case i.State == incidents.Acknowledged:
		return i.AcknowledgedBy + " is on it"
	case !i.Severity.Pages():
		return fmt.Sprintf("nobody is on it, and at severity %s nobody is paged", i.Severity)
	case i.Policy.Empty():
		return "nobody is on it, and no escalation policy says whom to page"
	case i.NextEscalationAt == nil:
		return fmt.Sprintf("nobody is on it, and the policy %s is exhausted", i.Policy.Name)
	case i.Step == 0:
		return fmt.Sprintf("nobody is on it yet; paging starts at %s", stamp(*i.NextEscalationAt, now))
	}
	return fmt.Sprintf("nobody is on it yet; step %d of %d of %s was paged, the next is at %s",
		min(i.Step, steps), steps, i.Policy.Name, stamp(*i.NextEscalationAt, now))
}

// seenFrom is where the promise's counts begin: at the window's start, or at the first data where that came later.
func seenFrom(p PromiseRisk) time.Time {
	if p.FirstSeen.After(p.From) {
		return p.FirstSeen
	}
	return p.From
}

// title names a promise for people: "shop availability for acme".
func title(p PromiseRisk) string {
	name := strings.TrimSpace(p.Service + " " + p.Name)
	if name == "" {
		name = p.SLO
	}
	if w := whose(p.Labels); w != "" {
		name += " for " + w
	}
	return name
}

// whose lists label values in order of their names.
func whose(labels map[string]string) string {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			values = append(values, labels[name])
		}
	}
	return strings.Join(values, ", ")
}

// burn writes a burn rate: "14× too fast", "0.2× as fast as allowed".
func burn(rate float64) string {
	number := strconv.FormatFloat(rate, 'f', 1, 64)
	if rate >= 10 {
		number = strconv.FormatFloat(rate, 'f', 0, 64)
	}
	if rate > 1 {
		return number + "× too fast"
	}
	return number + "× as fast as allowed"
}

// percent writes a share with the digits that matter, and never rounds to 0 % or 100 % what is neither.
func percent(share float64) string {
	p := share * 100
	switch {
	case p > 0 && p < 0.1:
		return "less than 0.1 %"
	case p > 99.9 && p < 100:
		return "more than 99.9 %"
	case p > -10 && p < 10 || p > 99 && p < 100:
		return strings.TrimSuffix(strconv.FormatFloat(p, 'f', 1, 64), ".0") + " %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// whole writes a count with commas between thousands.
func whole(x float64) string {
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// stamp writes a time in UTC, without the date where it is today's.
func stamp(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
