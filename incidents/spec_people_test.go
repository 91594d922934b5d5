package incidents_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/incidents"
)

func TestAPolicyMayNamePeopleAndSchedules(t *testing.T) {
	t.Parallel()
	got, problems := read(t, `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: payments}
spec:
  repeat: -1
  acknowledgeTimeout: 30m
  autoResolve: 4h
  lowUrgency: page
  steps:
    - targets:
        - schedule: payments-primary
        - user: Ana@example.com
      acknowledge: everyone
    - delay: 5m
      strategy: round_robin
      targets:
        - user: bo@example.com
        - user: cy@example.com
`)
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	want := incidents.Policy{
		Name: "payments", Repeat: -1, AcknowledgeTimeout: 30 * time.Minute, AutoResolve: 4 * time.Hour, LowUrgency: true,
		Steps: []incidents.Step{
			{Targets: []incidents.Target{{Schedule: "payments-primary"}, {User: "Ana@example.com"}}, Everyone: true},
			{Delay: 5 * time.Minute, Strategy: incidents.RoundRobin, Targets: []incidents.Target{{User: "bo@example.com"}, {User: "cy@example.com"}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if key := got.Steps[0].Targets[1].Key(); key != "user:ana@example.com" {
		t.Errorf("the key is %s", key)
	}
}

func TestEveryProblemOfAPolicyForPeopleIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	_, problems := read(t, `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: payments}
spec:
  acknowledgeTimeout: 5s
  autoResolve: 60d
  lowUrgency: maybe
  steps:
    - targets:
        - user: Ana <ana@example.com>
        - schedule: "a b"
        - user: ana@example.com
          schedule: x
      strategy: random
      acknowledge: all
    - strategy: round_robin
      acknowledge: everyone
      targets:
        - user: bo@example.com
    - acknowledge: everyone
      targets:
        - email: {to: [ana@example.com]}
    - targets:
        - user: bo@example.com
        - user: BO@example.com
`)
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	slices.Sort(got)
	for _, want := range []string{
		"5: spec.acknowledgeTimeout: is 5s; write 1m to 1w", "6: spec.autoResolve: is 60d", `7: spec.lowUrgency: "maybe" is not known; write one of silent, page`,
		"10: spec.steps.0.targets.0.user: ", "11: spec.steps.0.targets.1.schedule: ", "12: spec.steps.0.targets.2: names 2 providers",
		`spec.steps.0.strategy: "random" is not known`, `spec.steps.0.acknowledge: "all" is not known`,
		"spec.steps.1.strategy: takes turns among at least two", "spec.steps.1.acknowledge: does not go with strategy round_robin",
		"spec.steps.2.acknowledge: needs a target that is a user or a schedule", "spec.steps.3.targets.1: is the same as spec.steps.3.targets.0",
	} {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("no problem says %q", want)
		}
	}
	if t.Failed() || len(got) != 12 {
		t.Errorf("%d problems:\n%s", len(got), strings.Join(got, "\n"))
	}
}
