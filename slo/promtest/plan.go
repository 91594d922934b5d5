package promtest

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// plan collects the checks of one SLO or further objective.
type plan struct {
	slo    slo.SLO
	world  world
	checks []Check
	groups []testGroup
}

// The longest window that is recorded at every interval; longer ones are sums of sums in other groups, which promtool
// evaluates in any order and at every step.
const fastest = 6 * time.Hour

const (
	mostSteps = 300 // of being well before an outage
	endSteps  = 2000
)

func (p *plan) leaveOut(name, means, reason string) {
	p.checks = append(p.checks, Check{SLO: p.slo.ID, Name: name, Means: means, LeftOut: reason})
}

func (p *plan) leaveAllOut(reason string) {
	for _, c := range []struct{ name, means string }{
		{CheckHealthy, "a service that is well has no alert"}, {CheckRecorded, "the recorded error ratio"},
		{CheckWaits, "the page is not early"}, {CheckOutage, "a total outage pages"},
		{CheckHeal, "the page ends"}, {CheckIdle, "no traffic is silent"}, {CheckNoData, "lost targets are told"},
	} {
		p.leaveOut(c.name, c.means, reason)
	}
}

func (p *plan) scenarios() {
	p.outage()
	p.recorded()
	p.idle()
	p.noData()
	order := []string{CheckHealthy, CheckRecorded, CheckWaits, CheckOutage, CheckHeal, CheckIdle, CheckNoData}
	slices.SortStableFunc(p.checks, func(a, b Check) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
}

// add makes a test group of the phases and its checks.
func (p *plan) add(name string, phases []phase, checks ...Check) {
	g := testGroup{Name: p.slo.ID + " " + name, Every: seconds(p.slo.Interval)}
	for i, s := range p.world.series {
		g.Series = append(g.Series, inputSeries{s.text(), notation(p.world.values(i, phases))})
	}
	if p.world.target != nil && !p.world.targetIsCounted {
		g.Series = append(g.Series, inputSeries{p.world.target.text(), notation(up(phases))})
	}
	for _, c := range checks {
		c.SLO = p.slo.ID
		c.Expr += " # " + c.id()
		g.Exprs = append(g.Exprs, exprTest{c.Expr, seconds(time.Duration(c.Seconds * float64(time.Second))), []sample{{Labels: "{}", Value: c.Want}}})
		p.checks = append(p.checks, c)
	}
	p.groups = append(p.groups, g)
}

func (p *plan) at(step int) float64 { return float64(step) * p.slo.Interval.Seconds() }

// firing counts the SLO's alerts with these further matchers.
func (p *plan) firing(matchers ...string) string {
	all := append([]string{"sloth_id=" + strconv.Quote(p.slo.ID)}, matchers...)
	return "(count(ALERTS{" + strings.Join(all, ", ") + "}) or vector(0))"
}

const isFiring = `alertstate="firing"`

// pages are the conditions of the page tiers, fastest first.
func (p *plan) pages() []slo.Condition {
	return slices.DeleteFunc(p.slo.Conditions(), func(c slo.Condition) bool { return c.Severity == "ticket" })
}

func slow(c slo.Condition, s slo.SLO) bool { return c.Long > fastest || c.Long >= s.Window.Length() }

// outage is a service that is well, out, and well again.
func (p *plan) outage() {
	well := mostSteps
	pages, reason := p.pages(), ""
	switch {
	case len(pages) == 0:
		reason = "its pages are off"
	case slow(pages[0], p.slo):
		reason = "its first page tier looks at a window that is recorded in several groups, which promtool runs in any order"
	default:
		well = min(mostSteps, int(pages[0].Long/p.slo.Interval))
	}
	healthy := Check{Name: CheckHealthy, Means: "a service that is well has no alert", Expr: p.firing(), Seconds: p.at(well)}
	if reason == "" {
		reason = p.pageChecks(healthy, well, pages)
	}
	if reason != "" {
		p.add("is well", []phase{{well, 0}}, healthy)
		p.leaveOut(CheckWaits, "the page is not early", reason)
		p.leaveOut(CheckOutage, "a total outage pages", reason)
		p.leaveOut(CheckHeal, "the page ends", reason)
	}
}

// pageChecks adds the scenario, or says why there is none.
func (p *plan) pageChecks(healthy Check, well int, pages []slo.Condition) (reason string) {
	first := pages[0]
	h := p.world.history(p.slo, []phase{{well, 0}, {endSteps, 1}}, well+min(endSteps, int(first.Long/p.slo.Interval)+p.world.lag+p.world.smear))
	fire, ok := h.firstFire(first, well+1)
	if !ok {
		return "a total outage with this little to count does not page within the tier's long window"
	}
	out := fire - well + 2
	phases := []phase{{well, 0}, {out, 1}, {endSteps, 0}}
	watched := slices.DeleteFunc(slices.Clone(pages), func(c slo.Condition) bool { return slow(c, p.slo) })
	last := p.world.history(p.slo, phases, well+out+endSteps).lastFire(watched)
	end := last + 2
	phases[2].steps = end - well - out + 1
	if phases[2].steps > endSteps/2 {
		return "its page ends too long after the outage to be tried here"
	}
	var tiers []string
	for _, c := range watched {
		tiers = append(tiers, regexp.QuoteMeta(c.Name))
	}
	p.add("is out", phases, append(p.waits(h, first, well), healthy,
		Check{Name: CheckOutage, Want: 1, Seconds: p.at(fire + 1), Expr: p.firing(append(p.alertMatchers(first), isFiring)...),
			Means: fmt.Sprintf("a total outage fires %s within %s", first.Name, p.span(fire+1-well))},
		Check{Name: CheckHeal, Seconds: p.at(end), Expr: p.firing(isFiring, "sloth_tier=~"+strconv.Quote(strings.Join(tiers, "|"))),
			Means: fmt.Sprintf("no page is left %s after it", p.span(end-well-out))})...)
	return ""
}

// waits has the tier silent for as long as no way for ranges to end would fire it. While an average over a span still
// moves, that cannot be told.
func (p *plan) waits(h history, c slo.Condition, well int) []Check {
	const means = "the page is not early"
	early := h.earliest(c, well)
	switch {
	case p.world.smear > 0:
		p.leaveOut(CheckWaits, means, "its ratio is an average over several intervals")
	case early <= well+1:
		p.leaveOut(CheckWaits, means, "it may fire as soon as anything is counted")
	default:
		return []Check{{Name: CheckWaits, Seconds: p.at(early - 1), Expr: p.firing(isFiring, "sloth_tier="+strconv.Quote(c.Name)),
			Means: fmt.Sprintf("%s is still silent after %s of it", c.Name, p.span(early-1-well))}}
	}
	return nil
}

func (p *plan) span(steps int) string { return (time.Duration(steps) * p.slo.Interval).String() }

// alertMatchers are the labels that a tier's alert must have: the definition's, the SLO's names and the budget's group.
func (p *plan) alertMatchers(c slo.Condition) []string {
	a := p.slo.Alerting
	want := map[string]string{}
	for _, m := range []map[string]string{p.slo.Labels, a.Labels, a.PageLabels} {
		maps.Copy(want, m)
	}
	for _, l := range p.slo.BudgetBy {
		want[l] = p.world.series[0][l]
	}
	maps.Copy(want, map[string]string{"alertname": a.Name, "sloth_service": p.slo.Service, "sloth_slo": p.slo.Name,
		"sloth_severity": c.Severity, "sloth_tier": c.Name})
	delete(want, "sloth_id")
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !strings.Contains(want[name], "{{") { // a template's value is not known before
			out = append(out, name+"="+strconv.Quote(want[name]))
		}
	}
	return out
}

// recorded has a quarter of all events fail, where events can; else the whole of it.
func (p *plan) recorded() {
	const window = 5 * time.Minute
	share := 1.0
	if p.world.counters {
		share = 0.25
	}
	steps := int(2*window/p.slo.Interval) + p.world.lag + p.world.smear + 3
	c := p.world.increment(share, p.slo.Slices)
	ratio := c.Errors() / c.Total
	p.add("fails in part", []phase{{steps, share}}, Check{Name: CheckRecorded, Seconds: p.at(steps), Want: math.Round(ratio * 1e6),
		Means: fmt.Sprintf("of a million events of five minutes, %.0f are recorded as errors", ratio*1e6),
		Expr:  "round(1000000 * max(slo:sli_error:ratio_rate5m{sloth_id=" + strconv.Quote(p.slo.ID) + "}))"})
}

func (p *plan) idle() {
	const means = "no traffic has no alert"
	if !p.world.counters {
		p.leaveOut(CheckIdle, means, "what it reads has a value with and without traffic")
		return
	}
	steps := min(mostSteps, int(15*time.Minute/p.slo.Interval)+5)
	p.add("is idle", []phase{{steps, idle}}, Check{Name: CheckIdle, Means: means, Seconds: p.at(steps), Expr: p.firing()})
}

// noData loses the targets. The alert waits until their last samples are no longer found, and three intervals more.
func (p *plan) noData() {
	const means, lookBack, well = "lost targets are told", 5 * time.Minute, 10
	a := p.slo.Alerting
	switch {
	case p.slo.Of != "":
		p.leaveOut(CheckNoData, means, "the first objective's alert tells it")
		return
	case a.PageOff || a.NoDataOff:
		p.leaveOut(CheckNoData, means, "it is off")
		return
	case p.world.target == nil:
		p.leaveOut(CheckNoData, means, "its selectors name no job or instance, so there is no such alert")
		return
	}
	pending := min(max(3*p.slo.Interval, 15*time.Second), 5*time.Minute)
	steps := well + int((lookBack+pending)/p.slo.Interval) + p.world.lag + p.world.smear + 3
	p.add("is lost", []phase{{well, 0}, {steps - well, gone}}, Check{Name: CheckNoData, Want: 1, Seconds: p.at(steps),
		Means: fmt.Sprintf("lost targets fire the no-data alert within %s, and no other", p.span(steps-well)),
		Expr: p.firing(isFiring, "alertname="+strconv.Quote(a.Name), `sloth_tier="no-data"`, `sloth_severity="page"`) +
			" - " + p.firing(isFiring, `sloth_tier!="no-data"`)})
}
