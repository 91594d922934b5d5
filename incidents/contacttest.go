package incidents

import (
	"context"
	"fmt"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// TestTitle leads every test page, so that who gets one at night can turn around again.
const TestTitle = "Test from Nines, nobody needs to act"

// ContactTest is one test page to one target and how that went.
type ContactTest struct {
	Key        string        // Target.Key
	Provider   string        // as definitions name it
	Name       string        // of the target, for people; never holds a secret
	At         time.Time     // when it was sent
	Actor      string        // who sent it, for people
	Outcome    string        // OutcomeSent or OutcomeFailed
	StatusCode int           // the provider's HTTP status, 0 where there was none
	Took       time.Duration // until the provider answered
	Error      string        // for people; never holds a secret; "" where it was sent
}

// OK reports whether the provider took the page.
func (t ContactTest) OK() bool { return t.Outcome == OutcomeSent }

// Leftover says what the person has to do about a test that worked, "" for nothing.
func (t ContactTest) Leftover() string {
	switch {
	case !t.OK():
		return ""
	case t.Provider == "pagerduty":
		return "PagerDuty keeps the test as an open alert until somebody resolves it there."
	case t.Provider == "opsgenie":
		return "Opsgenie keeps the test as an open alert until somebody closes it there."
	}
	return ""
}

// ID is short and the same for equal destinations; it tells nothing about them.
func (t Target) ID() string { return shortHash(t.Key()) }

// Check returns every problem of a target that stands in no policy.
func (t Target) Check() error {
	r := policyReader{doc: manifest.Document{}}
	r.target("target", t)
	if len(r.problems) == 0 {
		return nil
	}
	out := fault.New(fault.Invalid, "the target cannot be paged as it is")
	for _, p := range r.problems {
		out.Details = append(out.Details, fault.Detail{Where: p.Field, Message: p.Message})
	}
	return out
}

// TestNotification is a page to the target that says of itself that it is a test. It is an error, because that is the
// loudest that rings once: an emergency would ring until somebody answers it, and a warning perhaps not at all. It has no
// number, id or address, since there is no incident to look at or to answer, and a key of its own, so that it joins no
// earlier test.
func TestNotification(t Target, who string, now time.Time) Notification {
	id := fmt.Sprintf("test-%x-%s", now.UnixNano(), t.ID())
	policy := Policy{Name: "test", Steps: []Step{{Targets: []Target{t}}}}
	return Notification{
		Page: Page{
			Incident: id, Action: ActionTrigger, Step: 1, Target: t, DedupKey: id, State: PageSending, Attempts: 1, NextAt: now, CreatedAt: now,
		},
		Incident: Incident{
			Title: TestTitle, Summary: "Sent by " + who + " to find out whether pages arrive here.", Severity: Error, State: Triggered,
			Labels: map[string]string{"test": "true"}, Policy: policy, Step: 1, StartedAt: now, OpenedAt: now,
		},
		At: now,
	}
}

// SendTest sends a test page to the target at once, past the outbox, and returns how that went; it is not tried again. It
// takes PageTimeout at most. A crash of the notifier comes back as cause, for the log.
func SendTest(ctx context.Context, notifiers map[string]Notifier, t Target, who string, now func() time.Time) (test ContactTest, cause error) {
	return sendNow(ctx, notifiers, TestNotification(t, who, now()), who, now)
}

// SendCode sends a person the code that proves that an address is theirs, as SendTest sends a test.
func SendCode(ctx context.Context, notifiers map[string]Notifier, t Target, code, who string, now func() time.Time) (test ContactTest, cause error) {
	return sendNow(ctx, notifiers, CodeNotification(t, code, who, now()), who, now)
}

func sendNow(ctx context.Context, notifiers map[string]Notifier, n Notification, who string, now func() time.Time) (test ContactTest, cause error) {
	ctx, cancel := context.WithTimeout(ctx, PageTimeout)
	defer cancel()
	at, t := n.At, n.Page.Target
	test = ContactTest{Key: t.Key(), Provider: t.Provider(), Name: t.String(), At: at, Actor: who, Outcome: OutcomeSent}
	receipt, err := Receipt{}, error(fault.New(fault.Invalid, "nothing is set up to send by %s", orUnknown(test.Provider)))
	if notifier, ok := notifiers[test.Provider]; ok {
		receipt, err = send(ctx, notifier, n)
	}
	test.StatusCode, test.Took = receipt.StatusCode, now().Sub(at)
	if err != nil {
		test.Outcome, test.Error = OutcomeFailed, publicWords(err)
	}
	if fault.Is(err, fault.Internal) {
		cause = err
	}
	return test, cause
}

// Spot says where in a policy a target stands. Step and Index count from 1; 0 is all of them.
type Spot struct {
	Step     int
	Fallback bool // of the step, in place of its targets
	Index    int
}

// At returns the targets at the spot, each once. A spot that the policy does not have is a fault.Invalid that names the
// field of it.
func (p Policy) At(s Spot) ([]Target, error) {
	if s.Step < 0 || s.Step > len(p.Steps) {
		return nil, fault.New(fault.Invalid, "step: %s has no step %d; it has %d", p.Name, s.Step, len(p.Steps))
	}
	if s.Step == 0 {
		if s.Index != 0 || s.Fallback {
			return nil, fault.New(fault.Invalid, "step: say of which step, 1 to %d", len(p.Steps))
		}
		return p.Everybody(), nil
	}
	targets, what := p.Steps[s.Step-1].Targets, fmt.Sprintf("step %d", s.Step)
	if s.Fallback {
		what, targets = "the fallback of "+what, p.Steps[s.Step-1].Fallback.targets()
	}
	switch {
	case len(targets) == 0:
		return nil, fault.New(fault.Invalid, "fallback: %s has no targets", what)
	case s.Index < 0 || s.Index > len(targets):
		return nil, fault.New(fault.Invalid, "index: %s has no target %d; it has %d", what, s.Index, len(targets))
	case s.Index > 0:
		return targets[s.Index-1 : s.Index], nil
	}
	return targets, nil
}

func (f *Fallback) targets() []Target {
	if f == nil {
		return nil
	}
	return f.Targets
}

// Everybody returns whom the policy pages, each once, in the order of its steps.
func (p Policy) Everybody() []Target {
	var all []Target
	seen := map[string]bool{}
	for _, s := range p.Steps {
		for _, targets := range [][]Target{s.Targets, s.Fallback.targets()} {
			for _, t := range targets {
				if !seen[t.Key()] {
					seen[t.Key()] = true
					all = append(all, t)
				}
			}
		}
	}
	return all
}
