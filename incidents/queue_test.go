package incidents_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

// waiting is a page in the queue, written as "id service target", with an exclamation mark where it is urgent.
func waiting(texts ...string) (due []incidents.Due) {
	for n, text := range texts {
		var d incidents.Due
		urgent := strings.HasSuffix(text, "!")
		if _, err := fmt.Sscanf(strings.TrimSuffix(text, "!"), "%d %s %s", &d.ID, &d.Service, &d.Target); err != nil {
			panic(err)
		}
		d.Action, d.Provider, d.Priority, d.NextAt = incidents.ActionTrigger, "email", incidents.PriorityFirst, t0.Add(time.Duration(n)*time.Second)
		if urgent {
			d.Priority = incidents.PriorityUrgent
		}
		d.Bundles = strings.HasPrefix(d.Target, "b")
		due = append(due, d)
	}
	return due
}

// open lets the targets get as many messages as they like.
func open(targets ...string) map[string]incidents.Standing {
	out := map[string]incidents.Standing{}
	for _, t := range targets {
		out[t] = incidents.Standing{Free: 100}
	}
	return out
}

func chosen(q incidents.Queue, most int) (out []string) {
	for _, message := range q.Next(most) {
		var ids []string
		for _, d := range message {
			ids = append(ids, fmt.Sprint(d.ID))
		}
		out = append(out, strings.Join(ids, "+"))
	}
	return out
}

func TestTheQueueSaysWhatGoesNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		queue incidents.Queue
		most  int
		want  string
	}{
		"what was due first goes first":            {incidents.Queue{Due: waiting("1 a x", "2 a x"), Targets: open("x")}, 9, "1 2"},
		"urgent goes before":                       {incidents.Queue{Due: waiting("1 a x", "2 b x!"), Targets: open("x")}, 9, "2 1"},
		"services take turns":                      {incidents.Queue{Due: waiting("1 a x", "2 a x", "3 a x", "4 b x"), Targets: open("x")}, 9, "1 4 2 3"},
		"no more than asked for":                   {incidents.Queue{Due: waiting("1 a x", "2 a x", "3 a x"), Targets: open("x")}, 2, "1 2"},
		"no more than its provider takes":          {incidents.Queue{Due: waiting("1 a x", "2 a x", "3 a y"), Targets: map[string]incidents.Standing{"x": {Free: 1}, "y": {Free: 5}}}, 9, "1 3"},
		"a target whose standing is not known":     {incidents.Queue{Due: waiting("1 a x", "2 a y"), Targets: open("y")}, 9, "2"},
		"a storm goes as one message":              {incidents.Queue{Due: waiting("1 a b", "2 a b", "3 a b", "4 a b", "5 a b"), Targets: open("b")}, 9, "1+2+3+4+5"},
		"a few do not":                             {incidents.Queue{Due: waiting("1 a b", "2 a b", "3 a b", "4 a b"), Targets: open("b")}, 9, "1 2 3 4"},
		"few go together where one message is all": {incidents.Queue{Due: waiting("1 a b", "2 a b"), Targets: map[string]incidents.Standing{"b": {Free: 1}}}, 9, "1+2"},
		"urgent goes alone, beside the storm":      {incidents.Queue{Due: waiting("1 a b", "2 a b", "3 a b", "4 a b", "5 a b", "6 c b!"), Targets: open("b")}, 9, "6 1+2+3+4+5"},
		"a probe is one page":                      {incidents.Queue{Due: waiting("1 a b", "2 a b", "3 a b", "4 a b", "5 a b"), Targets: map[string]incidents.Standing{"b": {Free: 1, Probe: true}}}, 9, "1"},
	} {
		if got := strings.Join(chosen(c.queue, c.most), " "); got != c.want {
			t.Errorf("%s: %s; want %s", name, got, c.want)
		}
	}
}

func TestRetriesHaveABudget(t *testing.T) {
	t.Parallel()
	due := waiting("1 a x", "2 b x", "3 c x")
	due[0].Retry, due[1].Retry = true, true
	q := incidents.Queue{Due: due, Targets: open("x"), Retries: map[string]int{"email": 1}}
	if got := chosen(q, 9); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("with one retry left %v go; want one retry and the new page", got)
	}
	for _, c := range []struct{ attempts, retries, want int }{{0, 0, 30}, {30, 30, 0}, {100, 0, 50}, {150, 50, 0}, {1000, 100, 110}} {
		if got := incidents.RetryBudget(c.attempts, c.retries); got != c.want {
			t.Errorf("after %d attempts, %d of them again: %d retries; want %d", c.attempts, c.retries, got, c.want)
		}
	}
}

func TestATargetGetsWhatAllItsLimitsAllow(t *testing.T) {
	t.Parallel()
	soon, past := t0.Add(time.Minute), t0.Add(-time.Minute)
	for name, c := range map[string]struct {
		state incidents.TargetState
		used  []int
		want  incidents.Standing
	}{
		"nothing yet":           {incidents.TargetState{Provider: "sms"}, nil, incidents.Standing{Free: 1}},
		"the minute's message":  {incidents.TargetState{Provider: "sms"}, []int{1, 1, 1, 1}, incidents.Standing{}},
		"the quarter's":         {incidents.TargetState{Provider: "sms"}, []int{0, 5, 5, 5}, incidents.Standing{}},
		"the shortest leaves":   {incidents.TargetState{Provider: "pagerduty"}, []int{100}, incidents.Standing{Free: 20}},
		"other providers":       {incidents.TargetState{Provider: "x"}, []int{2}, incidents.Standing{Free: 3}},
		"asked to be left":      {incidents.TargetState{Provider: "x", BlockedUntil: &soon}, nil, incidents.Standing{}},
		"asked, a while ago":    {incidents.TargetState{Provider: "x", BlockedUntil: &past}, nil, incidents.Standing{Free: 5}},
		"refuses: it is probed": {incidents.TargetState{Provider: "x", Failures: 3, ProbeAt: &past}, nil, incidents.Standing{Free: 1, Probe: true}},
	} {
		if got := c.state.Standing(c.used, t0); got != c.want {
			t.Errorf("%s: %+v; want %+v", name, got, c.want)
		}
	}
}

// No page is chosen twice, none is left that could go, and no target gets more than it may.
func TestTheQueueIsFairWhateverWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		for n := range rapid.IntRange(0, 40).Draw(t, "pages") {
			texts = append(texts, fmt.Sprintf("%d %s %s%s", n+1, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "service"),
				rapid.SampledFrom([]string{"x", "y", "bx", "by"}).Draw(t, "target"), rapid.SampledFrom([]string{"", "", "!"}).Draw(t, "urgent")))
		}
		q := incidents.Queue{Due: waiting(texts...), Targets: map[string]incidents.Standing{}}
		for _, target := range []string{"x", "y", "bx", "by"} {
			q.Targets[target] = incidents.Standing{Free: rapid.IntRange(0, 6).Draw(t, "free")}
		}
		most := rapid.IntRange(1, 50).Draw(t, "most")
		seen, messages := map[int64]bool{}, map[string]int{}
		next := q.Next(most)
		for _, message := range next {
			messages[message[0].Target]++
			for _, d := range message {
				if seen[d.ID] || d.Target != message[0].Target {
					t.Fatalf("page %d goes twice, or with another target's", d.ID)
				}
				seen[d.ID] = true
			}
		}
		if len(next) > most {
			t.Fatalf("%d messages, asked for %d", len(next), most)
		}
		for target, n := range messages {
			if n > q.Targets[target].Free {
				t.Fatalf("%s gets %d messages and may get %d", target, n, q.Targets[target].Free)
			}
		}
		for _, d := range q.Due {
			if !seen[d.ID] && len(next) < most && messages[d.Target] < q.Targets[d.Target].Free && len(q.Due) <= 50 {
				t.Fatalf("page %d to %s could go and stays", d.ID, d.Target)
			}
		}
	})
}
