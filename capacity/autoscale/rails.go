package autoscale

import (
	"fmt"
	"time"
)

// Situation is all that a decision rests on.
type Situation struct {
	At         time.Time  `json:"at"`
	Current    int        `json:"current"`  // -1 where unknown
	Load       *float64   `json:"load"`     // nil where unknown
	Reactive   *int       `json:"reactive"` // see ReactiveReplicas; nil where unknown
	Predicted  *Predicted `json:"predicted"`
	Recent     []Change   `json:"recent"`  // what was changed, the oldest first
	Wishes     []Wish     `json:"-"`       // what earlier decisions wanted, the oldest first
	Burn       Burn       `json:"burn"`    //
	Paused     string     `json:"paused"`  // what on the target asks to leave it alone
	Stopped    string     `json:"stopped"` // by whom and why all scaling, or this workload's, is switched off
	Confidence Confidence `json:"confidence"`
	Verdict    Verdict    `json:"verdict"`
	Approved   *Approved  `json:"approved"` // what somebody has approved
}

// Change is one change of the replicas by us.
type Change struct {
	At   time.Time `json:"at"`
	From int       `json:"from"`
	To   int       `json:"to"`
}

// Wish is what a decision wanted before it waited for things to settle.
type Wish struct {
	At       time.Time `json:"at"`
	Replicas int       `json:"replicas"`
}

// Burn is the state of the error budget.
type Burn struct {
	Fast bool   `json:"fast"`          // one of the SLO's fast tiers burns
	SLO  string `json:"slo,omitempty"` // which
}

// Approved is a number of replicas that somebody other than the one who asked allows to go to.
type Approved struct {
	Replicas int       `json:"replicas"`
	By       string    `json:"by"`
	Until    time.Time `json:"until"`
}

// Bases of a Plan.
const (
	BasisNone     = "none"
	BasisReactive = "reactive"
	BasisForecast = "forecast"
)

// Rules, in the order in which Guard asks them.
const (
	RuleStopped    = "kill-switch"
	RulePaused     = "paused"
	RuleUnknown    = "unknown"
	RuleMode       = "mode"
	RuleGate       = "gate"
	RuleStale      = "stale"
	RuleConfidence = "confidence"
	RuleForecast   = "forecast"
	RuleLater      = "needed-again"
	RuleBurn       = "burn"
	RuleBudget     = "budget"
	RuleBounds     = "bounds"
	RuleStabilise  = "stabilisation"
	RuleStep       = "step"
	RuleApproval   = "approval"
	RuleFreeze     = "freeze"
	RuleDryRun     = "dry-run"
)

// Rule is one rule that had a say, with what it made of the number before it.
type Rule struct {
	Name   string `json:"name"`
	Before int    `json:"before"`
	After  int    `json:"after"`
	Why    string `json:"why"`
}

// Plan is what is to be done about a workload, and how it came to that.
type Plan struct {
	Workload  string    `json:"workload"`
	Service   string    `json:"service"`
	At        time.Time `json:"at"`
	Mode      Mode      `json:"mode"`
	Basis     string    `json:"basis"`    // what the number comes from
	Current   int       `json:"current"`  // -1 where unknown
	Wanted    int       `json:"wanted"`   // by load, forecast and error budget
	Replicas  int       `json:"replicas"` // after all rules
	Act       bool      `json:"act"`      // false: a dry run, or there is nothing to do
	Rules     []Rule    `json:"rules"`
	Ask       *Ask      `json:"ask"` // what needs somebody's approval; null for nothing
	Situation Situation `json:"situation"`
}

// Ask is a change that waits for approval.
type Ask struct {
	Replicas int    `json:"replicas"`
	Why      string `json:"why"`
}

// Guard decides how many replicas a workload should have now. The load's own need always counts; the forecast may add to
// it where mode, back-test, fresh data and the last forecasts allow it, and never takes a replica away. Whatever follows
// from that is bound by the definition's rails, and every rule that had a say is told in its order.
//
// With the kill switch, a pause on the target, or data missing, the replicas stay as they are. A number of replicas outside
// of min and max, such as after a change of the definition, is brought within at once, as Kubernetes does.
func Guard(w Workload, s Situation) Plan {
	g := guard{w: w, rails: w.Rails(), s: s}
	g.plan = Plan{
		Workload: w.Name, Service: w.Service, At: s.At.UTC(), Mode: g.rails.Mode, Basis: BasisNone,
		Current: s.Current, Wanted: s.Current, Replicas: s.Current, Rules: []Rule{}, Situation: s,
	}
	if g.hold() {
		return g.plan
	}
	g.want()
	g.burn()
	g.plan.Wanted = g.plan.Replicas
	g.budget()
	g.bounds()
	if inside := s.Current >= w.Min && s.Current <= w.Max; inside {
		g.stabilise()
		g.step()
		g.approval()
	}
	g.freeze()
	g.act()
	return g.plan
}

type guard struct {
	w     Workload
	rails Scaling
	s     Situation
	plan  Plan
}

// apply lets a rule set the number.
func (g *guard) apply(name string, replicas int, format string, args ...any) {
	g.plan.Rules = append(g.plan.Rules, Rule{name, g.plan.Replicas, replicas, fmt.Sprintf(format, args...)})
	g.plan.Replicas = replicas
}

// note has a rule on record that changed what counts, not the number.
func (g *guard) note(name, format string, args ...any) {
	g.apply(name, g.plan.Replicas, format, args...)
}

// hold reports whether nothing may be changed at all.
func (g *guard) hold() bool {
	switch {
	case g.s.Stopped != "":
		g.note(RuleStopped, "Scaling is switched off: %s.", g.s.Stopped)
	case g.s.Paused != "":
		g.note(RulePaused, "The target asks to be left alone: %s.", g.s.Paused)
	case g.s.Current < 0:
		g.note(RuleUnknown, "The number of replicas is unknown.")
	case g.s.Reactive == nil:
		g.note(RuleUnknown, "The load, or what a replica takes, is unknown. Nothing is changed on data that is missing.")
	default:
		return false
	}
	return true
}

// want starts from the load now and lets the forecast add to it.
func (g *guard) want() {
	reactive := *g.s.Reactive
	g.plan.Basis = BasisReactive
	g.plan.Replicas = reactive
	p := g.s.Predicted
	if !g.trusted(p) {
		return
	}
	g.plan.Basis = BasisForecast
	soon := p.Soon
	if soon > g.s.Current && float64(soon-g.s.Current) <= g.w.Tolerance*float64(g.s.Current) {
		soon = g.s.Current // too little to start anything for
	}
	if soon > reactive {
		g.apply(RuleForecast, soon, "Within %s at most %s %s is expected, which needs %d; the load now asks for %d.", seconds(p.Horizon), number(p.Upper), g.w.Unit, p.Soon, reactive)
	}
	if keep := min(p.Later, g.s.Current); keep > g.plan.Replicas {
		g.apply(RuleLater, keep, "%d would do now, but %d are expected to be needed again within %s.", g.plan.Replicas, keep, g.w.Horizon)
	}
}

// trusted reports whether the forecast counts. In forecast-only the back-test is not asked: what is shown is what would be.
func (g *guard) trusted(p *Predicted) bool {
	if g.rails.Mode == Reactive {
		return false
	}
	if why := g.s.Verdict.refuses(g.s.At); why != "" && g.rails.Mode == Predictive {
		g.note(RuleGate, "The load alone decides: %s.", why)
		return false
	}
	if p == nil {
		g.note(RuleStale, "The load alone decides: there is no forecast.")
		return false
	}
	if age := g.s.At.Sub(p.DataAt); age > max(staleTime, staleSteps*p.Step) {
		g.note(RuleStale, "The load alone decides: the newest load the forecast has seen is %s old.", seconds(age))
		return false
	}
	if p.Seen < minCoverage {
		g.note(RuleStale, "The load alone decides: only %s of the history was seen.", percent(p.Seen))
		return false
	}
	if why := g.s.Confidence.low(); why != "" {
		g.note(RuleConfidence, "The load alone decides: %s.", why)
		return false
	}
	return true
}

// burn keeps every replica while the error budget burns fast and adds some, once those added before have had time to start.
func (g *guard) burn() {
	if !g.s.Burn.Fast {
		return
	}
	asked := g.plan.Replicas
	floor := max(asked, g.s.Current)
	if last := g.lastUp(); last.IsZero() || g.s.At.Sub(last) >= g.rails.Startup.Std() {
		floor = max(floor, min(g.s.Current+g.rails.BurnStep, asked+g.rails.BurnMost))
	}
	if floor > asked {
		g.apply(RuleBurn, floor, "The error budget of %s burns fast: nothing is taken away, and up to %d are added to what load and forecast ask for.", g.s.Burn.SLO, g.rails.BurnMost)
	}
}

func (g *guard) lastUp() time.Time {
	for i := len(g.s.Recent) - 1; i >= 0; i-- {
		if c := g.s.Recent[i]; c.To > c.From {
			return c.At
		}
	}
	return time.Time{}
}

// budget keeps out what is not paid for; what runs is not taken away for it.
func (g *guard) budget() {
	b := g.rails.Budget
	if b == nil {
		return
	}
	paid := max(b.Cap(), g.w.Min)
	if most := max(paid, g.s.Current); g.plan.Replicas > most {
		g.apply(RuleBudget, most, "The budget of %s %s a month pays for %d: the service will be short of %d.", b.Month, b.Currency, paid, g.plan.Replicas-most)
	}
}

func (g *guard) bounds() {
	switch n := g.plan.Replicas; {
	case n > g.w.Max:
		g.apply(RuleBounds, g.w.Max, "Max is %d: the service will be short of %d.", g.w.Max, n-g.w.Max)
	case n < g.w.Min:
		g.apply(RuleBounds, g.w.Min, "Min is %d.", g.w.Min)
	}
}

// stabilise takes away only what no decision of the last while wanted.
func (g *guard) stabilise() {
	if g.plan.Replicas >= g.s.Current {
		return
	}
	begin, watched, highest := g.s.At.Add(-g.rails.Stabilisation.Std()), false, g.plan.Replicas
	for _, w := range g.s.Wishes {
		// One wish from before the window shows that we have been watching since; a gap of a few decisions is none.
		watched = watched || !w.At.After(begin.Add(2*DecideEvery)) && w.At.After(begin.Add(-10*DecideEvery))
		if w.At.After(begin) {
			highest = max(highest, w.Replicas)
		}
	}
	switch {
	case !watched:
		g.apply(RuleStabilise, g.s.Current, "The load has not been watched for %s yet.", g.rails.Stabilisation)
	case highest > g.plan.Replicas:
		g.apply(RuleStabilise, min(highest, g.s.Current), "Within the last %s there was need for %d.", g.rails.Stabilisation, highest)
	}
}

// step bounds how much changes within its span.
func (g *guard) step() {
	n := g.plan.Replicas
	switch {
	case n > g.s.Current:
		if most := max(g.rails.Up.most(g.before(g.rails.Up.Within.Std(), true), true), g.s.Current); n > most {
			g.apply(RuleStep, most, "At most to %d within %s, not to %d.", most, g.rails.Up.Within, n)
		}
	case n < g.s.Current:
		if least := min(g.rails.Down.most(g.before(g.rails.Down.Within.Std(), false), false), g.s.Current); n < least {
			g.apply(RuleStep, least, "At least %d are kept within %s, not %d.", least, g.rails.Down.Within, n)
		}
	}
}

// before returns the replicas there were a span ago, by what was changed in one direction since.
func (g *guard) before(span time.Duration, up bool) int {
	n := g.s.Current
	for _, c := range g.s.Recent {
		if c.At.After(g.s.At.Add(-span)) && c.To > c.From == up {
			n -= c.To - c.From
		}
	}
	return max(n, 0)
}

// approval goes as far as it may without asking, and asks for the rest. Many small steps are no way around it.
func (g *guard) approval() {
	a := g.rails.Approval
	if a == nil || g.plan.Replicas == g.s.Current {
		return
	}
	n, up := g.plan.Replicas, g.plan.Replicas > g.s.Current
	far := g.far(a, g.before(a.Within.Std(), up), up)
	if ok := g.s.Approved; ok != nil && g.s.At.Before(ok.Until) {
		far = further(far, ok.Replicas, up)
	}
	far = further(far, g.s.Current, up)
	if up && n > far || !up && n < far {
		why := fmt.Sprintf("From %d to %d is more than may be changed within %s without somebody's approval.", g.s.Current, n, a.Within)
		g.plan.Ask = &Ask{n, why}
		g.apply(RuleApproval, far, "%s", why)
	}
}

// far is the furthest number that needs no approval, from the replicas at the begin of the span.
func (g *guard) far(a *Approval, base int, up bool) int {
	if !up {
		if a.Above == 0 {
			return 0
		}
		return base - a.Above
	}
	most := maxReplicas
	if a.Above > 0 {
		most = base + a.Above
	}
	if a.Cost != nil && g.rails.Budget != nil {
		most = min(most, base+g.rails.Budget.replicasWithin(*a.Cost))
	}
	return most
}

func further(a, b int, up bool) int {
	if up {
		return max(a, b)
	}
	return min(a, b)
}

func (g *guard) freeze() {
	for _, f := range g.rails.Freeze {
		if !f.Covers(g.s.At) || f.Stops == StopsScaleIn && g.plan.Replicas >= g.s.Current {
			continue
		}
		if g.plan.Replicas != g.s.Current {
			g.apply(RuleFreeze, g.s.Current, "Not during %s.", f)
			g.plan.Ask = nil
		}
	}
}

// act says whether the plan is carried out.
func (g *guard) act() {
	if g.plan.Replicas == g.s.Current {
		return
	}
	if g.rails.Mode == ForecastOnly {
		g.note(RuleDryRun, "The mode is %s: nothing is changed.", ForecastOnly)
		return
	}
	g.plan.Act = true
}

// Explain tells the plan in a few lines, for people.
func (p Plan) Explain() []string {
	var lines []string
	switch {
	case p.Current < 0:
		lines = append(lines, "The number of replicas is unknown.")
	case p.Replicas == p.Current:
		lines = append(lines, fmt.Sprintf("Stay at %d replicas.", p.Current))
	case p.Act:
		lines = append(lines, fmt.Sprintf("Go from %d to %d replicas.", p.Current, p.Replicas))
	default:
		lines = append(lines, fmt.Sprintf("Would go from %d to %d replicas.", p.Current, p.Replicas))
	}
	for _, r := range p.Rules {
		lines = append(lines, fmt.Sprintf("%s: %s", r.Name, r.Why))
	}
	return lines
}

// seconds rounds a span for people.
func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }
