package definitions

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
)

// alertDefinitions are the definitions that decide about alerts, by name.
type alertDefinitions struct {
	inhibit    map[string]alerting.InhibitRule
	windows    map[string]alerting.MaintenanceWindow
	routes     map[string]alerting.AlertRoute
	heartbeats map[string]alerting.Heartbeat
	rules      func() alerting.Rules // compiled at the first call, when all definitions are there
}

func newAlertDefinitions() *alertDefinitions {
	d := &alertDefinitions{
		inhibit: map[string]alerting.InhibitRule{}, windows: map[string]alerting.MaintenanceWindow{},
		routes: map[string]alerting.AlertRoute{}, heartbeats: map[string]alerting.Heartbeat{},
	}
	d.rules = sync.OnceValue(func() alerting.Rules {
		return alerting.Rules{
			Inhibit:     slices.Collect(maps.Values(d.inhibit)),
			Maintenance: slices.Collect(maps.Values(d.windows)),
			Routes:      slices.Collect(maps.Values(d.routes)),
		}.Compiled()
	})
	return d
}

// AlertRules returns the rules about alerts, ready to judge.
func (c *Catalog) AlertRules() alerting.Rules { return c.alerts.rules() }

// Heartbeats returns every heartbeat, ordered by name.
func (c *Catalog) Heartbeats() []alerting.Heartbeat {
	byName := func(a, b alerting.Heartbeat) int { return cmp.Compare(a.Name, b.Name) }
	return slices.SortedFunc(maps.Values(c.alerts.heartbeats), byName)
}

// Heartbeat returns the heartbeat of that name.
func (c *Catalog) Heartbeat(name string) (alerting.Heartbeat, bool) {
	h, ok := c.alerts.heartbeats[name]
	return h, ok
}

// route asks the routes in the words of the router.
func (c *Catalog) route(a incidents.AlertFacts) incidents.Route {
	r := c.AlertRules().Route(alerting.Alert{Tenant: a.Tenant, Labels: a.Labels, Annotations: a.Annotations})
	return incidents.Route{
		Path: r.Path, Policy: r.Policy, Severity: incidents.Severity(r.Severity), Grouped: r.Grouped, GroupAt: r.GroupAt,
		Group: r.Group, Window: r.Window, Drop: r.Drop,
	}
}

func (l *loader) addAlerting(d manifest.Document) manifest.Problems {
	name, in := d.Metadata.Name, l.catalog.alerts
	switch d.Kind {
	case KindInhibit:
		rule, problems := alerting.ReadInhibitRule(d)
		in.inhibit[name] = rule
		return problems
	case KindWindow:
		window, problems := alerting.ReadMaintenanceWindow(d)
		in.windows[name] = window
		return problems
	case KindHeartbeat:
		h, problems := alerting.ReadHeartbeat(d)
		in.heartbeats[name] = h
		l.refer(d, reference{"spec.service", promised, h.Service}, reference{"spec.policy", KindPolicy, h.Policy})
		return problems
	default:
		route, problems := alerting.ReadAlertRoute(d)
		in.routes[name] = route
		for path, policy := range route.Policies("spec") {
			l.refer(d, reference{path, KindPolicy, policy})
		}
		return problems
	}
}
