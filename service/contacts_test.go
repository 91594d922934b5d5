package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
)

// testLog allows every test unless limit is set.
type testLog struct {
	mu     sync.Mutex
	limit  error
	begun  []string
	object string
	ended  []incidents.ContactTest
	endErr error
}

func (l *testLog) BeginContactTests(_ context.Context, _ access.Principal, targets []incidents.Target, object string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limit != nil {
		return l.limit
	}
	l.object = object
	for _, t := range targets {
		l.begun = append(l.begun, t.Key())
	}
	return nil
}

func (l *testLog) EndContactTests(ctx context.Context, _ access.Principal, tests []incidents.ContactTest) error {
	l.ended = tests
	return errors.Join(l.endErr, ctx.Err())
}

func (l *testLog) LastContactTests(context.Context, access.Scope, []incidents.Target) (map[string]incidents.ContactTest, error) {
	return map[string]incidents.ContactTest{}, nil
}

// notifier is a provider as a function.
type notifier func(context.Context, incidents.Notification) (incidents.Receipt, error)

func (n notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	return n(ctx, note)
}

const testedPolicy = `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: shop}
spec:
  steps:
    - targets: [{ntfy: {url: https://ntfy.example/x}}, {slack: {url: {env: U}}}]
      fallback: {targets: [{email: {to: [lead@example.com]}}]}
    - targets: [{ntfy: {url: https://ntfy.example/x}}, {teams: {url: {env: V}}}]
`

func testedContacts(t *testing.T, log *testLog, notifiers map[string]incidents.Notifier) (contacts, *bytes.Buffer) {
	t.Helper()
	set, problems := definitions.Load([]manifest.File{{Name: "policy.yaml", Text: testedPolicy}}, nil, nil)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	return contacts{
		catalog: func() *definitions.Catalog { return set.Catalog }, store: log, notifiers: notifiers, now: time.Now,
		log: slog.New(slog.NewTextHandler(&said, nil)),
	}, &said
}

var (
	opsResponder = access.Principal{ID: "user:r", Name: "rea", Role: access.Responder}
	opsEditor    = access.Principal{ID: "user:e", Name: "edi", Role: access.Editor}
	acmeAdmin    = access.Principal{ID: "user:a", Name: "ann", Role: access.Admin, Tenant: "acme"}
)

func TestATestGoesToAllTargetsAtOnceAndSaysHowEachWent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told incidents.Notification
		log := &testLog{}
		c, said := testedContacts(t, log, map[string]incidents.Notifier{
			"ntfy": notifier(func(_ context.Context, n incidents.Notification) (incidents.Receipt, error) {
				told = n
				time.Sleep(40 * time.Millisecond)
				return incidents.Receipt{StatusCode: 200}, nil
			}),
			"slack": notifier(func(ctx context.Context, _ incidents.Notification) (incidents.Receipt, error) {
				<-ctx.Done() // never answers
				return incidents.Receipt{}, fault.New(fault.Timeout, "Slack did not answer in time")
			}),
			"email": notifier(func(context.Context, incidents.Notification) (incidents.Receipt, error) { panic("with a s3cret") }),
		})
		began := time.Now()
		tests, err := c.TestPolicy(t.Context(), opsResponder, "shop", incidents.Spot{})
		if err != nil || len(tests) != 4 || time.Since(began) != incidents.PageTimeout {
			t.Fatalf("%v after %s: %+v", err, time.Since(began), tests)
		}
		for n, want := range []incidents.ContactTest{
			{Provider: "ntfy", Outcome: "sent", StatusCode: 200, Took: 40 * time.Millisecond},
			{Provider: "slack", Outcome: "failed", Took: incidents.PageTimeout, Error: "Slack did not answer in time"},
			{Provider: "email", Outcome: "failed", Error: "the notifier crashed"},
			{Provider: "teams", Outcome: "failed", Error: "nothing is set up to send by teams"},
		} {
			got := tests[n]
			if got.Provider != want.Provider || got.Outcome != want.Outcome || got.StatusCode != want.StatusCode || got.Took != want.Took ||
				got.Error != want.Error || got.Actor != "rea" || !got.At.Equal(began) {
				t.Errorf("%d: %+v", n, got)
			}
		}
		if i := told.Incident; i.Number != 0 || i.Title != incidents.TestTitle || told.IncidentURL != "" || !strings.Contains(i.Summary, "rea") {
			t.Errorf("told %+v", told)
		}
		if len(log.begun) != 4 || log.object != "policy/shop" || len(log.ended) != 4 || !strings.Contains(said.String(), "s3cret") {
			t.Errorf("%v, %s, ended %d, said %s", log.begun, log.object, len(log.ended), said)
		}
	})
}

func TestNothingIsSentPastTheLimits(t *testing.T) {
	t.Parallel()
	log := &testLog{limit: fault.New(fault.Limited, "later")}
	c, _ := testedContacts(t, log, map[string]incidents.Notifier{"ntfy": notifier(func(context.Context, incidents.Notification) (incidents.Receipt, error) {
		t.Error("sent")
		return incidents.Receipt{}, nil
	})})
	if _, err := c.TestPolicy(t.Context(), opsResponder, "shop", incidents.Spot{Step: 1, Index: 1}); !fault.Is(err, fault.Limited) {
		t.Error(err)
	}
}

func TestRespondersTestWhatIsAppliedAndEditorsAnything(t *testing.T) {
	t.Parallel()
	target := incidents.Target{Ntfy: &incidents.NtfyTarget{URL: "https://ntfy.example/y"}}
	c, _ := testedContacts(t, &testLog{}, map[string]incidents.Notifier{"ntfy": notifier(func(context.Context, incidents.Notification) (incidents.Receipt, error) {
		return incidents.Receipt{StatusCode: 200}, nil
	})})
	applied := func(who access.Principal) error {
		_, err := c.TestPolicy(t.Context(), who, "shop", incidents.Spot{Step: 2, Index: 1})
		return err
	}
	free := func(who access.Principal) error {
		_, err := c.TestTarget(t.Context(), who, target)
		return err
	}
	for name, err := range map[string]error{"a responder's free target": free(opsResponder), "a tenant": applied(acmeAdmin), "a tenant's free target": free(acmeAdmin)} {
		if !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := errors.Join(applied(opsResponder), applied(opsEditor), free(opsEditor)); err != nil {
		t.Error(err)
	}
	if _, err := c.TestTarget(t.Context(), opsEditor, incidents.Target{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a target of no provider: %v", err)
	}
	if _, err := c.TestPolicy(t.Context(), opsEditor, "other", incidents.Spot{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("a policy that is none: %v", err)
	}
}

func TestATestThatCannotBeWrittenDownIsToldAnyway(t *testing.T) {
	t.Parallel()
	c, said := testedContacts(t, &testLog{endErr: errors.New("disk full")}, map[string]incidents.Notifier{})
	tests, err := c.TestPolicy(t.Context(), opsResponder, "shop", incidents.Spot{Step: 1, Fallback: true})
	if err != nil || len(tests) != 1 || !strings.Contains(said.String(), "not written down") {
		t.Errorf("%v %+v %s", err, tests, said)
	}
}

func (l *testLog) WhoIsCalled(context.Context, []incidents.Target) (incidents.Roster, error) {
	return incidents.Roster{People: map[string]incidents.Person{"ana@example.com": {Email: "ana@example.com"}}}, nil
}

func TestATestOfPeopleGoesWhereTheyAreReachedAndNamesWhoIsNot(t *testing.T) {
	t.Parallel()
	log, sent := &testLog{}, 0
	c, _ := testedContacts(t, log, map[string]incidents.Notifier{"email": notifier(func(context.Context, incidents.Notification) (incidents.Receipt, error) {
		sent++
		return incidents.Receipt{StatusCode: 250}, nil
	})})
	for target, want := range map[incidents.Target]string{
		{User: "ana@example.com"}: incidents.OutcomeSent, {User: "eve@example.com"}: incidents.OutcomeFailed, {Schedule: "gone"}: incidents.OutcomeFailed,
	} {
		tests, err := c.TestTarget(t.Context(), opsEditor, target)
		if err != nil || len(tests) != 1 || tests[0].Outcome != want || (want == incidents.OutcomeFailed) != (tests[0].Error != "") {
			t.Errorf("%s: %+v, %v", target, tests, err)
		}
	}
	if sent != 1 || len(log.begun) != 1 || log.begun[0] != "email:ana@example.com" {
		t.Errorf("sent %d, to %v", sent, log.begun)
	}
}
