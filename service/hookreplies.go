package service

import (
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
	case definitions.ReplyTwilio:
		return &twilio.Hook{Tokens: secrets, Knows: h.pages}
	case definitions.ReplyPushover:
		return pushover.NewHook(i.Options.Endpoint, secrets...)
	}
	return &pagerduty.Hook{Secrets: secrets}
}

// pages reports whether some policy pages the telephone. Nobody else is listened to.
func (h *hooks) pages(number string) bool {
	for t := range h.catalog().Targets() {
		if (t.SMS != nil && t.SMS.To == number) || (t.Voice != nil && t.Voice.To == number) {
			return true
		}
	}
	return false
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
	}
}
