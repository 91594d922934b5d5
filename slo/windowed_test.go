package slo

import (
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
)

func TestAFixedWindowGivesWayToTheTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query string
		counter     bool
		want        string
	}{
		{"a template stays", `sum(rate(x[{{.window}}])) # as it is`, true, `sum(rate(x[{{.window}}])) # as it is`},
		{"a counter alone stays", `x{a="b"}`, true, `x{a="b"}`},
		{"one window", `sum(rate(x{a="b"}[5m]))`, true, `sum(rate(x{a="b"}[{{.window}}]))`},
		{"the same window twice", `sum(rate(x[5m])) - sum(rate(y[300s]))`, true, `sum(rate(x[{{.window}}])) - sum(rate(y[{{.window}}]))`},
		{"a subquery's", `sum(sum_over_time((x > 1)[1h:1m]))`, true, `sum(sum_over_time((x > 1)[{{.window}}:1m]))`},
		{"a sum of counters", `sum by (tenant) (x{a="b"}) + sum by (tenant) (y)`, true, `sum by (tenant) (increase(x{a="b"}[{{.window}}])) + sum by (tenant) (increase(y[{{.window}}]))`},
		{"a number that goes up and down", `ready{a="b"}`, false, `sum_over_time(ready{a="b"}[{{.window}}])`},
		{"sums of them", `sum(ready)`, false, `sum(sum_over_time(ready[{{.window}}]))`},
	} {
		got, err := Windowed(c.query, c.counter)
		if err != nil || got != c.want {
			t.Errorf("%s: %s became %s, %v; want %s", c.name, c.query, got, err, c.want)
		}
	}
	for query, want := range map[string]string{
		`sum(rate(x[5m])) / sum(rate(y[1h]))`: "reads windows of 5m and 1h; write the same one everywhere",
		`sum(x offset 5m)`:                    "has an offset or @ without a window",
		`sum(rate(x[5m]`:                      "is not PromQL",
	} {
		if _, err := Windowed(query, true); !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Public(err).Message, want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}
