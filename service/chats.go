package service

import (
	"context"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/googlechat"
	"github.com/nines-sre/nines/incidents/notify/slack"
	"github.com/nines-sre/nines/incidents/notify/teams"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/definitions"
)

// chats are the providers that tell channels. Secrets in relative files lie below the folder.
func chats(secrets string) map[string]incidents.Notifier {
	return map[string]incidents.Notifier{
		slack.Provider: slack.New(secrets), "teams": teams.New(secrets), "googlechat": googlechat.New(secrets),
	}
}

// slackHook hears what people do in Slack. Who is paged is told by the operator's own app alone: policies belong to no
// tenant, and name people.
func (h *hooks) slackHook(i definitions.Integration, secrets []string) *slack.Hook {
	hook := &slack.Hook{Secrets: secrets, IncidentURL: h.incidentURL}
	if h.open != nil {
		hook.Open = func(ctx context.Context) ([]incidents.Incident, error) { return h.open(ctx, scopeOf(i)) }
	}
	if i.Tenant == "" {
		hook.OnCall = h.firstPaged
	}
	return hook
}

func scopeOf(i definitions.Integration) access.Scope {
	if i.Tenant != "" {
		return access.Tenant(i.Tenant)
	}
	return access.Operator()
}

// firstPaged says whom each policy pages first.
func (h *hooks) firstPaged(context.Context) ([]string, error) {
	var lines []string
	for _, p := range h.catalog().Policies() {
		if len(p.Steps) == 0 {
			continue
		}
		var targets []string
		for _, t := range p.Steps[0].Targets {
			targets = append(targets, t.String())
		}
		lines = append(lines, p.Name+": "+strings.Join(targets, ", "))
	}
	return lines, nil
}

// openIncidents returns the newest incidents that are not resolved.
func (p *plane) openIncidents(ctx context.Context, scope access.Scope) ([]incidents.Incident, error) {
	return p.db.Incidents(ctx, scope, incidents.Filter{
		States: []incidents.State{incidents.Triggered, incidents.Acknowledged}, Limit: 100,
	})
}

// incidentURL is the address of an incident's page.
func (p *plane) incidentURL(i incidents.Incident) string {
	return strings.TrimRight(p.config.PublicURL(), "/") + "/incidents/" + url.PathEscape(i.ID)
}
