package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/web"
)

// reach is how people choose by what they are called.
type reach struct {
	*postgres.DB
	channels  func() incidents.Channels
	notifiers map[string]incidents.Notifier
	now       func() time.Time
}

func (p *plane) reach() reach {
	return reach{p.db, func() incidents.Channels { return p.definitions.Catalog().Channels() }, p.notifiers(), time.Now}
}

// Reachability returns how a person wants to be reached, and by what they could be.
func (r reach) Reachability(ctx context.Context, who access.Principal, email string) (httpapi.Reachability, error) {
	found, err := r.DB.Reachability(ctx, who, email)
	return httpapi.Reachability{
		Email: found.Email, Zone: found.Zone, Quiet: found.Quiet, Rules: found.Rules, Offered: r.channels().Offered(),
		Methods: each(found.Methods, func(m postgres.ContactMethod) httpapi.ContactMethod { return httpapi.ContactMethod(m) }),
	}, err
}

// AddMethod keeps a way to reach a person and sends it the code that proves it. Where the code cannot be sent the way is
// kept, and another code may be asked for.
func (r reach) AddMethod(ctx context.Context, who access.Principal, email string, m httpapi.ContactMethod) (httpapi.ContactMethod, error) {
	if _, err := r.channels().Reach(m.Way, m.Channel, m.Address); err != nil {
		return m, err
	}
	added, code, err := r.DB.AddMethod(ctx, who, email, postgres.ContactMethod(m))
	if err != nil {
		return m, err
	}
	return httpapi.ContactMethod(added), r.send(ctx, who, added, code)
}

// SendCode sends another code to a way that is not verified yet.
func (r reach) SendCode(ctx context.Context, who access.Principal, email, id string) error {
	m, code, err := r.RenewCode(ctx, who, email, id)
	if err != nil {
		return err
	}
	return r.send(ctx, who, m, code)
}

// send counts as a test of the target, so that nobody uses it to ring telephones.
func (r reach) send(ctx context.Context, who access.Principal, m postgres.ContactMethod, code string) error {
	target, err := r.channels().Reach(m.Way, m.Channel, m.Address)
	if err != nil {
		return err
	}
	if err := r.BeginContactTests(ctx, who, []incidents.Target{target}, "method/"+m.ID); err != nil {
		return err
	}
	test, _ := incidents.SendCode(ctx, r.notifiers, target, code, who.Name, r.now)
	if err := r.EndContactTests(context.WithoutCancel(ctx), who, []incidents.ContactTest{test}); err != nil {
		return err
	}
	if !test.OK() {
		return fault.New(fault.Unavailable, "the code could not be sent to %s: %s; ask for another", test.Name, test.Error)
	}
	return nil
}

// webReach is how people choose by what they are called, on the page about themselves.
type webReach struct{ reach }

// Ways returns how a person is reached.
func (r webReach) Ways(ctx context.Context, who access.Principal) (web.Ways, error) {
	found, err := r.Reachability(ctx, who, "")
	return web.Ways{
		Email: found.Email, Zone: found.Zone, Quiet: found.Quiet, Rules: found.Rules, Offered: found.Offered,
		Ways: each(found.Methods, func(m httpapi.ContactMethod) web.Way { return web.Way(m) }),
	}, err
}

// AddWay keeps a way and sends its code.
func (r webReach) AddWay(ctx context.Context, who access.Principal, w web.Way) error {
	_, err := r.AddMethod(ctx, who, "", httpapi.ContactMethod(w))
	return err
}

// SendCode sends another code.
func (r webReach) SendCode(ctx context.Context, who access.Principal, id string) error {
	return r.reach.SendCode(ctx, who, "", id)
}

// Verify takes the code that was sent to a way.
func (r webReach) Verify(ctx context.Context, who access.Principal, id, code string) error {
	return r.VerifyMethod(ctx, who, "", id, code)
}

// RemoveWay takes a way away, with the rules that use it.
func (r webReach) RemoveWay(ctx context.Context, who access.Principal, id string) error {
	return r.RemoveMethod(ctx, who, "", id)
}

// SetRules replaces a person's rules.
func (r webReach) SetRules(ctx context.Context, who access.Principal, rules []incidents.Rule) error {
	return r.DB.SetRules(ctx, who, "", rules)
}

// SetQuiet replaces a person's zone and quiet hours.
func (r webReach) SetQuiet(ctx context.Context, who access.Principal, zone string, quiet []incidents.Quiet) error {
	return r.DB.SetQuiet(ctx, who, "", zone, quiet)
}
