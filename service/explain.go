package service

import (
	"context"
	"slices"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
)

// explainer says what would become of an alert by the definitions and silences in force.
type explainer struct{ plane *plane }

// Explain looks at all that concerns the alert, the operator's silences and alerts too. A tenant's people learn what holds
// their alerts, and neither who set it nor whom the operator pages.
func (e explainer) Explain(ctx context.Context, who access.Principal, a alerting.Alert) (httpapi.Explanation, error) {
	silences, err := e.plane.db.Silences(ctx, access.Operator(), alerting.SilenceFilter{})
	if err != nil {
		return httpapi.Explanation{}, err
	}
	firing, err := e.plane.db.Alerts(ctx, access.Operator(), postgres.AlertFilter{Active: true})
	if err != nil {
		return httpapi.Explanation{}, err
	}
	routing := e.plane.routing()
	if who.Tenant != "" {
		silences = discreet(silences, who.Tenant)
	}
	judge := alerting.NewJudge(routing.Rules, silences, firing, time.Now())
	found := httpapi.Explanation{Findings: judge.Explain(a), Held: judge.Verdict(a).Suppressed()}
	if who.Tenant != "" {
		found.Findings = slices.DeleteFunc(found.Findings, func(f alerting.Finding) bool { return !forTenants(f) })
		return found, nil
	}
	found.Paging = routing.Router.Explain(incidents.AlertFacts{
		Tenant: a.Tenant, Fingerprint: a.Fingerprint, Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt,
	})
	return found, nil
}

// discreet leaves out other tenants' silences, and who set the operator's.
func discreet(all []alerting.Silence, tenant string) []alerting.Silence {
	var kept []alerting.Silence
	for _, s := range all {
		switch s.Tenant {
		case "":
			s.CreatedBy = ""
			kept = append(kept, s)
		case tenant:
			kept = append(kept, s)
		}
	}
	return kept
}

// forTenants lets through what holds the alert and the verdict. Rules that do not apply, and routes, are the operator's.
func forTenants(f alerting.Finding) bool {
	return f.Step == alerting.StepVerdict || f.Applies && f.Step != alerting.StepRoute
}

// webAlerts are the alerts and silences that pages show.
type webAlerts struct{ silences }

// Alerts returns the alerts in scope that fire now.
func (w webAlerts) Alerts(ctx context.Context, scope access.Scope) ([]alerting.Alert, error) {
	return w.DB.Alerts(ctx, scope, postgres.AlertFilter{Active: true})
}
