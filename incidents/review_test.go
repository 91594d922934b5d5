package incidents_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

func aReview() incidents.Postmortem {
	return incidents.Postmortem{Number: 1, Title: "Down", State: incidents.ReviewDraft, Version: 1, Author: "ada@example.com", Sections: []incidents.Section{
		{Key: "summary", Title: "Summary", Required: true, Prompt: "Say it."}, {Key: "trigger", Title: "Trigger", Required: true}, {Key: "well", Title: "Well"}}}
}

func TestWhatAReviewNeeds(t *testing.T) {
	t.Parallel()
	full := aReview()
	full.Sections[0].Text, full.Sections[1].Text = "a", "b"
	none := full
	none.NoneNeeded = "it was a test"
	blank := full
	blank.Sections = slices.Clone(full.Sections)
	blank.Sections[1].Text = " \n\t"
	for name, c := range map[string]struct {
		p     incidents.Postmortem
		items int
		want  []string
	}{
		"nothing written":           {aReview(), 0, []string{"sections.summary", "sections.trigger", "noneNeeded"}},
		"no action item":            {full, 0, []string{"noneNeeded"}},
		"an action item":            {full, 1, nil},
		"none needed, because":      {none, 0, nil},
		"only blanks in a section":  {blank, 1, []string{"sections.trigger"}},
		"an item, nothing written":  {aReview(), 1, []string{"sections.summary", "sections.trigger"}},
		"none needed, a blank text": {func() incidents.Postmortem { p := blank; p.NoneNeeded = "x"; return p }(), 0, []string{"sections.trigger"}},
	} {
		after, err := c.p.Move(incidents.ReviewMove{Step: incidents.StepSubmit, By: "ada@example.com", Items: c.items}, t0)
		var f *fault.Error
		var got []string
		if errors.As(err, &f) {
			for _, d := range f.Details {
				got = append(got, d.Where)
			}
		}
		if !slices.Equal(got, c.want) || (err == nil) != (after.State == incidents.InReview) {
			t.Errorf("%s: %v, want %v (%s)", name, got, c.want, after.State)
		}
	}
}

func TestWhichStepsLeadWhere(t *testing.T) {
	t.Parallel()
	steps := []incidents.ReviewStep{incidents.StepSubmit, incidents.StepApprove, incidents.StepClose, incidents.StepReturn}
	want := map[incidents.ReviewState]string{
		incidents.ReviewDraft: "in_review - - -", incidents.InReview: "- reviewed - draft", incidents.Reviewed: "- - closed draft", incidents.ReviewClosed: "- - - draft",
	}
	for from, line := range want {
		var got []string
		for _, step := range steps {
			p := aReview()
			p.Sections = nil
			p.State = from
			after, err := p.Move(incidents.ReviewMove{Step: step, By: "bob@example.com", Reason: "because", Items: 1, Wrote: []string{"ada@example.com"}}, t0)
			word := string(after.State)
			if err != nil {
				word = "-"
				if !fault.Is(err, fault.Conflict) {
					t.Errorf("%s from %s: %v", step, from, err)
				}
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != line {
			t.Errorf("from %s: %v, want %s", from, got, line)
		}
	}
}

func TestNobodyReviewsTheirOwnWords(t *testing.T) {
	t.Parallel()
	p := aReview()
	p.State, p.Sections = incidents.InReview, nil
	for by, allowed := range map[string]bool{"ada@example.com": false, "eve@example.com": false, "": false, "bob@example.com": true} {
		_, err := p.Move(incidents.ReviewMove{Step: incidents.StepApprove, By: by, Items: 1, Wrote: []string{"eve@example.com"}}, t0)
		if (err == nil) != allowed {
			t.Errorf("%q: %v", by, err)
		}
	}
}

// Whatever two people change from one version: what only one of them changed is kept, and what both changed differently is
// a collision that holds both texts.
func TestOfTwoEditsNothingIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "b", "a\nb"})
		base := aReview()
		for n := range base.Sections {
			base.Sections[n].Text = text.Draw(t, "base")
		}
		edit := func(name string) incidents.Edit {
			e := incidents.Edit{Base: 1, Texts: map[string]string{}}
			for _, s := range base.Sections {
				if rapid.Bool().Draw(t, name+" edits") {
					e.Texts[s.Key] = text.Draw(t, name)
				}
			}
			return e
		}
		first, second := edit("first"), edit("second")
		stored, err := base.Apply(first, t0)
		if err != nil {
			t.Fatal(err)
		}
		fresh := second.Fresh(base)
		found := incidents.Collide(base, stored, fresh)
		if len(found) > 0 {
			for _, c := range found {
				if c.Theirs != first.Texts[c.Section] || c.Yours != second.Texts[c.Section] || c.Theirs == c.Yours {
					t.Fatalf("%+v is no collision of %v and %v", c, first, second)
				}
			}
			return
		}
		after, err := stored.Apply(fresh, t0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range after.Sections {
			was := base.Section(s.Key).Text
			for _, e := range []incidents.Edit{first, second} {
				if want, edited := e.Texts[s.Key]; edited && want != was && s.Text != want {
					t.Fatalf("%s is %q; somebody wrote %q", s.Key, s.Text, want)
				}
			}
		}
	})
}

func TestASheetIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := aReview()
		p.Title = rapid.StringMatching(`[A-Za-z>"-]{1,10}( [a-z]{1,9})?`).Draw(t, "title")
		for n := range p.Sections {
			lines := rapid.SliceOf(rapid.SampledFrom([]string{"", "words", "## heading", "- item", "<!-- a remark", "```", "<b>"})).Draw(t, "text")
			p.Sections[n].Text = strings.Trim(strings.Join(lines, "\n"), "\n")
		}
		number, e, err := incidents.ReadSheet(p.Sheet())
		if err != nil || number != p.Number || e.Base != p.Version {
			t.Fatalf("%d %+v %v", number, e, err)
		}
		for _, s := range p.Sections {
			if e.Texts[s.Key] != s.Text {
				t.Fatalf("%s was %q and is read as %q", s.Key, s.Text, e.Texts[s.Key])
			}
		}
	})
}

func FuzzReadSheet(f *testing.F) {
	f.Add(aReview().Sheet())
	f.Add("<!-- postmortem: 7 version: 3 -->\n<!-- section: a -->\n<!-- section: a -->\nx")
	f.Add("\uFEFF<!-- postmortem: 7 version: 3 -->\r\n<!-- title: a -->\r\n<!-- none-needed: -->")
	f.Fuzz(func(t *testing.T, text string) {
		_, e, err := incidents.ReadSheet(text)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%v", err)
		}
		for key, words := range e.Texts {
			if key == "" || strings.Contains(words, "\r") {
				t.Errorf("%q holds %q", key, words)
			}
		}
	})
}

func TestWhenAReviewIsDue(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	friday := time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC)
	saturday := friday.AddDate(0, 0, 1)
	spring := time.Date(2027, 3, 26, 15, 0, 0, 0, time.UTC) // Friday before the clocks change, 16:00 in Berlin
	a, lot := 0.1, 0.31
	w := incidents.Weight{Service: "shop", Severity: incidents.Critical, Level: 1, Budget: &lot}
	small := incidents.Weight{Service: "shop", Severity: incidents.Error, Level: 3, Budget: &a}
	for name, c := range map[string]struct {
		rule incidents.PostmortemRule
		w    incidents.Weight
		from time.Time
		zone *time.Location
		want string
	}{
		"SEV1 in three days":                     {incidents.PostmortemRule{Level: 1, Days: 3}, w, friday, time.UTC, "2026-11-23T16:00:00Z"},
		"five business days from a Friday":       {incidents.PostmortemRule{Level: 2, BusinessDays: 5}, w, friday, time.UTC, "2026-11-27T16:00:00Z"},
		"one business day from a Saturday":       {incidents.PostmortemRule{Level: 2, BusinessDays: 1}, w, saturday, time.UTC, "2026-11-23T16:00:00Z"},
		"the wall clock over the clocks' change": {incidents.PostmortemRule{Level: 1, Days: 3}, w, spring, berlin, "2027-03-29T14:00:00Z"},
		"SEV3 is not SEV2":                       {incidents.PostmortemRule{Level: 2, Days: 3}, small, friday, time.UTC, ""},
		"no level known":                         {incidents.PostmortemRule{Level: 5, Days: 3}, incidents.Weight{Severity: incidents.Critical}, friday, time.UTC, ""},
		"worse than asked":                       {incidents.PostmortemRule{Severity: incidents.Warning, Days: 1}, small, friday, time.UTC, "2026-11-21T16:00:00Z"},
		"not so bad":                             {incidents.PostmortemRule{Severity: incidents.Critical, Days: 1}, small, friday, time.UTC, ""},
		"a fifth of the budget":                  {incidents.PostmortemRule{BudgetShare: 0.2, Days: 1}, w, friday, time.UTC, "2026-11-21T16:00:00Z"},
		"exactly the share":                      {incidents.PostmortemRule{BudgetShare: 0.31, Days: 1}, w, friday, time.UTC, ""},
		"bad, but cheap":                         {incidents.PostmortemRule{Severity: incidents.Error, BudgetShare: 0.2, Days: 1}, small, friday, time.UTC, ""},
	} {
		d, ok := incidents.Demand([]incidents.PostmortemPolicy{{Name: "p", Zone: c.zone, RemindEvery: time.Hour, Rules: []incidents.PostmortemRule{c.rule}}}, c.w, c.from)
		got := ""
		if ok {
			got = d.DueAt.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	both := []incidents.PostmortemPolicy{
		{Name: "slow", RemindEvery: time.Hour, Rules: []incidents.PostmortemRule{{Level: 1, Days: 9}}},
		{Name: "fast", RemindEvery: time.Hour, Rules: []incidents.PostmortemRule{{Level: 1, Days: 2}}},
		{Name: "others", Services: []string{"search"}, Rules: []incidents.PostmortemRule{{Level: 1, Days: 1}}},
	}
	if d, _ := incidents.Demand(both, w, friday); d.Policy != "fast" || !strings.Contains(d.Reason, "it was SEV1, and the policy fast asks") {
		t.Errorf("the strictest is %+v", d)
	}
}

func TestWhenPeopleAreReminded(t *testing.T) {
	t.Parallel()
	c := incidents.Chase{First: t0.Add(5 * time.Hour), Due: t0.Add(10 * time.Hour), Every: 24 * time.Hour}
	for _, v := range []struct {
		at         time.Duration
		sent, want int
		again      time.Duration
	}{
		{0, 0, 0, 5}, {5, 0, 1, 10}, {6, 1, 0, 10}, {10, 1, 2, 34}, {10, 0, 2, 34}, {33, 2, 0, 34}, {34, 2, 3, 58}, {500, 3, 22, 514}, {500, 22, 0, 514},
	} {
		step, again := c.Next(v.sent, t0.Add(v.at*time.Hour))
		if step != v.want || !again.Equal(t0.Add(v.again*time.Hour)) {
			t.Errorf("after %d h with %d sent: step %d and again at %s", v.at, v.sent, step, again.Sub(t0))
		}
	}
}

// However often one looks and whenever: each step comes once, in order, never early, and what is due is never left out.
func TestEachReminderComesOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		due := t0.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "due")) * time.Hour)
		d := incidents.Duty{RequiredAt: t0, DueAt: due, Every: time.Duration(rapid.IntRange(1, 100).Draw(t, "every")) * time.Hour}
		c, now, sent := d.Chase(), t0, 0
		for range rapid.IntRange(1, 50).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "passes")) * time.Hour)
			step, again := c.Next(sent, now)
			if step > 0 {
				if step <= sent || now.Before(c.At(step)) {
					t.Fatalf("step %d after %d at %s, which is for %s", step, sent, now, c.At(step))
				}
				sent = step
			}
			if !again.After(now) || !now.Before(c.At(sent+1)) {
				t.Fatalf("at %s after step %d nothing is due until %s", now, sent, again)
			}
		}
	})
}

func TestAnActionItemsOwnerIsRemindedAhead(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) *time.Time { at := t0.Add(d); return &at }
	for name, c := range map[string]struct {
		a     incidents.ActionItem
		first time.Duration // in hours; -1 is never
	}{
		"a month ahead":             {incidents.ActionItem{State: "open", Owner: "a", CreatedAt: t0, DueAt: at(720 * time.Hour)}, 672},
		"a day ahead, at half":      {incidents.ActionItem{State: "open", Owner: "a", CreatedAt: t0, DueAt: at(24 * time.Hour)}, 12},
		"due before it was written": {incidents.ActionItem{State: "open", Owner: "a", CreatedAt: t0, DueAt: at(-24 * time.Hour)}, -24},
		"nobody owns it":            {incidents.ActionItem{State: "open", CreatedAt: t0, DueAt: at(time.Hour)}, -1},
		"no day":                    {incidents.ActionItem{State: "open", Owner: "a", CreatedAt: t0}, -1},
		"done":                      {incidents.ActionItem{State: "done", Owner: "a", CreatedAt: t0, DueAt: at(time.Hour)}, -1},
	} {
		chase, ok := c.a.Chase()
		if ok != (c.first != -1) || ok && !chase.First.Equal(t0.Add(c.first*time.Hour)) {
			t.Errorf("%s: %v, %s", name, ok, chase.First.Sub(t0))
		}
	}
}

func readOne(t testing.TB, text string) manifest.Document {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "f.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%v", problems)
	}
	return docs[0]
}

func TestPostmortemPoliciesSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	head := "apiVersion: nines/v1\nkind: PostmortemPolicy\nmetadata: {name: p}\nspec:\n"
	for spec, want := range map[string]string{
		"  rules:\n  - {level: SEV1, due: {days: 3}}\n  - {level: SEV2, due: {businessDays: 5}}": "",
		"  rules: []":                                                      "spec.rules",
		"  rules:\n  - {due: {days: 3}}":                                   "asks for nothing",
		"  rules:\n  - {level: SEV6, due: {days: 3}}":                      "none of SEV1 to SEV5",
		"  rules:\n  - {severity: bad, due: {days: 3}}":                    "none of critical",
		"  rules:\n  - {level: SEV1}":                                      "either days or businessDays",
		"  rules:\n  - {level: SEV1, due: {days: 3, businessDays: 1}}":     "either days or businessDays",
		"  rules:\n  - {budgetShare: 20, due: {days: 3}}":                  "share above 0 and up to 1",
		"  zone: Mars/Phobos\n  rules:\n  - {level: SEV1, due: {days: 3}}": "zone of the tz database",
		"  remindEvery: 1m\n  rules:\n  - {level: SEV1, due: {days: 3}}":   "write 1h to 30d",
	} {
		_, problems := incidents.ReadPostmortemPolicy(readOne(t, head+spec))
		if text := fmt.Sprint(problems); (want == "") != (len(problems) == 0) || !strings.Contains(text, want) {
			t.Errorf("%s: %s", spec, text)
		}
	}
}

func TestPostmortemTemplatesSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	head := "apiVersion: nines/v1\nkind: PostmortemTemplate\nmetadata: {name: p}\nspec:\n  sections:\n"
	for spec, want := range map[string]string{
		"  - {title: What went well, required: true}\n  - {title: Impact, evidence: impact}": "",
		"    []":                           "write 1 to 30",
		"  - {key: a}":                     "needs a heading",
		"  - {title: A}\n  - {title: a}":   "has the key",
		"  - {title: A, evidence: costs}":  "the figures are summary",
		"  - {title: A, key: 'Not a key'}": "lower-case letters",
		"  - {title: 東京}":                  "lower-case letters",
	} {
		_, problems := incidents.ReadPostmortemTemplate(readOne(t, head+spec))
		if text := fmt.Sprint(problems); (want == "") != (len(problems) == 0) || !strings.Contains(text, want) {
			t.Errorf("%s: %s", spec, text)
		}
	}
	template, _ := incidents.ReadPostmortemTemplate(readOne(t, head+"  - {title: What went well}"))
	if template.Sections[0].Key != "what-went-well" {
		t.Errorf("%+v", template)
	}
}
