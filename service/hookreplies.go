package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/incidents/notify/pushover"
	"github.com/nines-sre/nines/incidents/notify/twilio"
	"github.com/nines-sre/nines/service/definitions"
)

// replyHook returns the provider's own reading of its calls.
func (h *hooks) replyHook(i definitions.Integration, secrets []string) incidents.Hook {
	switch i.Type {
	case definitions.ReplySlack:
		return h.slackHook(i, secrets)
	case definitions.ReplyTwilio:
		return &twilio.Hook{Tokens: secrets, Knows: h.pages}
	case definitions.ReplyPushover:
		return pushover.NewHook(i.Options.Endpoint, secrets...)
	}
	return &pagerduty.Hook{Secrets: secrets}
}

// personLookup bounds asking whose a telephone is.
const personLookup = 2 * time.Second

// personAt returns who is paged at a telephone, by e-mail; "" is nobody, or not known now.
func (h *hooks) personAt(number string) string {
	if h.whose == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), personLookup)
	defer cancel()
	email, err := h.whose(ctx, number)
	if err != nil {
		h.log.Warn("whose a telephone is could not be found out", "error", err)
	}
	return email
}

// pages reports whether some policy pages the telephone, or somebody is called by it. Nobody else is listened to.
func (h *hooks) pages(number string) bool {
	for t := range h.catalog().Targets() {
		if (t.SMS != nil && t.SMS.To == number) || (t.Voice != nil && t.Voice.To == number) {
			return true
		}
	}
	return h.personAt(number) != ""
}

// hookURL returns the public address of the first integration of the type, by name, and "" where there is none. Providers
// are told to answer there.
func (p *plane) hookURL(kind string) func() string {
	return func() string {
		for _, i := range p.definitions.Catalog().Integrations() {
			if i.Type == kind && i.Tenant == "" {
				return p.config.PublicURL() + "/hooks/" + i.Name
			}
		}
		return ""
	}
}

// hooks takes the calls of integrations.
func (p *plane) hooks() *hooks {
	return &hooks{
		catalog: p.definitions.Catalog, secretDir: p.secretDir(), resolveAfter: p.config.ResolveAfter,
		store: p.db, alerts: alerts{p.db}, deliveries: p.db, read: newSources(notify.NewTransport()).read, limits: newHookLimits(), log: p.log,
		open: p.openIncidents, incidentURL: p.incidentURL, whose: p.db.PersonAt,
	}
}
