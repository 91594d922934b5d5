package service

import (
	"context"
	"slices"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/web"
)

const (
	jobOnCall   = "watch-oncall"
	onCallEvery = time.Minute
	keepsFor    = 400 * 24 * time.Hour // of the longest report
)

// onCall is what API and pages ask about who is on call.
type onCall struct {
	*postgres.DB
	plane *plane
}

// Schedules returns the schedules in force.
func (o onCall) Schedules() map[string]oncall.Schedule {
	return o.plane.definitions.Catalog().Schedules()
}

// Served returns who was on call as it was recorded; what lasts ends now.
func (o onCall) Served(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]oncall.Shift, error) {
	found, err := o.OnCallHistory(ctx, scope, schedule, from, to)
	now := time.Now().UTC()
	shifts := make([]oncall.Shift, 0, len(found))
	for _, v := range found {
		end := now
		if v.To != nil {
			end = v.To.UTC()
		}
		if end.After(to) {
			end = to
		}
		begin := v.From.UTC()
		if begin.Before(from) {
			begin = from
		}
		if begin.Before(end) {
			shifts = append(shifts, oncall.Shift{Person: v.Person, From: begin, To: end})
		}
	}
	return shifts, err
}

// Fair adds up what being on call took: the past as it was recorded, the time to come by the plans.
func (o onCall) Fair(ctx context.Context, scope access.Scope, schedule string, from, to time.Time) ([]oncall.Load, error) {
	schedules := o.Schedules()
	if _, defined := schedules[schedule]; schedule != "" && !defined {
		return nil, fault.New(fault.NotFound, "there is no schedule %q", schedule)
	}
	if to.Sub(from) > keepsFor {
		return nil, fault.New(fault.Invalid, "to: must be at most 400 days after from")
	}
	shifts, err := o.Served(ctx, scope, schedule, from, to)
	if err != nil {
		return nil, err
	}
	if ahead := time.Now().UTC(); to.After(ahead) {
		if from.After(ahead) {
			ahead = from
		}
		overlays, err := o.Overlays(ctx, scope, nil, ahead, to)
		if err != nil {
			return nil, err
		}
		for name, s := range schedules {
			if schedule == "" || name == schedule {
				shifts = append(shifts, s.Shifts(overlays[name], ahead, to)...)
			}
		}
	}
	pages, err := o.PagesOf(ctx, scope, from, to)
	if err != nil {
		return nil, err
	}
	if schedule != "" {
		pages = slices.DeleteFunc(pages, func(p oncall.Paged) bool { return !during(shifts, p) })
	}
	zones, err := o.Zones(ctx, scope)
	if err != nil {
		return nil, err
	}
	return oncall.Fair(shifts, pages, func(person string) *time.Location { return zones[person] }), nil
}

func during(shifts []oncall.Shift, p oncall.Paged) bool {
	return slices.ContainsFunc(shifts, func(s oncall.Shift) bool {
		return s.Person == p.Person && !p.At.Before(s.From) && p.At.Before(s.To)
	})
}

// MakeLink returns the link's secret, once.
func (o onCall) MakeLink(ctx context.Context, who access.Principal, l httpapi.OnCallLink) (httpapi.OnCallLink, string, error) {
	made, secret, err := o.MakeOnCallLink(ctx, who, postgres.OnCallLink(l))
	return httpapi.OnCallLink(made), secret, err
}

// Links returns the links that somebody made.
func (o onCall) Links(ctx context.Context, who access.Principal) ([]httpapi.OnCallLink, error) {
	found, err := o.OnCallLinks(ctx, who)
	links := make([]httpapi.OnCallLink, 0, len(found))
	for _, l := range found {
		links = append(links, httpapi.OnCallLink(l))
	}
	return links, err
}

// RevokeLink makes an address show nothing.
func (o onCall) RevokeLink(ctx context.Context, who access.Principal, id string) error {
	return o.RevokeOnCallLink(ctx, who, id)
}

// LinkOf returns what a secret address shows.
func (o onCall) LinkOf(ctx context.Context, secret string) (httpapi.OnCallLink, error) {
	l, err := o.OnCallLinkOf(ctx, secret)
	return httpapi.OnCallLink(l), err
}

// webOnCall is what pages do with who is on call.
type webOnCall struct{ onCall }

// MakeLink returns the link with its address, once.
func (o webOnCall) MakeLink(ctx context.Context, who access.Principal, l web.OnCallLink) (web.OnCallLink, string, error) {
	made, secret, err := o.MakeOnCallLink(ctx, who, postgres.OnCallLink(l))
	return web.OnCallLink(made), httpapi.LinkURL(o.plane.config.BaseURL, httpapi.OnCallLink(made), secret), err
}

// Links returns the links that somebody made.
func (o webOnCall) Links(ctx context.Context, who access.Principal) ([]web.OnCallLink, error) {
	found, err := o.OnCallLinks(ctx, who)
	return each(found, func(l postgres.OnCallLink) web.OnCallLink { return web.OnCallLink(l) }), err
}

// watchOnCall ends swaps that nobody answered and records who is on call.
func (p *plane) watchOnCall(ctx context.Context) error {
	if err := p.db.ExpireSwaps(ctx); err != nil {
		return err
	}
	return p.db.RecordOnCall(ctx)
}
