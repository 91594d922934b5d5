package service

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

// costly is a stake whose reports take their time and are counted.
func costly(took time.Duration, reports *int, failing *error) *stakes {
	return &stakes{
		kept: map[string]*keptStake{},
		impact: func(context.Context, access.Scope, incidents.Incident) (incidents.Impact, error) {
			share := 0.2
			return incidents.Impact{BudgetShare: &share, Counts: []incidents.Harm{{Tenant: "acme", Errors: 3}, {Tenant: "quiet"}}}, *failing
		},
		report: func(context.Context, access.Scope, string, slo.Month) (slo.Report, error) {
			*reports++
			time.Sleep(took)
			return slo.Report{Promises: []slo.PromiseReport{{SLO: "shop", Figure: slo.Figure{Displayed: "99.2"}, Credit: 10}}}, nil
		},
		contracts: func() []slo.Contract {
			promises := []slo.Promise{{SLO: "shop", Objective: 99.9, Credits: []slo.CreditTier{{Below: 99, Credit: 25}, {Below: 99.9, Credit: 10}}}}
			return []slo.Contract{{Tenant: "acme", Promises: promises}, {Tenant: "quiet", Promises: promises}}
		},
	}
}

func TestWhatIsAtStakeIsComputedOnceAMinuteHoweverManyLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports, failing := 0, error(nil)
		s := costly(time.Second, &reports, &failing)
		i := incidents.Incident{ID: "1", SLO: "shop", StartedAt: time.Now()}
		began := time.Now()
		for range 5 {
			go func() { _, _ = s.Stake(t.Context(), i) }()
		}
		got, err := s.Stake(t.Context(), i)
		if err != nil || reports != 1 || len(got.Credits) != 1 || got.Credits[0].Credit != 10 || got.Credits[0].Next.Credit != 25 || *got.BudgetSpent != 0.2 {
			t.Errorf("%d reports, %+v, %v", reports, got, err)
		}
		if !got.At.Equal(began) {
			t.Errorf("as of %v, begun at %v", got.At, began)
		}
		time.Sleep(stakeKept - time.Second)
		if again, _ := s.Stake(t.Context(), i); reports != 1 || !again.At.Equal(began) {
			t.Errorf("within a minute: %d reports, as of %v", reports, again.At)
		}
		time.Sleep(2 * time.Second)
		if again, _ := s.Stake(t.Context(), i); reports != 2 || !again.At.After(began) {
			t.Errorf("after a minute: %d reports, as of %v", reports, again.At)
		}
		if _, _ = s.Stake(t.Context(), incidents.Incident{ID: "2", SLO: "shop"}); reports != 3 {
			t.Errorf("another incident: %d reports", reports)
		}
	})
}

func TestWhoLeavesEarlyFindsTheStakeTheNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports, failing := 0, error(nil)
		s := costly(10*time.Second, &reports, &failing)
		i := incidents.Incident{ID: "1", SLO: "shop"}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := s.Stake(ctx, i); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after three seconds: %v", err)
		}
		time.Sleep(8 * time.Second)
		if got, err := s.Stake(t.Context(), i); err != nil || len(got.Credits) != 1 || reports != 1 {
			t.Errorf("%d reports, %+v, %v", reports, got, err)
		}
		failing = errors.New("the ledger is away")
		if _, err := s.Stake(t.Context(), incidents.Incident{ID: "2"}); err == nil {
			t.Error("trouble is not told")
		}
		failing = nil
		if _, err := s.Stake(t.Context(), incidents.Incident{ID: "2"}); err != nil {
			t.Errorf("trouble is kept: %v", err)
		}
	})
}
