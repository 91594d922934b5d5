package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/email"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/telemetry"
)

const (
	jobChase     = "chase-postmortems"
	jobOverdue   = "count-overdue-postmortems"
	chaseEvery   = 30 * time.Second
	overdueEvery = time.Minute
	jobLetters   = "send-letters"
	lettersEvery = 2 * time.Second // a status update is not to wait for the next turn of the chase

	reminderLease = time.Minute
	reminderTime  = 20 * time.Second // of one try
	reminderTries = 10
	reminderRetry = time.Minute // doubled after each try, to an hour
	remindersOnce = 20          // in one turn
)

// chase sees to it that incidents are reviewed in time and what was agreed on is done: it makes reviews duties where
// policies ask for them, and reminds whoever owes something.
type chase struct {
	store   chaseStore
	catalog func() *definitions.Catalog
	impact  func(context.Context, incidents.Incident) (incidents.Impact, error)
	mail    letters // nil: no mail server is configured
	words   incidents.Reminding
	now     func() time.Time
}

type chaseStore interface {
	AssignDuties(ctx context.Context, demand func(incidents.Incident) (incidents.Duty, bool)) (int, error)
	PlanReminders(ctx context.Context, say incidents.Reminding, audiences []incidents.Audience) (int, error)
	ClaimReminders(ctx context.Context, most int, lease time.Duration) ([]postgres.Reminder, error)
	FinishReminder(ctx context.Context, r postgres.Reminder, state, problem string, again time.Duration) error
}

type letters interface {
	SendLetter(ctx context.Context, l email.Letter) error
}

func (p *plane) chase() chase {
	c := chase{store: p.db, catalog: p.definitions.Catalog, words: incidents.Reminding{BaseURL: p.config.PublicURL()}, now: time.Now,
		impact: func(ctx context.Context, i incidents.Incident) (incidents.Impact, error) {
			return p.intelligence.Impact(ctx, operator, i)
		}}
	if p.config.SMTPURL != "" {
		if mail, err := email.New(p.config.SMTPURL, p.config.MailFrom); err == nil { // the notifiers have said what is wrong
			c.mail = mail
		}
	}
	return c
}

// run does one turn. Any replica may, as often as one likes.
func (c chase) run(ctx context.Context) error {
	_, err := c.store.AssignDuties(ctx, func(i incidents.Incident) (incidents.Duty, bool) { return c.demand(ctx, i) })
	if err != nil {
		return err
	}
	if _, err := c.store.PlanReminders(ctx, c.words, c.catalog().Audiences()); err != nil {
		return err
	}
	return c.send(ctx)
}

// demand says until when an incident has to be reviewed. The last minutes of an incident reach the ledger after its end,
// so its share of the budget is asked for anew while it may still rise.
func (c chase) demand(ctx context.Context, i incidents.Incident) (incidents.Duty, bool) {
	if i.ResolvedAt == nil {
		return incidents.Duty{}, false
	}
	weight := incidents.WeightOf(i)
	policies := c.catalog().PostmortemPolicies()
	if asksBudget(policies) && i.SLO != "" && c.now().Sub(*i.ResolvedAt) < reviewAfter {
		if m, err := c.impact(ctx, i); err == nil && m.BudgetShare != nil {
			weight.Budget = m.BudgetShare
		}
	}
	duty, ok := incidents.Demand(policies, weight, *i.ResolvedAt)
	if !ok && i.PostmortemRequired != nil {
		return incidents.UsualDuty(*i.PostmortemRequired, *i.ResolvedAt), true
	}
	return duty, ok
}

func asksBudget(policies []incidents.PostmortemPolicy) bool {
	for _, p := range policies {
		for _, r := range p.Rules {
			if r.BudgetShare > 0 {
				return true
			}
		}
	}
	return false
}

// send mails all letters that are due, reminders and status updates. One that cannot be sent holds back no other.
func (c chase) send(ctx context.Context) error {
	for {
		due, err := c.store.ClaimReminders(ctx, remindersOnce, reminderLease)
		for _, r := range due {
			err = errors.Join(err, c.sendOne(ctx, r))
		}
		if err != nil || len(due) < remindersOnce {
			return err
		}
	}
}

func (c chase) sendOne(ctx context.Context, r postgres.Reminder) error {
	if c.mail == nil {
		return c.store.FinishReminder(ctx, r, postgres.NoticeFailed, "no mail server is configured", 0)
	}
	limited, cancel := context.WithTimeout(ctx, reminderTime)
	defer cancel()
	err := c.mail.SendLetter(limited, email.Letter{ID: fmt.Sprintf("reminder-%d", r.ID), To: r.Recipient, Subject: r.Subject, Text: r.Text, At: c.now()})
	if err == nil {
		return c.store.FinishReminder(ctx, r, postgres.NoticeSent, "", 0)
	}
	said := fault.Public(err)
	switch said.Kind {
	case fault.Limited, fault.Unavailable, fault.Timeout, fault.Internal:
		if r.Attempts < reminderTries {
			again := cmp.Or(said.RetryAfter, min(reminderRetry<<(r.Attempts-1), time.Hour))
			return c.store.FinishReminder(ctx, r, postgres.NoticePending, said.Message, again)
		}
	}
	return c.store.FinishReminder(ctx, r, postgres.NoticeFailed, said.Message, 0)
}

// overdue is what the metrics show; each replica counts for itself.
type overdue struct{ postmortems, actions atomic.Int64 }

func (p *plane) countOverdue() func(context.Context) error {
	var n overdue
	telemetry.Watch(p.telemetry.Registry, "nines_postmortems_overdue", "Postmortems that are required, past their due time and not reviewed.",
		func() float64 { return float64(n.postmortems.Load()) })
	telemetry.Watch(p.telemetry.Registry, "nines_action_items_overdue", "Open action items of postmortems that are past their due time.",
		func() float64 { return float64(n.actions.Load()) })
	return func(ctx context.Context) error {
		postmortems, actions, err := p.db.OverdueReviews(ctx)
		if err == nil {
			n.postmortems.Store(int64(postmortems))
			n.actions.Store(int64(actions))
		}
		return err
	}
}
