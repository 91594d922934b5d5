package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

// notices stands in for storage and for PagerDuty.
type notices struct {
	begun    []slo.Change
	finished map[string]string // by target, as "state again"
	attempts int
	fail     map[string]error // by routing key
	sent     []pagerduty.Change
}

func (n *notices) BegunChanges(context.Context, time.Duration) ([]slo.Change, error) {
	return n.begun, nil
}

func (n *notices) DueNotices(_ context.Context, wanted []postgres.ChangeNotice) ([]postgres.ChangeNotice, error) {
	for i := range wanted {
		wanted[i].Attempts = n.attempts
	}
	return wanted, nil
}

func (n *notices) FinishNotice(_ context.Context, notice postgres.ChangeNotice, state, problem string, again time.Duration) error {
	n.finished[notice.Target[:strings.Index(notice.Target, "@")]] = strings.Join(strings.Fields(state+" "+problem+" "+again.String()), " ")
	return nil
}

func (n *notices) TellChange(_ context.Context, target incidents.PagerDutyTarget, c pagerduty.Change) error {
	n.sent = append(n.sent, c)
	return n.fail[target.RoutingKey.Env]
}

func policy(name, key string) string {
	return "---\napiVersion: nines/v1\nkind: EscalationPolicy\nmetadata: {name: " + name + "}\nspec: {steps: [{targets: [{pagerduty: {routingKey: {env: " + key + "}}}]}]}\n"
}

func TestTheServicesThatArePagedAreToldOfChanges(t *testing.T) {
	t.Parallel()
	text := "apiVersion: nines/v1\nkind: Service\nmetadata: {name: shop}\nspec: {policy: shop}\n" + policy("shop", "SHOP") + policy("other", "OTHER") + policy("default", "DEFAULT")
	set, problems := definitions.Load([]manifest.File{{Name: "d.yaml", Text: text}}, nil, func(string) bool { return true })
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	busy := fault.New(fault.Limited, "slow down")
	busy.RetryAfter = time.Minute
	began := time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		service  string
		fail     error
		attempts int
		want     string
	}{
		"the service's policy":       {"shop", nil, 0, "SHOP=sent 0s"},
		"the default policy":         {"unknown", nil, 0, "DEFAULT=sent 0s"},
		"all services":               {"all", nil, 0, "DEFAULT=sent 0s OTHER=sent 0s SHOP=sent 0s"},
		"PagerDuty is away":          {"shop", fault.New(fault.Unavailable, "away"), 2, "SHOP=pending away 1m0s"},
		"PagerDuty asks to wait":     {"shop", busy, 0, "SHOP=pending slow down 1m0s"},
		"it was away for too long":   {"shop", fault.New(fault.Unavailable, "away"), 7, "SHOP=failed away 0s"},
		"PagerDuty will not have it": {"shop", fault.New(fault.Invalid, "bad key"), 0, "SHOP=failed bad key 0s"},
	} {
		n := &notices{
			begun:    []slo.Change{{ID: "c1", Service: c.service, Kind: "deploy", Ref: "abc", Author: "ada", BeganAt: &began}},
			finished: map[string]string{}, attempts: c.attempts, fail: map[string]error{"SHOP": c.fail},
		}
		told := changeNotices{store: n, catalog: func() *definitions.Catalog { return set.Catalog }, sender: n}
		if err := told.tell(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, key := range []string{"DEFAULT", "OTHER", "SHOP"} {
			for target, ended := range n.finished {
				if strings.Contains(target, key) {
					got = append(got, key+"="+ended)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		if n.sent[0].Summary != "deploy of "+c.service+": abc" || !n.sent[0].At.Equal(began) {
			t.Errorf("%s: %+v", name, n.sent[0])
		}
	}
}
