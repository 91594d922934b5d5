package track_test

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"pgregory.net/rapid"
)

var (
	genTitle  = rapid.SampledFrom([]string{"a", "b", "c"})
	genDue    = rapid.SampledFrom([]string{"", "2026-12-24", "2027-01-31"})
	genState  = rapid.SampledFrom(incidents.ActionStates)
	genFields = rapid.Custom(func(t *rapid.T) track.Fields {
		return track.Fields{Title: genTitle.Draw(t, "title"), State: genState.Draw(t, "state"), Due: genDue.Draw(t, "due")}
	})
)

// kept is how a tracker keeps fields.
func kept(f track.Fields, can track.Features) track.Fields {
	if f = can.Fit(f); !can.Dropped && f.State == incidents.ActionDropped {
		f.State = incidents.ActionDone
	}
	return f
}

// TestMergingAgreesAndLosesNoChangeOfOneSide merges any two sides: afterwards they agree, merging again changes nothing, and what
// one side alone changed holds.
func TestMergingAgreesAndLosesNoChangeOfOneSide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		can := track.Features{Due: rapid.Bool().Draw(t, "days"), Dropped: rapid.Bool().Draw(t, "dropped"), Title: 100}
		base := genFields.Draw(t, "base")
		ours, theirs := can.Fit(genFields.Draw(t, "ours")), kept(genFields.Draw(t, "theirs"), can)
		var known *track.Fields
		if rapid.Bool().Draw(t, "known") {
			base = can.Fit(base)
			known = &base
		}
		tell, take := track.Merge(known, ours, theirs, can)
		here, there := ours.With(take), kept(theirs.With(tell), can)
		if kept(here, can) != there {
			t.Fatalf("they differ: %+v and %+v", here, there)
		}
		tell2, take2 := track.Merge(&here, here, there, can)
		if !tell2.Empty() || !take2.Empty() {
			t.Fatalf("merging again changes %+v and %+v", tell2, take2)
		}
		if known == nil {
			return
		}
		switch {
		case kept(ours, can) == kept(base, can) && there != theirs:
			t.Fatalf("what the tracker alone changed was undone: %+v", there)
		case theirs == kept(base, can) && here != ours:
			t.Fatalf("what we alone changed was undone: %+v", here)
		case ours.Title != base.Title && here.Title != ours.Title, ours.State != base.State && theirs.State != kept(base, can).State && kept(here, can).State != theirs.State:
			t.Fatalf("both changed: %+v of %+v and %+v after %+v", here, ours, theirs, base)
		}
	})
}

func TestWhatIsClosedOnEitherSideBeforeTheyAgreedIsClosed(t *testing.T) {
	t.Parallel()
	can := track.Features{Due: true, Title: 100}
	open, done := track.Fields{Title: "a", State: incidents.ActionOpen}, track.Fields{Title: "a", State: incidents.ActionDone}
	if tell, take := track.Merge(nil, open, done, can); !tell.Empty() || take.State == nil || *take.State != incidents.ActionDone {
		t.Errorf("closed there: %+v, %+v", tell, take)
	}
	if tell, take := track.Merge(nil, done, open, can); !take.Empty() || tell.State == nil || *tell.State != incidents.ActionDone {
		t.Errorf("closed here: %+v, %+v", tell, take)
	}
}

func TestAChangeBecomesAnEditThatHolds(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 12, 24, 15, 30, 0, 0, time.UTC)
	a := incidents.ActionItem{Title: "a", Kind: incidents.Prevent, State: incidents.ActionOpen, DueAt: &due}
	day, dropped := "2027-01-31", incidents.ActionDropped
	after, err := a.Apply(*(track.Change{Due: &day, State: &dropped}).Edit(a, "ops"), due)
	if err != nil || after.Reason != "closed in ops as not to be done" || !after.DueAt.Equal(time.Date(2027, 1, 31, 15, 30, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", after, err)
	}
	none := ""
	if after, err := a.Apply(*(track.Change{Due: &none}).Edit(a, "ops"), due); err != nil || after.DueAt != nil {
		t.Errorf("no day: %+v, %v", after, err)
	}
	if (track.Change{}).Edit(a, "ops") != nil {
		t.Error("no change is an edit")
	}
}

// TestWhatMergingOverrulesIsTold merges any two sides: whichever words do not hold afterwards, though their side changed them,
// are among the conflicts, and nothing else is.
func TestWhatMergingOverrulesIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		can := track.Features{Due: rapid.Bool().Draw(t, "days"), Dropped: rapid.Bool().Draw(t, "dropped"), Title: 100}
		base, ours := can.Fit(genFields.Draw(t, "base")), can.Fit(genFields.Draw(t, "ours"))
		theirs := kept(genFields.Draw(t, "theirs"), can)
		tell, take := track.Merge(&base, ours, theirs, can)
		here, there := ours.With(take), kept(theirs.With(tell), can)
		told := map[string]track.Conflict{}
		for _, c := range track.Conflicts(&base, ours, theirs, can) {
			told[c.Field] = c
		}
		for field, of := range map[string]func(track.Fields) string{
			"title": func(f track.Fields) string { return f.Title }, "due": func(f track.Fields) string { return f.Due },
			"state": func(f track.Fields) string { return string(kept(f, can).State) },
		} {
			lost := of(ours) != of(base) && of(here) != of(ours) || of(theirs) != of(base) && of(there) != of(theirs)
			if c, ok := told[field]; ok != lost || ok && (c.Ours != of(ours) || c.Theirs != of(theirs) || c.Kept != of(here)) {
				t.Fatalf("%s: told %+v (%t), lost %t, of %+v and %+v after %+v", field, c, ok, lost, ours, theirs, base)
			}
		}
		if len(track.Conflicts(nil, ours, theirs, can)) > 0 {
			t.Fatal("a conflict before both sides agreed")
		}
	})
}
