package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// contactTest is one test page as the API tells of it.
type contactTest struct {
	Policy    string    `json:"policy,omitempty"`
	Step      int       `json:"step,omitempty"`
	Fallback  bool      `json:"fallback,omitempty"`
	Provider  string    `json:"provider"`
	Target    string    `json:"target"`
	At        time.Time `json:"at"`
	Outcome   string    `json:"outcome"`
	Status    int       `json:"status,omitempty"`
	LatencyMS float64   `json:"latencyMs"`
	Error     string    `json:"error,omitempty"`
	Leftover  string    `json:"leftover,omitempty"`
}

// contactWish is one target to test.
type contactWish struct {
	Policy   string            `json:"policy,omitempty"`
	Step     int               `json:"step,omitempty"`
	Fallback bool              `json:"fallback,omitempty"`
	Index    int               `json:"index,omitempty"`
	Target   *incidents.Target `json:"target,omitempty"`

	policy, id, name string
}

func (a *cli) contactCommand() *cobra.Command {
	return group("contact", "Find out whether pages arrive", a.contactTest())
}

func (a *cli) contactTest() *cobra.Command {
	var file string
	var step int
	c := &cobra.Command{
		Use: "test {POLICY | -f FILE} [--step N]", Short: "Send a test page to each target of an escalation policy", Args: args(cobra.MaximumNArgs(1)),
		Long: "Send each target, fallbacks too, one page that says of itself that it is a test and nobody needs to act, at once and past\n" +
			"the queue of pages. With -f the policy need not be applied; its secrets are read where the control plane runs.\n" +
			"A target is tested once in 10 seconds and a person sends 10 tests a minute; longer policies wait for that.\n" +
			"The exit code is 1 where a target failed.",
		Example: "  nines contact test shop-oncall\n  nines contact test shop-oncall --step 2\n  nines contact test -f policy.yaml",
		RunE: func(c *cobra.Command, names []string) error {
			if file == "" && len(names) == 0 {
				return usageError{errors.New("name a policy, or a file with -f")}
			}
			if step < 0 {
				return usageError{fmt.Errorf("--step %d is not a step; count from 1", step)}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			name := strings.Join(names, "")
			wishes, err := a.contactWishes(c.Context(), api, name, file, step)
			if err != nil {
				return err
			}
			return a.testContacts(c.Context(), api, wishes)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file or folder with policies that need not be applied; - for standard input")
	c.Flags().IntVar(&step, "step", 0, "only this step and its fallback, from 1")
	return c
}

// contactWishes are the targets to test, each once.
func (a *cli) contactWishes(ctx context.Context, api *client, name, file string, step int) ([]contactWish, error) {
	find := func() ([]contactWish, error) { return appliedTargets(ctx, api, name) }
	if file != "" {
		find = func() ([]contactWish, error) { return a.writtenTargets(file, name) }
	}
	wishes, err := find()
	if err != nil {
		return nil, err
	}
	var kept []contactWish
	seen := map[string]bool{}
	for _, w := range wishes {
		if (step == 0 || w.Step == step) && !seen[w.id] {
			seen[w.id] = true
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return nil, fault.New(fault.Invalid, "--step: there is no step %d", step)
	}
	return kept, nil
}

// testContacts tests one after the other, so that who looks at a telephone can tell which it was.
func (a *cli) testContacts(ctx context.Context, api *client, wishes []contactWish) error {
	bar := newProgress(a.err)
	tests, failed := []contactTest{}, 0
	for n, w := range wishes {
		bar.show(n, len(wishes), w.name)
		test, err := testContact(ctx, api, w, func(wait time.Duration) {
			bar.last = time.Time{} // this is worth showing at once
			bar.show(n, len(wishes), fmt.Sprintf("waits %s, so as not to flood", short(wait)))
		})
		if err != nil {
			bar.clear()
			return err
		}
		if test.Outcome != incidents.OutcomeSent {
			failed++
		}
		tests = append(tests, test)
	}
	bar.clear()
	if err := a.show(map[string]any{"tests": tests}, func() { a.printTests(tests) }); err != nil || failed == 0 {
		return err
	}
	return fault.New(fault.Unavailable, "%d of %d targets did not take the test", failed, len(tests))
}

// testContact tests one target, and waits where it is too early for that.
func testContact(ctx context.Context, api *client, w contactWish, waits func(time.Duration)) (contactTest, error) {
	for {
		var answer struct{ Tests []contactTest }
		err := api.post(ctx, "/contacts/test", w.asked(), &answer)
		var limit *fault.Error
		switch {
		case errors.As(err, &limit) && limit.Kind == fault.Limited && limit.RetryAfter > 0:
			waits(limit.RetryAfter)
			select {
			case <-ctx.Done():
				return contactTest{}, ctx.Err()
			case <-time.After(limit.RetryAfter):
			}
			continue
		case err != nil:
			return contactTest{}, err
		case len(answer.Tests) != 1:
			return contactTest{}, fault.New(fault.Conflict, "the policy has changed in the meantime; begin again")
		}
		test := answer.Tests[0]
		test.Policy, test.Step, test.Fallback = w.policy, w.Step, w.Fallback
		return test, nil
	}
}

func (a *cli) printTests(tests []contactTest) {
	var rows [][]string
	var leftovers []string
	for _, t := range tests {
		step := fmt.Sprint(t.Step)
		if t.Fallback {
			step += " fallback"
		}
		status := missing
		if t.Status > 0 {
			status = fmt.Sprint(t.Status)
		}
		rows = append(rows, []string{step, t.Target, t.Outcome, status, fmt.Sprintf("%.0f ms", t.LatencyMS), t.Error})
		if t.Leftover != "" && !slices.Contains(leftovers, t.Leftover) {
			leftovers = append(leftovers, t.Leftover)
		}
	}
	a.table([]string{"step", "target", "outcome", "status", "took", "why"}, rows)
	for _, l := range leftovers {
		a.printf("%s\n", l)
	}
}
