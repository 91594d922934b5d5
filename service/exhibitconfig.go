package service

import (
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

// EvidenceConfig says where log lines and traces are that are kept with an incident when it opens. What an incident has
// beside a promise of ours stays with these systems; an address that is not set is said as not configured.
type EvidenceConfig struct {
	LokiURL       string `koanf:"evidence-loki-url"`        // base, such as http://loki:3100
	LokiQuery     string `koanf:"evidence-loki-query"`      // LogQL with {{ labels.x }} and {{ incident.x }} inside "quotes"
	LokiTenant    string `koanf:"evidence-loki-tenant"`     // X-Scope-OrgID; {{ incident.tenant }} is the incident's own
	LokiTokenFile string `koanf:"evidence-loki-token-file"` // of a bearer token, below the folder of secrets

	TempoURL       string `koanf:"evidence-tempo-url"`
	TempoQuery     string `koanf:"evidence-tempo-query"` // TraceQL, as above
	TempoTenant    string `koanf:"evidence-tempo-tenant"`
	TempoTokenFile string `koanf:"evidence-tempo-token-file"`

	TraceURL string `koanf:"evidence-trace-url"` // where people see a trace; {trace} stands for its ID
}

// The questions that are asked unless others are set.
const (
	usualLokiQuery  = `{service_name="{{ incident.service }}"}`
	usualTempoQuery = `{ resource.service.name = "{{ incident.service }}" && status = error }`
	tenantOfItsOwn  = "{{ incident.tenant }}"
)

func defaultEvidence() EvidenceConfig {
	return EvidenceConfig{LokiQuery: usualLokiQuery, TempoQuery: usualTempoQuery}
}

// check reports what is wrong, by setting.
func (c EvidenceConfig) check(add func(where, format string, args ...any)) {
	for where, raw := range map[string]string{
		"evidence-loki-url": c.LokiURL, "evidence-tempo-url": c.TempoURL, "evidence-trace-url": strings.ReplaceAll(c.TraceURL, "{trace}", "0"),
	} {
		if !isURL(raw, "http", "https") {
			add(where, "is not an http:// or https:// URL")
		}
	}
	if c.TraceURL != "" && !strings.Contains(c.TraceURL, "{trace}") {
		add("evidence-trace-url", "does not say where the trace's ID stands; write {trace} there")
	}
	for where, query := range map[string]string{"evidence-loki-query": c.LokiQuery, "evidence-tempo-query": c.TempoQuery} {
		if err := runbooks.CheckQuery(runbooks.LogQL, query); query != "" && err != nil {
			add(where, "%v", err)
		}
	}
}

// fillQuery puts an incident's values into a query, each inside its quotes and unable to leave them.
func fillQuery(query string, i incidents.Incident) (string, error) {
	values := valuesOf(i)
	values["incident.tenant"] = i.Tenant
	filled, err := runbooks.Step{Language: runbooks.LogQL, Body: query}.Fill(values)
	if err != nil {
		return "", fault.New(fault.Invalid, "The query cannot be asked for this incident: %v.", err)
	}
	return filled.Query, nil
}

// tenantSigns are what the ID of a Loki or Tempo tenant may hold. A "|" would name several.
const tenantSigns = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!-_.*'()"

// fillTenant returns the tenant in whose name is asked, and whether that is the incident's own.
func fillTenant(template string, i incidents.Incident) (tenant string, own bool, err error) {
	if !strings.Contains(template, tenantOfItsOwn) {
		return template, false, nil
	}
	if i.Tenant == "" {
		return "", false, fault.New(fault.Invalid, "The incident belongs to no tenant in whose name could be asked.")
	}
	if strings.Trim(i.Tenant, tenantSigns) != "" {
		return "", false, fault.New(fault.Invalid, "The tenant's name cannot be that of a tenant there.")
	}
	return strings.ReplaceAll(template, tenantOfItsOwn, i.Tenant), true, nil
}

// traceLink returns where a trace is to be seen, "" for nowhere.
func (c EvidenceConfig) traceLink(id string) string {
	if c.TraceURL == "" {
		return ""
	}
	return strings.ReplaceAll(c.TraceURL, "{trace}", id)
}
