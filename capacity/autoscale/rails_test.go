package autoscale

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

// scaled is the shop with a policy that acts.
func scaled(change func(*Scaling)) Workload {
	w := shop()
	s := Scaling{Mode: Predictive, Startup: manifest.Duration(2 * time.Minute), Target: &Target{KEDA: &KEDATarget{}}}
	s.Up = Step{Replicas: 100, Within: manifest.Duration(time.Minute)}
	s.Down = Step{Replicas: 100, Within: manifest.Duration(time.Minute)}
	s = s.withDefaults(w)
	if change != nil {
		change(&s)
	}
	w.Scaling = &s
	return w
}

// calm is a situation in which nothing but load and forecast counts: 8 replicas, watched for an hour.
func calm(reactive, soon, later int) Situation {
	load := float64(reactive) * 10 / 1.2
	s := Situation{
		At: now, Current: 8, Load: &load, Reactive: &reactive,
		Predicted:  &Predicted{Soon: soon, Later: later, Upper: float64(soon) * 8, DataAt: now, Seen: 1, Step: time.Minute, Horizon: 2 * time.Minute},
		Confidence: Confidence{Judged: 100, Covered: 0.95, Promised: 0.95, Skill: 0.5},
		Verdict:    Verdict{Allowed: true, At: now.Add(-time.Hour)},
	}
	for ago := 60; ago > 0; ago-- {
		s.Wishes = append(s.Wishes, Wish{now.Add(-time.Duration(ago) * time.Minute), 1})
	}
	return s
}

func names(p Plan) string {
	var out []string
	for _, r := range p.Rules {
		out = append(out, r.Name)
	}
	return strings.Join(out, " ")
}

func money(t testing.TB, text string) cost.Decimal {
	t.Helper()
	d, ok := cost.ParseDecimal(text)
	if !ok {
		t.Fatalf("%q is no decimal", text)
	}
	return d
}

func TestWhichRulesChangeADecision(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration, from, to int) Change { return Change{now.Add(-d), from, to} }
	month := Budget{Price: money(t, "0.10"), Month: money(t, "1000"), Currency: "EUR"} // 13 replicas: 13 × 744 × 0.10 = 967.20
	for name, c := range map[string]struct {
		scaling  func(*Scaling)
		s        func(*Situation)
		reactive int
		soon     int
		later    int
		want     int
		rules    string
		act      bool
		ask      int
	}{
		"the load asks for more":                 {nil, nil, 12, 3, 3, 12, "", true, 0},
		"the forecast asks for more":             {nil, nil, 8, 12, 12, 12, "forecast", true, 0},
		"a forecast hardly above is no reason":   {func(s *Scaling) {}, func(s *Situation) { s.Current = 19 }, 19, 20, 20, 19, "", false, 0},
		"the forecast alone takes nothing away":  {nil, nil, 8, 2, 2, 8, "", false, 0},
		"both are low":                           {nil, nil, 3, 4, 4, 4, "forecast", true, 0},
		"it is needed again soon":                {nil, nil, 3, 3, 7, 7, "needed-again", true, 0},
		"needed again, and more than there is":   {nil, nil, 3, 3, 15, 8, "needed-again", false, 0},
		"all is switched off":                    {nil, func(s *Situation) { s.Stopped = "by eva" }, 20, 20, 20, 8, "kill-switch", false, 0},
		"the target is paused":                   {nil, func(s *Situation) { s.Paused = "nines.dev/paused" }, 20, 20, 20, 8, "paused", false, 0},
		"the load is unknown":                    {nil, func(s *Situation) { s.Reactive = nil }, 20, 20, 20, 8, "unknown", false, 0},
		"the replicas are unknown":               {nil, func(s *Situation) { s.Current = -1 }, 20, 20, 20, -1, "unknown", false, 0},
		"forecast-only shows what would be":      {func(s *Scaling) { s.Mode = ForecastOnly }, func(s *Situation) { s.Verdict = Verdict{} }, 8, 12, 12, 12, "forecast dry-run", false, 0},
		"reactive does not ask the forecast":     {func(s *Scaling) { s.Mode = Reactive }, nil, 9, 12, 12, 9, "", true, 0},
		"no back-test":                           {nil, func(s *Situation) { s.Verdict = Verdict{} }, 9, 12, 12, 9, "gate", true, 0},
		"the back-test declines":                 {nil, func(s *Situation) { s.Verdict.Allowed = false }, 9, 12, 12, 9, "gate", true, 0},
		"an old back-test":                       {nil, func(s *Situation) { s.Verdict.At = now.Add(-31 * 24 * time.Hour) }, 9, 12, 12, 9, "gate", true, 0},
		"no forecast":                            {nil, func(s *Situation) { s.Predicted = nil }, 9, 12, 12, 9, "stale", true, 0},
		"an old forecast":                        {nil, func(s *Situation) { s.Predicted.DataAt = now.Add(-6 * time.Minute) }, 9, 12, 12, 9, "stale", true, 0},
		"a holed history":                        {nil, func(s *Situation) { s.Predicted.Seen = 0.4 }, 9, 12, 12, 9, "stale", true, 0},
		"nothing judged yet":                     {nil, func(s *Situation) { s.Confidence.Judged = 19 }, 9, 12, 12, 9, "confidence", true, 0},
		"bounds that did not hold":               {nil, func(s *Situation) { s.Confidence.Covered = 0.7 }, 9, 12, 12, 9, "confidence", true, 0},
		"worse than naive":                       {nil, func(s *Situation) { s.Confidence.Skill = 1.1 }, 9, 12, 12, 9, "confidence", true, 0},
		"low confidence scales in by load":       {nil, func(s *Situation) { s.Confidence.Judged = 0 }, 4, 12, 12, 4, "confidence", true, 0},
		"the budget burns":                       {nil, func(s *Situation) { s.Burn = Burn{true, "shop"} }, 8, 8, 8, 9, "burn", true, 0},
		"the budget burns, little load":          {nil, func(s *Situation) { s.Burn = Burn{true, "shop"} }, 3, 3, 3, 8, "burn", false, 0},
		"what was added has not started":         {nil, func(s *Situation) { s.Burn = Burn{true, "shop"}; s.Recent = []Change{ago(time.Minute, 7, 8)} }, 8, 8, 8, 8, "", false, 0},
		"what was added has started":             {nil, func(s *Situation) { s.Burn = Burn{true, "shop"}; s.Recent = []Change{ago(2*time.Minute, 7, 8)} }, 8, 8, 8, 9, "burn", true, 0},
		"the budget pays for less":               {func(s *Scaling) { s.Budget = &month }, nil, 8, 20, 20, 13, "forecast budget", true, 0},
		"what runs is not taken away for budget": {func(s *Scaling) { s.Budget = &month }, func(s *Situation) { s.Current = 15 }, 15, 20, 20, 15, "forecast budget", false, 0},
		"max":                                    {nil, nil, 8, 50, 50, 20, "forecast bounds", true, 0},
		"min":                                    {nil, nil, 0, 0, 0, 1, "bounds", true, 0},
		"above max now":                          {func(s *Scaling) { s.Down.Replicas = 1 }, func(s *Situation) { s.Current = 30; s.Wishes = nil }, 30, 30, 30, 20, "bounds", true, 0},
		"not watched for long enough":            {nil, func(s *Situation) { s.Wishes = s.Wishes[57:] }, 3, 3, 3, 8, "stabilisation", false, 0},
		"watched, then a gap":                    {nil, func(s *Situation) { s.Wishes = s.Wishes[:40] }, 3, 3, 3, 8, "stabilisation", false, 0},
		"more was needed a moment ago":           {nil, func(s *Situation) { s.Wishes[58].Replicas = 6 }, 3, 3, 3, 6, "stabilisation", true, 0},
		"more was needed long ago":               {nil, func(s *Situation) { s.Wishes[50].Replicas = 6 }, 3, 3, 3, 3, "", true, 0},
		"a step up":                              {func(s *Scaling) { s.Up = Step{2, 0, s.Up.Within} }, nil, 14, 8, 8, 10, "step", true, 0},
		"a share up":                             {func(s *Scaling) { s.Up = Step{2, 0.5, s.Up.Within} }, nil, 14, 8, 8, 12, "step", true, 0},
		"a step up that was taken":               {func(s *Scaling) { s.Up = Step{2, 0, s.Up.Within} }, func(s *Situation) { s.Recent = []Change{ago(30*time.Second, 6, 8)} }, 14, 8, 8, 8, "step", false, 0},
		"a step up that is past":                 {func(s *Scaling) { s.Up = Step{2, 0, s.Up.Within} }, func(s *Situation) { s.Recent = []Change{ago(60*time.Second, 6, 8)} }, 14, 8, 8, 10, "step", true, 0},
		"a step down":                            {func(s *Scaling) { s.Down = Step{2, 0, s.Down.Within} }, nil, 3, 3, 3, 6, "step", true, 0},
		"a share down":                           {func(s *Scaling) { s.Down = Step{1, 0.5, s.Down.Within} }, nil, 3, 3, 3, 4, "step", true, 0},
		"a big change asks":                      {func(s *Scaling) { s.Approval = approval(4) }, nil, 18, 8, 8, 12, "approval", true, 18},
		"a change that is not big":               {func(s *Scaling) { s.Approval = approval(4) }, nil, 12, 8, 8, 12, "", true, 0},
		"small steps are no way around":          {func(s *Scaling) { s.Approval = approval(4) }, func(s *Situation) { s.Recent = []Change{ago(10*time.Minute, 5, 8)} }, 18, 8, 8, 9, "approval", true, 18},
		"nor when all was used":                  {func(s *Scaling) { s.Approval = approval(4) }, func(s *Situation) { s.Recent = []Change{ago(10*time.Minute, 2, 8)} }, 18, 8, 8, 8, "approval", false, 18},
		"approved":                               {func(s *Scaling) { s.Approval = approval(4) }, func(s *Situation) { s.Approved = &Approved{18, "eva", now.Add(time.Minute)} }, 18, 8, 8, 18, "", true, 0},
		"approved for less":                      {func(s *Scaling) { s.Approval = approval(4) }, func(s *Situation) { s.Approved = &Approved{15, "eva", now.Add(time.Minute)} }, 18, 8, 8, 15, "approval", true, 18},
		"approved too long ago":                  {func(s *Scaling) { s.Approval = approval(4) }, func(s *Situation) { s.Approved = &Approved{18, "eva", now} }, 18, 8, 8, 12, "approval", true, 18},
		"taking much away asks too":              {func(s *Scaling) { s.Approval = approval(4) }, nil, 1, 1, 1, 4, "approval", true, 1},
		"a cost that asks": {func(s *Scaling) {
			s.Budget, s.Approval = &month, &Approval{Cost: ptr(money(t, "149")), Within: manifest.Duration(time.Hour)}
		}, nil, 12, 8, 8, 10, "approval", true, 12}, // 2 × 74.40 = 148.80
		"a freeze":                             {func(s *Scaling) { s.Freeze = []Freeze{{Zone: "UTC", Between: "11:00-13:00", Stops: StopsAll}} }, nil, 12, 12, 12, 8, "freeze", false, 0},
		"a freeze that stops taking away only": {func(s *Scaling) { s.Freeze = []Freeze{{Zone: "UTC", Between: "11:00-13:00", Stops: StopsScaleIn}} }, nil, 12, 12, 12, 12, "", true, 0},
		"a freeze that stops taking away":      {func(s *Scaling) { s.Freeze = []Freeze{{Zone: "UTC", Between: "11:00-13:00", Stops: StopsScaleIn}} }, nil, 3, 3, 3, 8, "freeze", false, 0},
		"a freeze at another time":             {func(s *Scaling) { s.Freeze = []Freeze{{Zone: "UTC", Between: "13:00-11:00", Stops: StopsAll}} }, nil, 12, 12, 12, 12, "", true, 0},
		"nothing is asked for during the freeze": {func(s *Scaling) {
			s.Approval, s.Freeze = approval(1), []Freeze{{Zone: "UTC", Between: "11:00-13:00", Stops: StopsAll}}
		}, nil, 12, 12, 12, 8, "approval freeze", false, 0},
	} {
		w, s := scaled(c.scaling), calm(c.reactive, c.soon, c.later)
		if c.s != nil {
			c.s(&s)
		}
		p := Guard(w, s)
		asked := 0
		if p.Ask != nil {
			asked = p.Ask.Replicas
		}
		if p.Replicas != c.want || names(p) != c.rules || p.Act != c.act || asked != c.ask {
			t.Errorf("%s: %d by %q, act %v, ask %d; want %d by %q, %v, %d", name, p.Replicas, names(p), p.Act, asked, c.want, c.rules, c.act, c.ask)
		}
	}
}

func approval(above int) *Approval {
	return &Approval{Above: above, Within: manifest.Duration(time.Hour)}
}

func ptr[T any](x T) *T { return &x }

func TestAPlanIsToldInItsOrder(t *testing.T) {
	t.Parallel()
	w := scaled(func(s *Scaling) { s.Up = Step{4, 0, s.Up.Within} })
	got := strings.Join(Guard(w, calm(8, 50, 50)).Explain(), "\n")
	want := "Go from 8 to 12 replicas.\n" +
		"forecast: Within 2m0s at most 400 req/s is expected, which needs 50; the load now asks for 8.\n" +
		"bounds: Max is 20: the service will be short of 30.\n" +
		"step: At most to 12 within 1m, not to 20."
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatHoldsForEveryPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, least, most int) int { return rapid.IntRange(least, most).Draw(t, name) }
		w := scaled(func(s *Scaling) {
			s.Mode = rapid.SampledFrom([]Mode{ForecastOnly, Reactive, Predictive}).Draw(t, "mode")
			s.Up = Step{n("up", 1, 10), 0, manifest.Duration(time.Minute)}
			s.Down = Step{n("down", 1, 10), 0, manifest.Duration(time.Minute)}
			if rapid.Bool().Draw(t, "asks") {
				s.Approval = approval(n("above", 1, 20))
			}
			if rapid.Bool().Draw(t, "frozen") {
				s.Freeze = []Freeze{{Zone: "UTC", Between: "11:00-13:00", Stops: rapid.SampledFrom([]string{StopsAll, StopsScaleIn}).Draw(t, "stops")}}
			}
		})
		w.Min = n("min", 1, 10)
		w.Max = w.Min + n("more", 0, 40)
		s := calm(n("reactive", 0, 80), n("soon", 0, 80), n("later", 0, 80))
		s.Current = n("current", 0, 60)
		s.Burn = Burn{rapid.Bool().Draw(t, "burn"), "x"}
		s.Confidence.Judged = n("judged", 0, 40)
		s.Verdict.Allowed = rapid.Bool().Draw(t, "allowed")
		for range n("changes", 0, 3) {
			s.Recent = append(s.Recent, Change{now.Add(-time.Duration(n("ago", 0, 120)) * time.Second), n("from", 0, 30), n("to", 0, 30)})
		}
		p := Guard(w, s)
		inside := s.Current >= w.Min && s.Current <= w.Max
		frozen := slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.Name == RuleFreeze })
		if inside && (p.Replicas < w.Min || p.Replicas > w.Max) {
			t.Fatalf("%d is not within %d and %d", p.Replicas, w.Min, w.Max)
		}
		if up := p.Replicas - s.Current; inside && (up > w.Scaling.Up.Replicas || -up > w.Scaling.Down.Replicas) {
			t.Fatalf("from %d to %d is more than a step", s.Current, p.Replicas)
		}
		if p.Replicas < s.Current && inside && (*s.Reactive >= s.Current || s.Burn.Fast) {
			t.Fatalf("taken away against the load or the error budget: %+v", p.Rules)
		}
		if p.Basis == BasisReactive && p.Wanted < *s.Reactive || p.Wanted < min(*s.Reactive, w.Max) {
			t.Fatalf("%d is less than the load asks for, %d", p.Wanted, *s.Reactive)
		}
		if w.Scaling.Mode == Predictive && !s.Verdict.Allowed && p.Basis == BasisForecast {
			t.Fatalf("the forecast counts against its back-test")
		}
		if p.Act && (w.Scaling.Mode == ForecastOnly || p.Replicas == s.Current || frozen) {
			t.Fatalf("it acts: %+v", p)
		}
		if last := len(p.Rules) - 1; last >= 0 && p.Rules[last].After != p.Replicas {
			t.Fatalf("the rules end at %d, the plan at %d", p.Rules[last].After, p.Replicas)
		}
		again := s
		again.Current = p.Replicas
		again.Recent = append(slices.Clone(s.Recent), Change{now, s.Current, p.Replicas})
		if next := Guard(w, again); inside && p.Replicas > s.Current && next.Replicas < p.Replicas {
			t.Fatalf("it flaps: %d, %d, %d", s.Current, p.Replicas, next.Replicas)
		}
		stopped := s
		stopped.Stopped = "by eva"
		if off := Guard(w, stopped); off.Act || off.Replicas != s.Current {
			t.Fatalf("switched off, and it goes to %d", off.Replicas)
		}
		raw, err := json.Marshal(p)
		var back Plan
		if err != nil || json.Unmarshal(raw, &back) != nil || back.Replicas != p.Replicas {
			t.Fatalf("the plan does not survive JSON: %v", err)
		}
	})
}

func TestTheLoadNowAsksAsKubernetesDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		current int
		load    float64
		want    int
	}{{10, 83, 10}, {10, 91, 10}, {10, 92, 12}, {10, 74, 9}, {10, 75, 10}, {4, 0, 0}, {0, 5, 1}, {1, 1000, 120}} {
		if got, ok := ReactiveReplicas(shop(), c.current, c.load); !ok || got != c.want {
			t.Errorf("%d with %v: %d, want %d", c.current, c.load, got, c.want)
		}
	}
	if _, ok := ReactiveReplicas(shop(), -1, 5); ok {
		t.Error("replicas that are unknown gave a number")
	}
}

func TestAForecastAsksForWhatItsBoundNeedsInTime(t *testing.T) {
	t.Parallel()
	w := scaled(nil) // starts in 2m, so that the point 10 minutes ahead is not soon
	p := PredictedReplicas(w, expecting(60), now)
	if p == nil || p.Soon != 3 || p.Later != 8 || p.Upper != 20 || p.Horizon != 150*time.Second {
		t.Errorf("got %+v", p)
	}
	if PredictedReplicas(w, expecting(60), now.Add(24*time.Hour)) != nil {
		t.Error("a forecast of the past asks for replicas")
	}
}

func TestForecastsAreJudgedByWhatCame(t *testing.T) {
	t.Parallel()
	var outcomes []Outcome
	for range 15 {
		outcomes = append(outcomes, Outcome{Load: 10, Mean: 19, Upper: 22, Actual: 20})
	}
	for range 5 {
		outcomes = append(outcomes, Outcome{Load: 10, Mean: 20, Upper: 22, Actual: 25})
	}
	c := Confide(outcomes, 0.9)
	if c.Judged != 20 || c.Covered != 0.75 || c.Promised != 0.95 || c.Skill < 0.177 || c.Skill > 0.178 || c.low() == "" {
		t.Errorf("%+v %q", c, c.low())
	}
	if c := Confide(outcomes[:15], 0.9); !strings.Contains(c.low(), "only 15") {
		t.Errorf("%+v %q", c, c.low())
	}
}

func TestAFreezeGoesByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	night := Freeze{Zone: "Europe/Berlin", Between: "22:00-06:00", Days: []time.Weekday{time.Friday}}
	for text, want := range map[string]bool{
		"2026-11-27T20:59:00Z": false, "2026-11-27T21:00:00Z": true, "2026-11-28T04:59:00Z": true, "2026-11-28T05:00:00Z": false,
		"2026-11-28T21:30:00Z": false, "2026-11-27T04:00:00Z": false,
		"2026-07-03T20:00:00Z": true, "2026-07-04T04:00:00Z": false, // an hour earlier in summer
	} {
		if night.Covers(at(text)) != want {
			t.Errorf("%s: covered is %v", text, !want)
		}
	}
	if !(Freeze{Zone: "Nowhere", Between: "00:00-01:00"}).Covers(now) {
		t.Error("a freeze that cannot be read let a change through")
	}
}

const scaling = `
  scaling:
    mode: predictive
    startup: 90s
    up: {replicas: 5, share: 50%, within: 1m}
    stabilisation: 10m
    slo: shop-availability
    freeze:
      - {name: black-friday, zone: Europe/Berlin, from: 2026-11-27T00:00, until: 2026-11-30T06:00, stops: scale-in}
      - {zone: America/New_York, days: [sat, sun], between: "22:00-06:00"}
    approval: {above: 10, cost: 500.50}
    budget: {price: 0.12, month: 2000, currency: eur}
    target:
      kubernetes: {namespace: shop, kind: Deployment, name: web}
`

func TestScalingIsReadAsWritten(t *testing.T) {
	t.Parallel()
	w, problems := read(t, definition+scaling)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := w.Rails()
	if s.Mode != Predictive || s.Startup.Std() != 90*time.Second || s.Up.Share != 0.5 || s.Down != defaultDown || s.Stabilisation.Std() != 10*time.Minute ||
		s.Budget.Cap() != 22 || s.Budget.Currency != "EUR" || s.Approval.Cost.String() != "500.5" || s.Approval.Within.Std() != time.Hour || s.Target.Kind() != TargetKubernetes {
		t.Errorf("got %+v", s)
	}
	if f := s.Freeze[0]; !f.From.Equal(time.Date(2026, 11, 26, 23, 0, 0, 0, time.UTC)) || !f.Covers(f.From) || f.Covers(f.Until) {
		t.Errorf("the freeze is %+v", f)
	}
	if w.Provisioning() != 2*time.Minute {
		t.Errorf("asked for %s ahead", w.Provisioning())
	}
}

func TestWithoutScalingAWorkloadIsADryRun(t *testing.T) {
	t.Parallel()
	w, _ := read(t, definition)
	s := w.Rails()
	if s.Mode != ForecastOnly || s.Stabilisation.Std() != 5*time.Minute || s.Target.Kind() != "" {
		t.Errorf("got %+v", s)
	}
	if p := Guard(w, calm(20, 20, 20)); p.Act || p.Replicas == p.Current {
		t.Errorf("got %+v", p)
	}
}

func TestProblemsOfScalingAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := read(t, definition+`
  scaling:
    mode: magic
    startup: 3h
    up: {replicas: -1}
    stabilisation: 1m
    freeze:
      - {zone: Mars/Olympus, between: "1-2"}
      - {between: "25:00-26:00", days: [someday]}
      - {from: 2026-12-01T00:00, until: 2026-11-01T00:00}
    approval: {}
    budget: {price: 10, month: 20, currency: EUR}
    target: {kubernetes: {namespace: a/b, kind: Pod}, keda: {}}
`)
	var got []string
	for _, p := range problems.Sorted() {
		got = append(got, p.String())
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{
		`mode: is "magic"`, "startup: is 3h", "up: must have", "stabilisation: is 1m; write 5m", `"Mars/Olympus" is not a time zone`,
		`between is "25:00-26:00"`, `"someday" is not a day`, "write from and until", "has nothing to ask about", "pays for 0 replicas", "must have one of kubernetes, keda, asg and webhook",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("nobody said %q:\n%s", want, all)
		}
	}
}
