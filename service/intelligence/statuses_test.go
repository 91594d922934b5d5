package intelligence

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

func TestStatusesCountTheLedgerAndThenTheEngineOnce(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	// The engine still has what the ledger has closed; it must not be counted twice.
	w.goLive(shop, "acme", ago(time.Hour), ago(5*time.Minute), 5, 200)
	w.live[shop.SLO.ID][0].Points[4].Errors = 7 // the newest live minute of acme
	got := must[StatusAnswer](t)(w.service().Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID, Tenant: "acme"}))
	if len(got.Statuses) != 1 || len(got.Missing) != 0 {
		t.Fatalf("got %+v", got)
	}
	st := got.Statuses[0]
	if want := (slo.Counts{Good: 287*1000 + 1000 - 7, Total: 287*1000 + 1000}); st.Counts != want {
		t.Errorf("counts %+v, want %+v", st.Counts, want)
	}
	if !near(st.Coverage, 1) || !st.LastSeen.Equal(now) || st.Stale {
		t.Errorf("coverage %v, last seen %v, stale %v", st.Coverage, st.LastSeen, st.Stale)
	}
}

func TestEveryPromiseHasAStatusForEachTenant(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.slos = append(w.slos, slo.Versioned{SLO: slo.SLO{ID: "z-unseen", Objective: 99, BudgetBy: []string{"tenant"}}})
	got := must[StatusAnswer](t)(w.service().Statuses(bg, operator, StatusFilter{}))
	var names []string
	for _, st := range got.Statuses {
		names = append(names, st.SLO+"/"+st.Labels["tenant"])
	}
	if want := "nines-api/ shop-availability/acme shop-availability/globex z-unseen/"; strings.Join(names, " ") != want {
		t.Errorf("got %v, want %s", names, want)
	}
	if unseen := got.Statuses[3]; unseen.Traffic || unseen.Coverage != 0 || !unseen.LastSeen.IsZero() {
		t.Errorf("what was never seen has the status %+v", unseen)
	}
	if w.reads != 1 {
		t.Errorf("%d questions to the ledger for all promises, want 1", w.reads)
	}
}

func TestWithoutTheEngineTheLedgerAnswersAndSaysSo(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*world){
		"away":   func(w *world) { w.liveErr = fault.New(fault.Unavailable, "no answer") },
		"broken": func(w *world) { w.liveErr = errors.New("what") },
	} {
		w := twoCustomers()
		breakIt(w)
		got := must[StatusAnswer](t)(w.service().Statuses(bg, operator, StatusFilter{}))
		if len(got.Missing) != 1 || !strings.Contains(got.Missing[0], "11:55 UTC") {
			t.Errorf("%s: missing %q", name, got.Missing)
		}
		for _, st := range got.Statuses {
			if !st.Stale || !st.LastSeen.Equal(ago(5*time.Minute)) || st.Counts.Total == 0 {
				t.Errorf("%s: %+v", name, st)
			}
		}
	}
}

func TestAnEngineThatHangsCostsTwoSecondsNotTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := twoCustomers()
		w.liveHangs = true
		began := time.Now()
		got, err := w.service().Statuses(bg, operator, StatusFilter{})
		if err != nil || len(got.Statuses) != 3 || len(got.Missing) != 1 {
			t.Errorf("got %+v, %v", got, err)
		}
		if took := time.Since(began); took > liveTime {
			t.Errorf("took %v", took)
		}
	})
}

func TestALedgerThatIsFarBehindIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.closed[shop.SLO.ID] = ago(10 * time.Hour)
	w.fill(shop, "acme", "eu", ago(24*time.Hour), ago(10*time.Hour), 0, 1000)
	got := must[StatusAnswer](t)(w.service().Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID}))
	if len(got.Missing) != 1 || !strings.Contains(got.Missing[0], "behind for shop-availability") {
		t.Errorf("missing %q", got.Missing)
	}
}

func TestALedgerThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.ledgerErr = fault.New(fault.Unavailable, "the database is away")
	s := w.service()
	if _, err := s.Statuses(bg, operator, StatusFilter{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	w.ledgerErr = nil
	if _, err := s.Statuses(bg, operator, StatusFilter{}); err != nil {
		t.Errorf("the error was kept: %v", err)
	}
	if got := strings.Join(w.outcomes, ", "); got != "query error, query ok" {
		t.Errorf("observed %s", got)
	}
}

// Whatever is asked, a tenant gets no figure that another tenant's requests are part of.
func TestATenantSeesItsOwnPromisesOnly(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.fill(shop, "", "eu", ago(time.Hour), ago(30*time.Minute), 9, 10) // nobody's
	s := w.service()
	got := must[StatusAnswer](t)(s.Statuses(bg, acme, StatusFilter{}))
	if len(got.Statuses) != 1 || got.Statuses[0].Labels["tenant"] != "acme" || got.Statuses[0].Counts.Total != 288*1000 {
		t.Errorf("acme sees %+v", got.Statuses)
	}
	for name, f := range map[string]StatusFilter{
		"another tenant": {Tenant: "globex"}, "a shared promise": {SLO: api.SLO.ID}, "no promise": {SLO: "nope"},
	} {
		if _, err := s.Statuses(bg, acme, f); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := must[StatusAnswer](t)(s.Statuses(bg, access.Scope{}, StatusFilter{})); len(got.Statuses) != 0 {
		t.Errorf("nobody sees %+v", got)
	}
}

func TestManyWhoAskAtOnceShareAnAnswerOfTheirOwnScope(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	s := w.service()
	var wait sync.WaitGroup
	for range 20 {
		for scope, want := range map[access.Scope]int{operator: 3, acme: 1, access.Tenant("globex"): 1} {
			wait.Go(func() {
				got, err := s.Statuses(bg, scope, StatusFilter{})
				if err != nil || len(got.Statuses) != want {
					t.Errorf("%v sees %d promises, %v", scope, len(got.Statuses), err)
				}
				if len(got.Statuses) > 0 {
					got.Statuses[0].SLO = "scribbled on" // must stay with the one who did it
				}
			})
		}
	}
	wait.Wait()
	if w.reads != 3 {
		t.Errorf("%d reads for three scopes, want 3", w.reads)
	}
	if got := must[StatusAnswer](t)(s.Statuses(bg, acme, StatusFilter{})); got.Statuses[0].SLO != shop.SLO.ID {
		t.Error("the kept answer was changed by a reader")
	}
}

func TestAnAskerWhoLeavesDoesNotTakeTheOthersAnswerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string, int](time.Second, time.Now)
		ctx, leave := context.WithCancel(bg)
		slow := func(ctx context.Context) (int, error) {
			select {
			case <-time.After(time.Second):
				return 42, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		go func() { _, _ = c.get(ctx, "k", slow) }()
		synctest.Wait()
		leave()
		if got, err := c.get(bg, "k", slow); got != 42 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		time.Sleep(2 * time.Second)
		calls := 0
		for range 2 {
			_, _ = c.get(bg, "k", func(context.Context) (int, error) { calls++; return 0, errors.New("no") })
		}
		if calls != 2 {
			t.Errorf("an expired answer or an error was kept: %d calls", calls)
		}
	})
}

func TestAPanicInASharedAnswerLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	c := newCache[string, int](time.Hour, time.Now)
	func() {
		defer func() { _ = recover() }()
		_, _ = c.get(bg, "k", func(context.Context) (int, error) { panic("boom") })
	}()
	if got, err := c.get(bg, "k", func(context.Context) (int, error) { return 1, nil }); got != 1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestAQuestionThatTakesTooLongIsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.service()
		for kind, limit := range map[string]time.Duration{Query: QueryTime, Analysis: AnalysisTime} {
			w.outcomes = nil
			began := time.Now()
			_, err := ask(bg, s, kind, "x", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			if !fault.Is(err, fault.Timeout) || time.Since(began) != limit || w.outcomes[0] != kind+" timeout" {
				t.Errorf("%s: %v after %v, observed %v", kind, err, time.Since(began), w.outcomes)
			}
		}
		ctx, leave := context.WithCancel(bg)
		leave()
		w.outcomes = nil
		if _, err := ask(ctx, s, Query, "x", func(ctx context.Context) (int, error) { return 0, ctx.Err() }); err == nil || w.outcomes[0] != "query refused" {
			t.Errorf("an asker who left: %v, observed %v", err, w.outcomes)
		}
	})
}
