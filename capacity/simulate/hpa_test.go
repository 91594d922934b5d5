package simulate

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// seconds is a time so many seconds after the beginning.
func seconds(n int) time.Time { return monday.Add(time.Duration(n) * time.Second) }

// The examples are worked by the documented algorithm: desired = ceil(current × usage/target), nothing within the tolerance,
// pods not ready as 0 % on the way up, missing ones as 0 % on the way up and 100 % on the way down.
func TestWhatTheMetricAsksFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target float64
		m      Measured
		want   int
		known  bool
	}{
		"twice the target doubles":                    {0.5, Measured{Replicas: 3, Ready: 3, Usage: 1}, 6, true},
		"half the target halves":                      {0.5, Measured{Replicas: 4, Ready: 4, Usage: 0.25}, 2, true},
		"rounded up":                                  {0.5, Measured{Replicas: 3, Ready: 3, Usage: 0.6}, 4, true}, // 3 × 1.2 = 3.6
		"10 % above is tolerated":                     {0.5, Measured{Replicas: 10, Ready: 10, Usage: 0.55}, 10, true},
		"11 % above is not":                           {1, Measured{Replicas: 10, Ready: 10, Usage: 1.11}, 12, true}, // 10 × 1.11 = 11.1
		"10 % below is tolerated":                     {0.5, Measured{Replicas: 10, Ready: 10, Usage: 0.45}, 10, true},
		"12 % below is not":                           {0.5, Measured{Replicas: 10, Ready: 10, Usage: 0.44}, 9, true}, // 8.8
		"per cent are whole":                          {0.5, Measured{Replicas: 10, Ready: 10, Usage: 0.5599}, 10, true},
		"a starting pod counts as idle on the way up": {0.5, Measured{Replicas: 4, Ready: 3, Unready: 1, Usage: 1}, 6, true},   // 300 % over 4 pods is 75 %: 4 × 1.5
		"starting pods bring it within the tolerance": {0.5, Measured{Replicas: 4, Ready: 2, Unready: 2, Usage: 1}, 4, true},   // 200 % over 4 is 50 %
		"starting pods would turn the direction":      {0.5, Measured{Replicas: 6, Ready: 2, Unready: 4, Usage: 0.9}, 6, true}, // 180 % over 6 is 30 %
		"starting pods are left out on the way down":  {0.5, Measured{Replicas: 5, Ready: 4, Unready: 1, Usage: 0.25}, 2, true},
		"missing pods count as idle on the way up":    {0.5, Measured{Replicas: 4, Ready: 3, Missing: 1, Usage: 1}, 6, true},
		"missing pods count as full on the way down":  {0.5, Measured{Replicas: 10, Ready: 9, Missing: 1, Usage: 0.2}, 6, true}, // 280 % over 10 is 28 %: 10 × 0.56
		"missing pods would turn the direction down":  {0.5, Measured{Replicas: 3, Ready: 2, Missing: 1, Usage: 0.4}, 3, true},  // 180 % over 3 is 60 %
		"above 100 %, missing pods count as target":   {1.5, Measured{Replicas: 4, Ready: 3, Missing: 1, Usage: 0.5}, 2, true},  // 300 % over 4 is 75 %: 4 × 0.5
		"both at once on the way up":                  {0.5, Measured{Replicas: 6, Ready: 4, Unready: 1, Missing: 1, Usage: 1}, 8, true},
		"no pod's metrics count":                      {0.5, Measured{Replicas: 2, Unready: 2, Usage: math.NaN()}, 2, false},
		"no metric":                                   {0.5, Measured{Replicas: 2, Ready: 2, Usage: math.NaN()}, 2, false},
	} {
		h := DefaultHPA(c.target, 1, 100)
		got, known := h.Proportional(c.m)
		if got != c.want || known != c.known {
			t.Errorf("%s: %d (%v), want %d (%v)", name, got, known, c.want, c.known)
		}
	}
}

func TestEachDirectionHasItsTolerance(t *testing.T) {
	t.Parallel()
	h := DefaultHPA(0.5, 1, 100)
	h.ScaleUp.Tolerance, h.ScaleDown.Tolerance = 0, 0.3
	for usage, want := range map[float64]int{0.51: 11, 0.5: 10, 0.35: 10, 0.34: 7} {
		if got, _ := h.Proportional(Measured{Replicas: 10, Ready: 10, Usage: usage}); got != want {
			t.Errorf("10 replicas at %v of capacity become %d, want %d", usage, got, want)
		}
	}
}

func TestAnExternalAverageCountsReplicasAndNotReadiness(t *testing.T) {
	t.Parallel()
	h := DefaultHPA(0.5, 1, 100)
	h.Metric = AverageValue
	for name, c := range map[string]struct {
		m     Measured
		want  int
		known bool
	}{
		"load over target":           {Measured{Replicas: 4, Ready: 2, Unready: 2, Sum: 3.1}, 7, true}, // 3.1/0.5 = 6.2
		"within the tolerance":       {Measured{Replicas: 4, Ready: 1, Unready: 3, Sum: 2.2}, 4, true}, // 2.2/(0.5×4) = 1.1
		"down":                       {Measured{Replicas: 4, Ready: 4, Sum: 0.9}, 2, true},
		"even with no pod ready yet": {Measured{Replicas: 2, Unready: 2, Sum: 4}, 8, true},
		"no metric":                  {Measured{Replicas: 2, Ready: 2, Sum: math.NaN()}, 2, false},
	} {
		if got, known := h.Proportional(c.m); got != c.want || known != c.known {
			t.Errorf("%s: %d (%v), want %d (%v)", name, got, known, c.want, c.known)
		}
	}
}

// scene is calls of Scale in order: at second, wanted, and what must come of it. What there is comes of the call before.
type scene struct {
	begin int
	steps [][3]int
}

func (s scene) play(t *testing.T, name string, h HPA) {
	t.Helper()
	a, current := NewAutoscaler(h), s.begin
	for _, step := range s.steps {
		got := a.Scale(seconds(step[0]), current, step[1])
		if got != step[2] {
			t.Errorf("%s, at %d s: from %d, asked for %d, goes to %d and not to %d", name, step[0], current, step[1], got, step[2])
		}
		current = got
	}
}

func TestDefaultBehaviour(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]scene{
		"four pods or 100 % in 15 s":           {2, [][3]int{{0, 100, 6}, {15, 100, 12}, {30, 100, 24}, {45, 100, 48}, {60, 100, 96}, {75, 100, 100}}},
		"within 15 s the limit is not new":     {10, [][3]int{{0, 100, 20}, {5, 100, 20}, {10, 100, 20}, {15, 100, 40}}},
		"max":                                  {90, [][3]int{{0, 500, 100}}},
		"min":                                  {3, [][3]int{{0, 0, 2}}},
		"above max at once":                    {150, [][3]int{{0, 120, 100}}},
		"below min at once":                    {1, [][3]int{{0, 1, 2}}},
		"down at once where nothing was asked": {10, [][3]int{{0, 4, 4}}},
		"down after five minutes of less":      {10, [][3]int{{0, 10, 10}, {15, 4, 10}, {285, 4, 10}, {300, 4, 4}}},
		"the highest of five minutes":          {10, [][3]int{{0, 10, 10}, {15, 4, 10}, {150, 7, 10}, {300, 4, 7}, {435, 3, 7}, {450, 3, 4}, {600, 3, 3}}},
		"up is never held back":                {10, [][3]int{{0, 10, 10}, {15, 4, 10}, {30, 12, 12}, {45, 15, 15}}},
	} {
		s.play(t, name, DefaultHPA(0.5, 2, 100))
	}
}

func TestConfiguredBehaviour(t *testing.T) {
	t.Parallel()
	minute := time.Minute
	with := func(up, down Behavior) HPA {
		h := DefaultHPA(0.5, 1, 1000)
		h.ScaleUp, h.ScaleDown = up, down
		return h
	}
	free := Behavior{Select: MaxChange, Policies: []ScalingPolicy{{Percent: 1000, Period: 15 * time.Second}}}
	down := func(how SelectPolicy, hold time.Duration, policies ...ScalingPolicy) HPA {
		return with(free, Behavior{0.1, hold, how, policies})
	}
	up := func(how SelectPolicy, hold time.Duration, policies ...ScalingPolicy) HPA {
		return with(Behavior{0.1, hold, how, policies}, free)
	}
	for name, c := range map[string]struct {
		h HPA
		s scene
	}{
		// The documentation's example: 4 pods or 10 % a minute, so with 80 replicas 8 go in the first minute, then 8 of 72.
		"10 % of what there was, rounded": {down(MaxChange, 0, ScalingPolicy{Pods: 4, Period: minute}, ScalingPolicy{Percent: 10, Period: minute}),
			scene{80, [][3]int{{0, 10, 72}, {15, 10, 72}, {45, 10, 72}, {60, 10, 64}, {120, 10, 57}, {180, 10, 51}, {240, 10, 45}, {300, 10, 40}, {360, 10, 36}, {420, 10, 32}}}},
		"the policy of least change": {down(MinChange, 0, ScalingPolicy{Pods: 5, Period: minute}, ScalingPolicy{Percent: 10, Period: minute}),
			scene{80, [][3]int{{0, 10, 75}, {60, 10, 70}}}},
		"scaling down disabled": {down(Disabled, 0, ScalingPolicy{Percent: 100, Period: minute}), scene{80, [][3]int{{0, 10, 80}, {600, 10, 80}}}},
		"no policy, no change":  {down(MaxChange, 0), scene{80, [][3]int{{0, 10, 80}}}},
		"one pod in ten minutes, counted over them": {down(MaxChange, 0, ScalingPolicy{Pods: 1, Period: 10 * minute}),
			scene{5, [][3]int{{0, 1, 4}, {300, 1, 4}, {585, 1, 4}, {600, 1, 3}, {1200, 1, 2}}}},
		"what was added within the period is not a base": {up(MaxChange, 0, ScalingPolicy{Percent: 50, Period: minute}),
			scene{10, [][3]int{{0, 12, 12}, {15, 100, 15}, {30, 100, 15}, {60, 100, 18}, {75, 100, 23}}}}, // at 60 s there were 12 a minute before, at 75 s 15
		"what was taken away within the period is": {up(MaxChange, 0, ScalingPolicy{Pods: 2, Period: minute}),
			scene{10, [][3]int{{0, 6, 6}, {15, 100, 12}, {30, 100, 12}}}},
		"10 % of 50 are 6, as floats have it": {up(MaxChange, 0, ScalingPolicy{Percent: 10, Period: minute}), scene{50, [][3]int{{0, 90, 56}}}},
		"one replica can become two":          {up(MaxChange, 0, ScalingPolicy{Percent: 10, Period: minute}), scene{1, [][3]int{{0, 9, 2}}}},
		"up after a minute of more, by the least": {up(MaxChange, minute, ScalingPolicy{Percent: 900, Period: 15 * time.Second}),
			scene{4, [][3]int{{0, 4, 4}, {15, 9, 4}, {30, 8, 4}, {45, 9, 4}, {60, 9, 8}, {75, 9, 8}, {90, 9, 9}}}},
	} {
		c.s.play(t, name, c.h)
	}
}

func TestScalingKeepsItsBoundsAndNeverOvershootsWhatWasAsked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := DefaultHPA(0.7, rapid.IntRange(1, 5).Draw(t, "min"), rapid.IntRange(6, 60).Draw(t, "max"))
		a, current := NewAutoscaler(h), rapid.IntRange(h.Min, h.Max).Draw(t, "begin")
		lately := []int{}
		for i := range 60 {
			wanted := rapid.IntRange(0, 80).Draw(t, "wanted")
			lately = append(lately, wanted)
			next := a.Scale(seconds(15*i), current, wanted)
			highest := 0
			for _, w := range lately[max(0, len(lately)-20):] {
				highest = max(highest, w)
			}
			switch {
			case next < h.Min || next > h.Max:
				t.Fatalf("%d is outside of %d to %d", next, h.Min, h.Max)
			case next > current && (next > wanted || next > max(2*current, current+4)):
				t.Fatalf("from %d to %d, asked for %d", current, next, wanted)
			case next < current && next < min(max(highest, h.Min), h.Max):
				t.Fatalf("from %d to %d although %d was asked for in the last five minutes", current, next, highest)
			}
			current = next
		}
	})
}
