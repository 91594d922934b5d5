package service

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/slo"
)

const (
	jobNotices   = "tell-changes"
	noticesEvery = 10 * time.Second

	noticeWithin = time.Hour // after its beginning nobody looks for a change any more
	noticeTries  = 8
	noticeRetry  = 15 * time.Second // doubled after each try
	noticeTime   = 10 * time.Second // of one try
)

// changeNotices tells the PagerDuty services that are paged for a service of its changes, so that whoever is paged sees
// them. Each is told once, as far as anybody can know: what was sent while we died is sent again.
type changeNotices struct {
	store   noticeStore
	catalog func() *definitions.Catalog
	sender  changeSender
}

type noticeStore interface {
	BegunChanges(ctx context.Context, within time.Duration) ([]slo.Change, error)
	DueNotices(ctx context.Context, wanted []postgres.ChangeNotice) ([]postgres.ChangeNotice, error)
	FinishNotice(ctx context.Context, n postgres.ChangeNotice, state, problem string, again time.Duration) error
}

type changeSender interface {
	TellChange(ctx context.Context, target incidents.PagerDutyTarget, c pagerduty.Change) error
}

func (p *plane) changeNotices() changeNotices {
	return changeNotices{store: p.db, catalog: p.definitions.Catalog, sender: pagerduty.New(p.secretDir())}
}

// tell sends what is due. One target that cannot be reached holds back no other.
func (n changeNotices) tell(ctx context.Context) error {
	begun, err := n.store.BegunChanges(ctx, noticeWithin)
	if err != nil || len(begun) == 0 {
		return err
	}
	changes, targets := map[string]slo.Change{}, map[string]incidents.PagerDutyTarget{}
	var wanted []postgres.ChangeNotice
	for _, c := range begun {
		changes[c.ID] = c
		for key, target := range n.targets(c.Service) {
			targets[key] = target
			wanted = append(wanted, postgres.ChangeNotice{Change: c.ID, Target: key})
		}
	}
	due, err := n.store.DueNotices(ctx, wanted)
	for _, notice := range due {
		err = errors.Join(err, n.send(ctx, notice, changes[notice.Change], targets[notice.Target]))
	}
	return err
}

func (n changeNotices) send(
	ctx context.Context, notice postgres.ChangeNotice, c slo.Change, target incidents.PagerDutyTarget,
) error {
	limited, cancel := context.WithTimeout(ctx, noticeTime)
	defer cancel()
	err := n.sender.TellChange(limited, target, eventOf(c))
	if err == nil {
		return n.store.FinishNotice(ctx, notice, postgres.NoticeSent, "", 0)
	}
	said := fault.Public(err)
	switch said.Kind {
	case fault.Limited, fault.Unavailable, fault.Timeout, fault.Internal:
		if notice.Attempts+1 < noticeTries {
			again := cmp.Or(said.RetryAfter, noticeRetry<<notice.Attempts)
			return n.store.FinishNotice(ctx, notice, postgres.NoticePending, said.Message, again)
		}
	}
	return n.store.FinishNotice(ctx, notice, postgres.NoticeFailed, said.Message, 0)
}

// targets returns the PagerDuty services that are paged for the service, by their keys. A change of all services
// concerns all of them.
func (n changeNotices) targets(service string) map[string]incidents.PagerDutyTarget {
	found := map[string]incidents.PagerDutyTarget{}
	for t := range n.catalog().TargetsOf(service) {
		if t.PagerDuty != nil {
			found[t.Key()] = *t.PagerDuty
		}
	}
	return found
}

func eventOf(c slo.Change) pagerduty.Change {
	summary := c.Kind + " of " + c.Service + ": " + c.Ref
	details := map[string]any{"change": c.Ref, "kind": c.Kind, "author": c.Author}
	for name, value := range map[string]string{"environment": c.Environment, "description": c.Description, "outcome": c.Outcome} {
		if value != "" {
			details[name] = value
		}
	}
	event := pagerduty.Change{Summary: summary, Source: c.Service, At: c.At, Details: details}
	if strings.HasPrefix(c.Ref, "https://") {
		event.URL = c.Ref
	}
	if c.BeganAt != nil {
		event.At = *c.BeganAt
	}
	return event
}
