package incidents

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// listed is how many incidents a bundle's summary names; the rest is counted.
const listed = 20

// bundle makes one notification of several pages to one target.
func (d *dispatch) bundle(pages []Claim) Notification {
	all := make([]Incident, len(pages))
	for n, c := range pages {
		all[n] = c.Incident
	}
	slices.SortStableFunc(all, func(a, b Incident) int {
		switch {
		case a.Severity.WorseThan(b.Severity):
			return -1
		case b.Severity.WorseThan(a.Severity):
			return 1
		}
		return cmp.Compare(a.Number, b.Number)
	})
	url := ""
	if d.BaseURL != "" {
		url = strings.TrimRight(d.BaseURL, "/") + "/incidents"
	}
	return Notification{Page: pages[0].Page, Incident: summed(all), IncidentURL: url, Bundle: all, At: d.Now()}
}

// summed is an incident that stands for several, the worst first. It has no Number and no ID, because nobody can answer it.
func summed(all []Incident) Incident {
	first := all[0]
	sum := Incident{
		Tenant: first.Tenant, Service: first.Service, Severity: first.Severity, State: Triggered,
		StartedAt: first.StartedAt, OpenedAt: first.OpenedAt, UpdatedAt: first.UpdatedAt,
	}
	var lines []string
	for n, i := range all {
		if i.Tenant != sum.Tenant {
			sum.Tenant = ""
		}
		if i.Service != sum.Service {
			sum.Service = ""
		}
		if i.StartedAt.Before(sum.StartedAt) {
			sum.StartedAt = i.StartedAt
		}
		if n < listed {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("#%d %s %s: %s", i.Number, i.Severity, i.Service, i.Title)))
		}
	}
	sum.Title = fmt.Sprintf("%d incidents at once", len(all))
	if sum.Service != "" {
		sum.Title += " of " + sum.Service
	}
	if more := len(all) - listed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	sum.Summary = strings.Join(lines, "\n")
	return sum
}
