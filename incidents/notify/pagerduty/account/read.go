// Package account reads a PagerDuty account by its REST API and writes what of it has a kind of ours as definitions, so
// that a team can move. It changes nothing at PagerDuty and leaves out whatever it cannot carry, saying so.
package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// DefaultEndpoint is the REST API of accounts in the United States; those in Europe have https://api.eu.pagerduty.com.
const DefaultEndpoint = "https://api.pagerduty.com"

// Options say what is read, and from where.
type Options struct {
	Token    string
	Endpoint string    // "" means DefaultEndpoint
	Since    time.Time // resolved incidents from then on; open ones are read whatever their age
	Now      time.Time
	// Progress is told what is being read and how much of it there is so far; nil tells nobody.
	Progress func(what string, read int)
	// Wait passes the time that PagerDuty asks for; nil really waits.
	Wait func(ctx context.Context, d time.Duration) error
}

// Account is what was read.
type Account struct {
	Users     []api.User
	Schedules []api.Schedule
	Policies  []api.EscalationPolicy
	Services  []api.Service
	Incidents []api.Incident // open and recent, each once
}

const (
	pageSize = 100
	// PagerDuty refuses what lies beyond this many, and spans of incidents of more than six months.
	mostListed  = 10_000
	longestSpan = 30 * 24 * time.Hour
)

// Read reads the account. A token that PagerDuty does not take is a fault.Invalid; no error holds it.
func Read(ctx context.Context, o Options) (Account, error) {
	r := reader{options: o}
	if o.Endpoint == "" {
		r.options.Endpoint = DefaultEndpoint
	}
	if o.Progress == nil {
		r.options.Progress = func(string, int) {}
	}
	r.client = api.NewClient(o.Token, api.WithAPIEndpoint(r.options.Endpoint))
	r.client.HTTPClient = &http.Client{Transport: newPatience(o.Wait), Timeout: 10 * time.Minute}
	var a Account
	for _, step := range []func(context.Context, *Account) error{r.users, r.schedules, r.policies, r.services, r.incidents} {
		if err := step(ctx, &a); err != nil {
			return Account{}, r.explain(ctx, err)
		}
	}
	return a, nil
}

type reader struct {
	client  *api.Client
	options Options
}

// explain words an error without the token and without what a library wrote.
func (r reader) explain(ctx context.Context, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	var refused api.APIError
	if !errors.As(err, &refused) {
		return notify.Unreachable(ctx, "PagerDuty", err)
	}
	said := ""
	if refused.APIError.Valid {
		said = ": " + notify.Scrub(refused.APIError.ErrorObject.Message, r.options.Token)
	}
	switch {
	case refused.StatusCode == http.StatusUnauthorized:
		return fault.New(fault.Invalid,
			"PagerDuty does not take the token; make one under Integrations, API Access Keys (read-only is enough)")
	case refused.StatusCode == http.StatusForbidden:
		return fault.New(fault.Invalid, "the token may not read everything; use a read-only key of the account, not of a user%s", said)
	case refused.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.Limited, "PagerDuty asks for more patience than there was; try again later")
	case refused.StatusCode >= 500:
		return fault.New(fault.Unavailable, "PagerDuty answered %d; try again later", refused.StatusCode)
	}
	return fault.New(fault.Invalid, "PagerDuty answered %d%s", refused.StatusCode, said)
}

// pages reads a list page by page: next returns what is at an offset and whether there is more.
func pages[T any](r reader, what string, next func(offset uint) ([]T, bool, error)) ([]T, error) {
	var all []T
	for {
		found, more, err := next(uint(len(all)))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		r.options.Progress(what, len(all))
		if !more || len(found) == 0 {
			return all, nil
		}
		if len(all)+pageSize > mostListed {
			return nil, fault.New(fault.TooLarge, "there are more than %d %s, which PagerDuty does not list", mostListed, what)
		}
	}
}

func (r reader) users(ctx context.Context, a *Account) (err error) {
	a.Users, err = pages(r, "users", func(offset uint) ([]api.User, bool, error) {
		o := api.ListUsersOptions{Limit: pageSize, Offset: offset, Includes: []string{"contact_methods"}}
		got, err := r.client.ListUsersWithContext(ctx, o)
		if err != nil {
			return nil, false, err
		}
		return got.Users, got.More, nil
	})
	return err
}

// schedules reads the list and then each one, because the list leaves out who takes turns.
func (r reader) schedules(ctx context.Context, a *Account) error {
	listed, err := pages(r, "schedules", func(offset uint) ([]api.Schedule, bool, error) {
		got, err := r.client.ListSchedulesWithContext(ctx, api.ListSchedulesOptions{Limit: pageSize, Offset: offset})
		if err != nil {
			return nil, false, err
		}
		return got.Schedules, got.More, nil
	})
	if err != nil {
		return err
	}
	for n, s := range listed {
		whole, err := r.client.GetScheduleWithContext(ctx, s.ID, api.GetScheduleOptions{})
		if err != nil {
			return fmt.Errorf("read schedule %s: %w", s.ID, err)
		}
		listed[n] = *whole
	}
	a.Schedules = listed
	return nil
}

func (r reader) policies(ctx context.Context, a *Account) (err error) {
	a.Policies, err = pages(r, "escalation policies", func(offset uint) ([]api.EscalationPolicy, bool, error) {
		got, err := r.client.ListEscalationPoliciesWithContext(ctx, api.ListEscalationPoliciesOptions{Limit: pageSize, Offset: offset})
		if err != nil {
			return nil, false, err
		}
		return got.EscalationPolicies, got.More, nil
	})
	return err
}

func (r reader) services(ctx context.Context, a *Account) (err error) {
	a.Services, err = pages(r, "services", func(offset uint) ([]api.Service, bool, error) {
		got, err := r.client.ListServicesWithContext(ctx, api.ListServiceOptions{Limit: pageSize, Offset: offset})
		if err != nil {
			return nil, false, err
		}
		return got.Services, got.More, nil
	})
	return err
}

// incidents reads the open ones, and the others a month at a time.
func (r reader) incidents(ctx context.Context, a *Account) error {
	seen := map[string]bool{}
	list := func(o api.ListIncidentsOptions) error {
		found, err := pages(r, "incidents", func(offset uint) ([]api.Incident, bool, error) {
			o.Limit, o.Offset = pageSize, offset
			got, err := r.client.ListIncidentsWithContext(ctx, o)
			if err != nil {
				return nil, false, err
			}
			return got.Incidents, got.More, nil
		})
		for _, i := range found {
			if !seen[i.ID] {
				seen[i.ID] = true
				a.Incidents = append(a.Incidents, i)
			}
		}
		return err
	}
	open := []string{string(incidents.Triggered), string(incidents.Acknowledged)}
	if err := list(api.ListIncidentsOptions{DateRange: "all", Statuses: open}); err != nil {
		return err
	}
	for from := r.options.Since; from.Before(r.options.Now); from = from.Add(longestSpan) {
		until := from.Add(longestSpan)
		if until.After(r.options.Now) {
			until = r.options.Now
		}
		month := api.ListIncidentsOptions{Since: from.UTC().Format(time.RFC3339), Until: until.UTC().Format(time.RFC3339)}
		if err := list(month); err != nil {
			return err
		}
	}
	return nil
}
