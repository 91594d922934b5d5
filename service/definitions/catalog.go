// Package definitions turns definition files of every kind into one Catalog and keeps the applied one at hand. It knows
// the kinds and how they refer to each other; what a kind means belongs to its domain package, and where versions are
// kept to storage.
package definitions

import (
	"cmp"
	"maps"
	"slices"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/incidents/track/vendors"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/slo"
)

// The kinds of documents. Sloth files carry no kind; they are kept under KindSloth and their service's name.
const (
	KindService   = "Service"
	KindSLO       = "SLO"
	KindPolicy    = "EscalationPolicy"
	KindTenant    = "Tenant"
	KindWorkload  = "Workload"
	KindPrices    = "PriceSheet"
	KindCap       = cost.BudgetKind
	KindBudget    = "ErrorBudgetPolicy"
	KindHook      = "Integration"
	KindReview    = incidents.PostmortemPolicyKind
	KindTemplate  = incidents.PostmortemTemplateKind
	KindInhibit   = alerting.InhibitRuleKind
	KindWindow    = alerting.MaintenanceWindowKind
	KindRoute     = alerting.AlertRouteKind
	KindHeartbeat = alerting.HeartbeatKind
	KindSchedule  = oncall.ScheduleKind
	KindSloth     = "Sloth"
	DefaultPolicy = "default" // the policy of alerts that nobody claims
)

var kinds = []string{
	KindService, KindSLO, KindPolicy, KindTenant, KindWorkload, KindPrices, KindCap, KindBudget, KindInhibit, KindWindow, KindRoute, KindHeartbeat,
	KindHook, incidents.ChannelKind, KindSchedule, KindReview, KindTemplate, runbooks.Kind, runbooks.SourceKind,
	incidents.SeverityMatrixKind, incidents.AudienceKind, vendors.Kind,
}

// Contract is a tenant's contract with the version of its definition.
type Contract struct {
	slo.Contract
	Version int
}

// Catalog is a consistent set of definitions: every reference in it leads somewhere.
type Catalog struct {
	slos      map[string]slo.Versioned
	policies  map[string]incidents.Policy
	services  map[string]alerting.Service
	contracts map[string]Contract
	workloads map[string]autoscale.Workload
	prices    map[string]cost.PriceSheet
	caps      map[string]cost.Budget
	budgets   map[string]slo.BudgetPolicy
	alerts    *alertDefinitions

	integrations map[string]Integration
	schedules    map[string]oncall.Schedule

	postmortems postmortemDefinitions
	channels    incidents.Channels

	runbooks map[string]runbooks.Page
	sources  map[string]runbooks.Source

	matrix    incidents.Matrix
	audiences map[string]incidents.Audience
	trackers  map[string]vendors.Definition
}

func newCatalog() *Catalog {
	return &Catalog{
		slos: map[string]slo.Versioned{}, policies: map[string]incidents.Policy{}, services: map[string]alerting.Service{},
		contracts: map[string]Contract{}, workloads: map[string]autoscale.Workload{}, prices: map[string]cost.PriceSheet{}, caps: map[string]cost.Budget{},
		budgets: map[string]slo.BudgetPolicy{}, alerts: newAlertDefinitions(),
		integrations: map[string]Integration{}, schedules: map[string]oncall.Schedule{},
		postmortems: newPostmortemDefinitions(),
		channels:    incidents.Channels{},
		runbooks:    map[string]runbooks.Page{}, sources: map[string]runbooks.Source{},
		audiences: map[string]incidents.Audience{}, trackers: map[string]vendors.Definition{},
	}
}

// SLOs returns every SLO, ordered by id.
func (c *Catalog) SLOs() []slo.Versioned {
	return slices.SortedFunc(maps.Values(c.slos), func(a, b slo.Versioned) int { return cmp.Compare(a.SLO.ID, b.SLO.ID) })
}

// SLO returns the SLO of that id.
func (c *Catalog) SLO(id string) (slo.Versioned, bool) { v, ok := c.slos[id]; return v, ok }

// Channels returns the operator's side of reaching people, by name.
func (c *Catalog) Channels() incidents.Channels { return c.channels }

// Matrix returns what rates incidents.
func (c *Catalog) Matrix() incidents.Matrix { return c.matrix }

// Audiences returns who is told of status updates, ordered by name.
func (c *Catalog) Audiences() []incidents.Audience {
	return slices.SortedFunc(maps.Values(c.audiences), func(a, b incidents.Audience) int { return cmp.Compare(a.Name, b.Name) })
}

// Policy returns the escalation policy of that name.
func (c *Catalog) Policy(name string) (incidents.Policy, bool) {
	p, ok := c.policies[name]
	return p, ok
}

// Policies returns every escalation policy, ordered by name.
func (c *Catalog) Policies() []incidents.Policy {
	return slices.SortedFunc(maps.Values(c.policies), func(a, b incidents.Policy) int { return cmp.Compare(a.Name, b.Name) })
}

// Services returns every service, ordered by name.
func (c *Catalog) Services() []alerting.Service {
	return slices.SortedFunc(maps.Values(c.services), func(a, b alerting.Service) int { return cmp.Compare(a.Name, b.Name) })
}

// Contracts returns every tenant's contract, ordered by tenant.
func (c *Catalog) Contracts() []Contract {
	return slices.SortedFunc(maps.Values(c.contracts), func(a, b Contract) int { return cmp.Compare(a.Tenant, b.Tenant) })
}

// Contract returns the contract of the tenant.
func (c *Catalog) Contract(tenant string) (Contract, bool) {
	v, ok := c.contracts[tenant]
	return v, ok
}

// Workload returns the workload of that name.
func (c *Catalog) Workload(name string) (autoscale.Workload, bool) {
	w, ok := c.workloads[name]
	return w, ok
}

// Workloads returns the workloads' names in order.
func (c *Catalog) Workloads() []string { return slices.Sorted(maps.Keys(c.workloads)) }

// PriceSheets returns every price sheet, ordered by name.
func (c *Catalog) PriceSheets() []cost.PriceSheet {
	names := slices.Sorted(maps.Keys(c.prices))
	sheets := make([]cost.PriceSheet, 0, len(names))
	for _, name := range names {
		sheets = append(sheets, c.prices[name])
	}
	return sheets
}

// CostBudgets returns every cost budget, ordered by name.
func (c *Catalog) CostBudgets() []cost.Budget {
	return slices.SortedFunc(maps.Values(c.caps), func(a, b cost.Budget) int { return cmp.Compare(a.Name, b.Name) })
}

// Tier returns the tenant's tier for our own metrics: "none" without a tenant, "unknown" without a contract.
func (c *Catalog) Tier(tenant string) string {
	if tenant == "" {
		return "none"
	}
	contract, ok := c.contracts[tenant]
	if !ok || contract.Tier == "" {
		return "unknown"
	}
	return contract.Tier
}

// Router returns how alerts find their escalation policy. runbook gives the URL of a runbook by name.
func (c *Catalog) Router(runbook func(name string) string) incidents.Router {
	r := incidents.Router{Policies: c.policies, SLOPolicy: map[string]string{}, ServicePolicy: map[string]string{},
		BudgetBy: map[string][]string{}, Support: map[string]*incidents.Support{}, Default: DefaultPolicy, Matrix: c.matrix}
	for id, v := range c.slos {
		r.SLOPolicy[id], r.BudgetBy[id] = v.SLO.Alerting.Policy, v.SLO.BudgetBy
	}
	for name, s := range c.services {
		r.ServicePolicy[name] = s.Policy
		if h := s.SupportHours; h != nil {
			r.Support[name] = &incidents.Support{Zone: h.Zone, Days: h.Days, From: h.From, To: h.To, Inside: incidents.Urgency(h.Inside),
				Outside: incidents.Urgency(h.Outside), Raise: h.Raise}
		}
	}
	r.Runbook = func(sloID, service string) string {
		name := cmp.Or(c.Runbook(sloID), c.services[service].Runbook)
		if name == "" {
			return ""
		}
		return runbook(name)
	}
	r.Routes = c.route
	return r
}

// Runbook returns the name or URL of the SLO's runbook: its own, else its service's, else "".
func (c *Catalog) Runbook(sloID string) string {
	s := c.slos[sloID].SLO
	return cmp.Or(s.Alerting.Runbook, c.services[s.Service].Runbook)
}

// key orders and identifies records.
func key(kind, name string) string { return kind + "/" + name }

// recordOf makes the record that storage keeps of a document.
func recordOf(d manifest.Document, kind, name string) manifest.Record {
	return manifest.Record{Kind: kind, Name: name, Text: d.Text()}
}
