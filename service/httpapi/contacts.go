package httpapi

import (
	"cmp"
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// policyShown is an escalation policy as people see it: targets by name, and no addresses, which may hold secrets.
type policyShown struct {
	Name        string      `json:"name"`
	Repeat      int         `json:"repeat" doc:"Further rounds after the first; -1 for ever."`
	RepeatAfter string      `json:"repeatAfter,omitempty" doc:"Between rounds, such as 30m0s."`
	Steps       []stepShown `json:"steps"`

	AcknowledgeTimeout string `json:"acknowledgeTimeout,omitempty" doc:"After which an incident that is not resolved is paged anew, such as 30m0s."`
	AutoResolve        string `json:"autoResolve,omitempty" doc:"After which an open incident is resolved, such as 24h0m0s."`
	LowUrgency         bool   `json:"lowUrgency" doc:"Incidents of low urgency page too."`
}

type stepShown struct {
	Delay    string         `json:"delay" doc:"After the step before it, such as 5m0s."`
	Targets  []targetShown  `json:"targets"`
	Fallback *fallbackShown `json:"fallback,omitempty"`
	Strategy string         `json:"strategy" enum:"all,round_robin" doc:"Whether all targets are paged, or the one whose turn it is."`
	Everyone bool           `json:"everyone" doc:"Each person of the step has to acknowledge."`
}

type fallbackShown struct {
	After   string        `json:"after" doc:"Where nobody has accepted a page for so long."`
	Targets []targetShown `json:"targets"`
}

type targetShown struct {
	ID       string       `json:"id" doc:"The same wherever policies name the same target."`
	Provider string       `json:"provider"`
	Name     string       `json:"name" doc:"Without secrets."`
	LastTest *contactTest `json:"lastTest,omitempty"`
}

// contactTest is how one test page went.
type contactTest struct {
	Provider  string    `json:"provider"`
	Target    string    `json:"target" doc:"Without secrets."`
	At        time.Time `json:"at"`
	Outcome   string    `json:"outcome" enum:"sent,failed"`
	Status    int       `json:"status,omitempty" doc:"The provider's HTTP status; none where it has none or gave none."`
	LatencyMS float64   `json:"latencyMs" doc:"Until the provider answered."`
	Error     string    `json:"error,omitempty"`
	Leftover  string    `json:"leftover,omitempty" doc:"What the test leaves behind at the provider, for a person to clear."`
}

func contactTestOf(t incidents.ContactTest) contactTest {
	return contactTest{
		Provider: t.Provider, Target: t.Name, At: t.At.UTC(), Outcome: t.Outcome, Status: t.StatusCode,
		LatencyMS: float64(t.Took.Microseconds()) / 1000, Error: t.Error, Leftover: t.Leftover(),
	}
}

type policyList struct {
	Policies []policyShown `json:"policies"`
}

type testList struct {
	Tests []contactTest `json:"tests" doc:"One for each target, in their order."`
}

type testWish struct {
	Policy   string            `json:"policy,omitempty" maxLength:"200" doc:"One in force; or write a target." example:"shop-oncall"`
	Step     int               `json:"step,omitempty" minimum:"0" doc:"From 1; none is the whole policy." example:"1"`
	Fallback bool              `json:"fallback,omitempty" doc:"The step's fallback in place of its targets."`
	Index    int               `json:"index,omitempty" minimum:"0" doc:"Of the target in the step, from 1; none is all of them." example:"1"`
	Target   *incidents.Target `json:"target,omitempty" doc:"As among the targets of an EscalationPolicy, applied or not; needs the role editor."`
}

// spot returns where in the policy the targets are; what belongs to the one way of asking is refused in the other.
func (w testWish) spot() (incidents.Spot, error) {
	at := incidents.Spot{Step: w.Step, Fallback: w.Fallback, Index: w.Index}
	switch {
	case w.Target == nil && w.Policy == "":
		return at, fault.New(fault.Invalid, "policy: is missing; name a policy in force, or write a target")
	case w.Target != nil && (w.Policy != "" || at != incidents.Spot{}):
		return at, fault.New(fault.Invalid, "target: stands beside a policy, step, fallback or index; keep either")
	}
	return at, nil
}

type testInput struct{ Body testWish }

func (a *API) mountContacts() {
	const tag = "Contacts"
	register(a, operation{id: "list-policies", method: get, path: "/policies", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List the escalation policies in force, with the last test of each target"}, a.policies)
	register(a, operation{id: "test-contact", method: post, path: "/contacts/test", tag: tag, role: access.Responder, audience: operatorOnly,
		slow: true, summary: "Send a test page and say how that went",
		about: "At once and once, past the queue of pages. It says of itself that nobody needs to act. That a target failed is no error of the request: " +
			"see its outcome. One test a target in 10 seconds and 10 a person and minute. A test that arrives lets a target that was left alone, because " +
			"it refused, be paged again."}, a.testContact)
}

func (a *API) testContact(ctx context.Context, in *testInput) (*body[testList], error) {
	who := access.PrincipalOf(ctx)
	at, err := in.Body.spot()
	if err != nil {
		return nil, err
	}
	var tests []incidents.ContactTest
	if in.Body.Target != nil {
		tests, err = a.deps.Contacts.TestTarget(ctx, who, *in.Body.Target)
	} else {
		tests, err = a.deps.Contacts.TestPolicy(ctx, who, in.Body.Policy, at)
	}
	out := testList{Tests: []contactTest{}}
	for _, t := range tests {
		out.Tests = append(out.Tests, contactTestOf(t))
	}
	return show(out, err)
}

func (a *API) policies(ctx context.Context, _ *none) (*body[policyList], error) {
	who := access.PrincipalOf(ctx)
	found, err := a.deps.Contacts.Policies(ctx, who)
	if err != nil {
		return nil, err
	}
	var everybody []incidents.Target
	for _, p := range found {
		everybody = append(everybody, p.Everybody()...)
	}
	tests, err := a.deps.Contacts.LastTests(ctx, who, everybody)
	out := policyList{Policies: []policyShown{}}
	for _, p := range found {
		out.Policies = append(out.Policies, shownPolicy(p, tests))
	}
	return show(out, err)
}

func shownPolicy(p incidents.Policy, tests map[string]incidents.ContactTest) policyShown {
	shown := policyShown{Name: p.Name, Repeat: p.Repeat, Steps: []stepShown{}}
	if p.RepeatAfter > 0 {
		shown.RepeatAfter = p.RepeatAfter.String()
	}
	if p.AcknowledgeTimeout > 0 {
		shown.AcknowledgeTimeout = p.AcknowledgeTimeout.String()
	}
	if p.AutoResolve > 0 {
		shown.AutoResolve = p.AutoResolve.String()
	}
	shown.LowUrgency = p.LowUrgency
	for _, s := range p.Steps {
		step := stepShown{
			Delay: s.Delay.String(), Targets: shownTargets(s.Targets, tests), Strategy: cmp.Or(string(s.Strategy), "all"), Everyone: s.Everyone,
		}
		if f := s.Fallback; f != nil {
			step.Fallback = &fallbackShown{After: f.After.String(), Targets: shownTargets(f.Targets, tests)}
		}
		shown.Steps = append(shown.Steps, step)
	}
	return shown
}

func shownTargets(targets []incidents.Target, tests map[string]incidents.ContactTest) []targetShown {
	out := []targetShown{}
	for _, t := range targets {
		shown := targetShown{ID: t.ID(), Provider: t.Provider(), Name: t.String()}
		if test, ok := tests[t.Key()]; ok {
			last := contactTestOf(test)
			shown.LastTest = &last
		}
		out = append(out, shown)
	}
	return out
}
