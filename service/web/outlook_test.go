package web

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

func TestThePromisePageShowsWhereTheBudgetGoes(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	page := get(t, app, "/slos/shop-availability?tenant=acme&range=window")
	sound(t, "promise", page)
	for _, want := range []string{
		"At the burn of the last 29" + thin + "d the budget lasts until 23 Dec with 38" + thin + "% probability; if not, it is gone between 25 Nov and 14 Dec.",
		"Then −202" + thin + "% to 28" + thin + "% of it is left, four times in five.",
		`<path class="fan"`, `<path class="median"`, `class="now"`, "By 23 Dec 14:27 likely", "with 62" + thin + "% probability; at this speed",
	} {
		if !page.has(want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page.body, `<path class="fan"`); n != 2 {
		t.Errorf("%d fans, want one for a column and one for a phone", n)
	}
	if hour := get(t, app, "/slos/shop-availability?tenant=acme&range=1h"); hour.has(`<path class="fan"`) || !hour.has("the budget lasts until 23 Dec") {
		t.Error("an hour of history has a month ahead drawn beside it, or lacks the words")
	}
	if none := get(t, app, "/slos/shop-availability?tenant=initech&range=window"); none.has(`<path class="fan"`) || !none.has("Whether the budget lasts cannot be told yet. 11 hours of history were seen so far") {
		t.Error("that there is too little history is not said")
	}
}

func TestWhenABudgetIsGone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	ahead := func(p10, p50, p90 time.Duration) slo.TimeQuantiles {
		return slo.TimeQuantiles{P10: now.Add(p10), P50: now.Add(p50), P90: now.Add(p90)}
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		name       string
		status     slo.Status
		prediction *slo.Prediction
		gone, note string
	}{
		{"no prediction", slo.Status{Remaining: 0.5, Exhausted: now.Add(3 * time.Hour)}, nil, "in 3 h", "at this speed 23 Nov 17:00"},
		{"nothing burns", slo.Status{Remaining: 0.5}, nil, "lasts the window", "at this speed"},
		{"too little history", slo.Status{Remaining: 0.5}, &slo.Prediction{Why: "x"}, "lasts the window", "at this speed; too little history to predict"},
		{"likely", slo.Status{Remaining: 0.5, Exhausted: now.Add(3 * time.Hour)}, &slo.Prediction{Enough: true, Probability: 0.62, IfGone: ahead(5*time.Hour, 3*day, 9*day)},
			"in 5 h to 9 d", "with 62 % probability; at this speed 23 Nov 17:00"},
		{"unlikely, whatever the last hour did", slo.Status{Remaining: 0.5, Exhausted: now.Add(3 * time.Hour)}, &slo.Prediction{Enough: true, Probability: 0.04},
			"lasts the window", "most likely; at this speed 23 Nov 17:00"},
		{"never", slo.Status{Remaining: 0.5}, &slo.Prediction{Enough: true}, "lasts the window", "with over 99 % probability"},
		{"spent", slo.Status{Remaining: -0.5, Exhausted: now}, &slo.Prediction{Enough: true, Probability: 1, IfGone: ahead(0, 0, 0)}, "spent", ""},
	} {
		c.status.Traffic, c.status.Prediction = true, c.prediction
		gone, note := strings.ReplaceAll(goneText(c.status, now), thin, " "), strings.ReplaceAll(goneNote(c.status), thin, " ")
		if gone != c.gone || note != c.note {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, gone, note, c.gone, c.note)
		}
	}
}

func TestACalendarBudgetIsSaidToBeOfTheWholePeriod(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	p := slo.Prediction{At: now, Until: now.Add(8 * 24 * time.Hour), Enough: true, Hours: 600, Burns: 2}
	st := slo.Status{Traffic: true, Remaining: 0.4, To: p.Until}
	if said := outlookWords(p, &st); !strings.Contains(said, "whole period") {
		t.Errorf("of a calendar window it says %q", said)
	}
	st.To = now
	if said := outlookWords(p, &st); strings.Contains(said, "whole period") {
		t.Errorf("of a rolling window it says %q", said)
	}
}
