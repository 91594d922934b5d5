package service

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/publish"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/postgres"
)

// postmortemDesk is what people do with postmortems and action items.
type postmortemDesk struct {
	*postgres.DB
	intelligence *intelligence.Service
	catalog      func() *definitions.Catalog
}

func (p *plane) postmortems() postmortemDesk {
	return postmortemDesk{p.db, p.intelligence, p.definitions.Catalog}
}

// Postmortems returns the postmortems that the principal may read; a tenant's people see what was published to them.
func (d postmortemDesk) Postmortems(ctx context.Context, who access.Principal, f incidents.PostmortemFilter) ([]incidents.Postmortem, error) {
	if err := who.Require(access.Viewer); err != nil {
		return nil, err
	}
	if who.Tenant == "" {
		return d.DB.Postmortems(ctx, who.Scope(), f)
	}
	// The search of the database knows words that a tenant does not see, and must not tell that they are there.
	query := f.Query
	f.Query = ""
	found, err := d.DB.Postmortems(ctx, who.Scope(), f)
	shown := make([]incidents.Postmortem, 0, len(found))
	for _, p := range found {
		if p = p.ForTenant(); holds(p, query) {
			shown = append(shown, p)
		}
	}
	return shown, err
}

// holds reports whether every word of the query stands in the postmortem.
func holds(p incidents.Postmortem, query string) bool {
	text := strings.ToLower(p.Title + "\n" + p.Words())
	for _, word := range strings.Fields(strings.ToLower(query)) {
		if !strings.Contains(text, strings.Trim(word, `"`)) {
			return false
		}
	}
	return true
}

// Postmortem returns one postmortem, as the principal may read it.
func (d postmortemDesk) Postmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error) {
	if err := who.Require(access.Viewer); err != nil {
		return incidents.Postmortem{}, err
	}
	p, err := d.DB.Postmortem(ctx, who.Scope(), id)
	if who.Tenant != "" {
		p = p.ForTenant()
	}
	return p, err
}

// PostmortemTemplates returns what postmortems can be drafted from.
func (d postmortemDesk) PostmortemTemplates() []incidents.PostmortemTemplate {
	return d.catalog().PostmortemTemplates()
}

// DraftPostmortem drafts the postmortem of one or several incidents, named by UUID or number. template "" is the one that
// the policy or the first incident's service asks for, else the default.
func (d postmortemDesk) DraftPostmortem(ctx context.Context, who access.Principal, r httpapi.NewPostmortem) (incidents.Postmortem, error) {
	if err := operatorsOwn(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	found, err := d.found(ctx, who, r.Incidents)
	if err != nil {
		return incidents.Postmortem{}, err
	}
	owner, name, service := "", r.Template, ""
	for _, f := range found {
		duty, ok, err := d.DutyOf(ctx, who.Scope(), f.Incident.ID)
		if err != nil {
			return incidents.Postmortem{}, err
		}
		if ok {
			owner, name = cmp.Or(owner, duty.Owner), cmp.Or(name, duty.Template)
		}
		service = cmp.Or(service, f.Incident.Service)
	}
	template, ok := d.catalog().PostmortemTemplate(name, service)
	if !ok {
		names := each(d.PostmortemTemplates(), func(t incidents.PostmortemTemplate) string { return t.Name })
		return incidents.Postmortem{}, fault.New(fault.Invalid, "template: there is no template %q; there are %v", name, names)
	}
	owner = cmp.Or(r.Owner, owner, emailOr(who.Name))
	made, err := d.AddPostmortem(ctx, who, func(now time.Time) (incidents.Postmortem, error) {
		return incidents.NewPostmortem(template, slices.Clone(found), who.Name, owner, now)
	})
	return made, err
}

// webPostmortems is the desk in the pages' words.
type webPostmortems struct{ postmortemDesk }

// Draft drafts the postmortem of one incident.
func (w webPostmortems) Draft(ctx context.Context, who access.Principal, incident string) (incidents.Postmortem, error) {
	return w.DraftPostmortem(ctx, who, httpapi.NewPostmortem{Incidents: []string{incident}})
}

// emailOr returns the name where it is an e-mail address, "" where it is a token's or the system's.
func emailOr(name string) string {
	if incidents.CheckOwner("owner", name) != nil {
		return ""
	}
	return name
}

func (d postmortemDesk) found(ctx context.Context, who access.Principal, ids []string) ([]incidents.Found, error) {
	if n := len(ids); n == 0 || n > incidents.MaxReviewedIncidents {
		return nil, fault.New(fault.Invalid, "incidents: names %d; a postmortem is about 1 to %d", n, incidents.MaxReviewedIncidents)
	}
	found := make([]incidents.Found, 0, len(ids))
	for _, id := range ids {
		f, err := d.intelligence.Evidence(ctx, who.Scope(), id)
		if err != nil {
			return nil, err
		}
		if f.Kept, err = d.Exhibits(ctx, who.Scope(), f.Incident.ID); err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

// RefreshPostmortem fills the figures in anew; people's words stay as they are.
func (d postmortemDesk) RefreshPostmortem(ctx context.Context, who access.Principal, id string) (incidents.Postmortem, error) {
	if err := operatorsOwn(who, access.Responder); err != nil {
		return incidents.Postmortem{}, err
	}
	p, err := d.DB.Postmortem(ctx, who.Scope(), id)
	if err != nil {
		return p, err
	}
	found, err := d.found(ctx, who, each(p.Incidents, func(i incidents.ReviewedIncident) string { return i.ID }))
	if err != nil {
		return p, err
	}
	return d.DB.RefreshPostmortem(ctx, who, p.ID, found)
}

// ExportPostmortem writes a postmortem in a format, md, html or pdf, with its media type.
func (d postmortemDesk) ExportPostmortem(ctx context.Context, who access.Principal, id, format string) (content []byte, mediaType string, err error) {
	p, err := d.Postmortem(ctx, who, id)
	if err != nil {
		return nil, "", err
	}
	items, err := d.itemsOf(ctx, who, p)
	if err != nil {
		return nil, "", err
	}
	switch format {
	case "md":
		return []byte(p.Markdown(items)), "text/markdown; charset=utf-8", nil
	case "html":
		return publish.HTML(publish.Document{Postmortem: p, Items: items}), "text/html; charset=utf-8", nil
	case "pdf":
		content, err = publish.PDF(publish.Document{Postmortem: p, Items: items})
		return content, "application/pdf", err
	}
	return nil, "", fault.New(fault.Invalid, "format: %q is none of md, html, pdf", format)
}

// itemsOf returns a postmortem's action items; a tenant's people, who read what was published, see what is to be done and
// whether it is, not by whom.
func (d postmortemDesk) itemsOf(ctx context.Context, who access.Principal, p incidents.Postmortem) ([]incidents.ActionItem, error) {
	asker := who
	if who.Tenant != "" {
		asker = access.System("postmortems")
	}
	items, err := d.ActionItems(ctx, asker, incidents.ActionFilter{Postmortem: p.ID, Limit: 500})
	slices.SortFunc(items, func(a, b incidents.ActionItem) int { return cmp.Compare(a.Number, b.Number) })
	if who.Tenant != "" {
		items = each(items, func(a incidents.ActionItem) incidents.ActionItem {
			return incidents.ActionItem{Number: a.Number, Title: a.Title, Kind: a.Kind, DueAt: a.DueAt, State: a.State, Reason: a.Reason}
		})
	}
	return items, err
}

// AddActionItem adds an action item; where it names no tracker, that of its service keeps it.
func (d postmortemDesk) AddActionItem(ctx context.Context, who access.Principal, postmortem string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	if e.Tracker == nil {
		p, err := d.DB.Postmortem(ctx, who.Scope(), postmortem)
		if err != nil {
			return incidents.ActionItem{}, err
		}
		service := ""
		if len(p.Incidents) > 0 {
			service = p.Incidents[0].Service
		}
		if name := d.catalog().TrackerOf(service); name != "" {
			e.Tracker = &name
		}
	}
	if err := d.knownTracker(e); err != nil {
		return incidents.ActionItem{}, err
	}
	return d.DB.AddActionItem(ctx, who, postmortem, e)
}

// ChangeActionItem changes an action item.
func (d postmortemDesk) ChangeActionItem(ctx context.Context, who access.Principal, id string, e incidents.ActionEdit) (incidents.ActionItem, error) {
	if err := d.knownTracker(e); err != nil {
		return incidents.ActionItem{}, err
	}
	return d.DB.ChangeActionItem(ctx, who, id, e)
}

func (d postmortemDesk) knownTracker(e incidents.ActionEdit) error {
	if e.Tracker == nil || *e.Tracker == "" {
		return nil
	}
	if _, ok := d.catalog().Tracker(*e.Tracker); !ok {
		return fault.New(fault.Invalid, "tracker: there is no tracker named %q; define it first", *e.Tracker)
	}
	return nil
}
