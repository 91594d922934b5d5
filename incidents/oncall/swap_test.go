package oncall

import (
	"fmt"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// plan has Ana and Bo change each day at midnight, with addresses.
func plan(t *testing.T) (Schedule, time.Time) {
	from, _ := january(t)
	return Schedule{Name: "shop", Layers: []Layer{rotation(Daily, 1, from, time.UTC, "ana@example.com", "bo@example.com")}}, from
}

func newIDs() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint("o", n) }
}

func TestAnAcceptedSwapTradesTwoShifts(t *testing.T) {
	s, monday := plan(t)
	day := func(n int) time.Time { return monday.AddDate(0, 0, n) }
	now := day(-1)
	swap, err := Swap{ID: "s1", Schedule: "shop", Asker: "Ana@example.com", Taker: "bo@example.com", Give: Span{day(2), day(3)},
		Take: &Span{day(1), day(2)}}.Propose(s, Overlay{}, now)
	if err != nil || swap.State != Proposed || !swap.ExpiresAt.Equal(day(1)) {
		t.Fatalf("proposed %+v, %v", swap, err)
	}
	swap, made, err := swap.Accept("bo@example.com", s, Overlay{}, now.Add(time.Hour), newIDs())
	if err != nil || swap.State != Accepted || len(made) != 2 || made[0].Swap != "s1" {
		t.Fatalf("accepted %+v, %v, %v", swap, made, err)
	}
	for n, want := range map[int]string{0: "ana@example.com", 1: "ana@example.com", 2: "bo@example.com", 3: "bo@example.com", 4: "ana@example.com"} {
		if on := s.At(Overlay{Overrides: made}, day(n).Add(time.Hour)); len(on) != 1 || on[0] != want {
			t.Errorf("on day %d it is %v, want %s", n, on, want)
		}
	}
}

func TestASwapIsDecidedOnceAndInTime(t *testing.T) {
	s, monday := plan(t)
	give := Span{monday.AddDate(0, 0, 2), monday.AddDate(0, 0, 3)}
	swap, err := Swap{ID: "s1", Schedule: "shop", Asker: "ana@example.com", Taker: "bo@example.com", Give: give}.Propose(s, Overlay{}, monday)
	if err != nil {
		t.Fatal(err)
	}
	declined, err := swap.Decline("bo@example.com", monday)
	if err != nil || declined.State != Declined {
		t.Fatalf("declined %+v, %v", declined, err)
	}
	cancelled, err := swap.Cancel("ana@example.com", monday)
	if err != nil || cancelled.State != Cancelled {
		t.Fatalf("cancelled %+v, %v", cancelled, err)
	}
	expired, ended := swap.Expire(give.From)
	if _, early := swap.Expire(give.From.Add(-time.Second)); !ended || early || expired.State != Expired {
		t.Fatalf("expired %+v", expired)
	}
	refused := func(what string, err error, kind fault.Kind) {
		t.Helper()
		if !fault.Is(err, kind) {
			t.Errorf("%s: got %v, want %s", what, err, kind)
		}
	}
	for _, done := range []Swap{declined, cancelled, expired} {
		_, _, err := done.Accept("bo@example.com", s, Overlay{}, monday, newIDs())
		refused("accept after "+string(done.State), err, fault.Conflict)
		_, err = done.Cancel("ana@example.com", monday)
		refused("cancel after "+string(done.State), err, fault.Conflict)
	}
	_, _, err = swap.Accept("bo@example.com", s, Overlay{}, give.From, newIDs())
	refused("accept too late", err, fault.Conflict)
	_, _, err = swap.Accept("cy@example.com", s, Overlay{}, monday, newIDs())
	refused("accept by another", err, fault.Forbidden)
	_, err = swap.Decline("ana@example.com", monday)
	refused("decline one's own", err, fault.Forbidden)
	_, err = swap.Cancel("bo@example.com", monday)
	refused("cancel another's", err, fault.Forbidden)
	taken := Overlay{Overrides: []Override{override("o9", give.From, give.From.Add(time.Hour), "cy@example.com", "", 1)}}
	_, _, err = swap.Accept("bo@example.com", s, taken, monday, newIDs())
	refused("accept what the asker no longer has", err, fault.Conflict)
}

func TestASwapThatMakesNoSenseIsRefused(t *testing.T) {
	s, monday := plan(t)
	day := func(n int) time.Time { return monday.AddDate(0, 0, n) }
	give := Span{day(2), day(3)}
	for what, c := range map[string]struct {
		swap Swap
		kind fault.Kind
	}{
		"nobody":          {Swap{Give: give}, fault.Invalid},
		"with oneself":    {Swap{Asker: "ana@example.com", Taker: "ana@example.com", Give: give}, fault.Invalid},
		"backwards":       {Swap{Asker: "ana@example.com", Give: Span{give.To, give.From}}, fault.Invalid},
		"in the past":     {Swap{Asker: "ana@example.com", Give: Span{day(-2), day(-1)}}, fault.Invalid},
		"for nobody's":    {Swap{Asker: "ana@example.com", Give: give, Take: &Span{day(3), day(4)}}, fault.Invalid},
		"of another's":    {Swap{Asker: "ana@example.com", Give: Span{day(1), day(2)}}, fault.Conflict},
		"of two days":     {Swap{Asker: "ana@example.com", Give: Span{day(2), day(4)}}, fault.Conflict},
		"for one's own":   {Swap{Asker: "ana@example.com", Taker: "bo@example.com", Give: give, Take: &Span{day(4), day(5)}}, fault.Conflict},
		"already expired": {Swap{Asker: "ana@example.com", Give: give, ExpiresAt: day(-1)}, fault.Invalid},
	} {
		if _, err := c.swap.Propose(s, Overlay{}, monday); !fault.Is(err, c.kind) {
			t.Errorf("a swap %s: got %v, want %s", what, err, c.kind)
		}
	}
}

func TestOverridesThatSpeakOfTheSameContradict(t *testing.T) {
	_, monday := plan(t)
	span := func(a, b int) (time.Time, time.Time) {
		return monday.Add(time.Duration(a) * time.Hour), monday.Add(time.Duration(b) * time.Hour)
	}
	from, to := span(0, 4)
	later, end := span(4, 8)
	for _, c := range []struct {
		a, b Override
		want bool
	}{
		{override("1", from, to, "cy", "", 1), override("2", from, to, "dan", "", 2), true},
		{override("1", from, to, "cy", "ana", 1), override("2", from, to, "dan", "ana", 2), true},
		{override("1", from, to, "cy", "ana", 1), override("2", from, to, "dan", "bo", 2), false},
		{override("1", from, to, "cy", "", 1), override("2", later, end, "dan", "", 2), false},
	} {
		if got := c.a.Contradicts(c.b); got != c.want || c.b.Contradicts(c.a) != got {
			t.Errorf("%+v and %+v: %t", c.a, c.b, got)
		}
	}
}

func TestWhatCannotBeAnOverrideIsRefused(t *testing.T) {
	_, monday := plan(t)
	good := override("1", monday, monday.Add(time.Hour), "cy@example.com", "", 1)
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*Override){
		"nobody":    func(v *Override) { v.Add = "" },
		"no mail":   func(v *Override) { v.Add = "cy" },
		"backwards": func(v *Override) { v.To = v.From },
		"for ever":  func(v *Override) { v.To = v.From.AddDate(2, 0, 0) },
	} {
		bad := good
		if change(&bad); !fault.Is(bad.Check(), fault.Invalid) {
			t.Errorf("an override of %s passes", what)
		}
	}
	temporary := Temporary{From: monday, To: monday.Add(time.Hour), Shifts: []Shift{{Person: "cy@example.com", From: monday, To: monday.Add(2 * time.Hour)}}}
	if !fault.Is(temporary.Check(), fault.Invalid) {
		t.Error("a shift outside of its temporary schedule passes")
	}
}
