package definitions

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
)

// addRunbook reads a runbook or a data source of its steps.
func (l *loader) addRunbook(d manifest.Document) manifest.Problems {
	if d.Kind == runbooks.SourceKind {
		s, problems := runbooks.ReadSource(d)
		l.catalog.sources[s.Name] = s
		return problems
	}
	p, problems := runbooks.ReadPage(d)
	l.catalog.runbooks[p.Name] = p
	for i, service := range p.Services {
		l.refer(d, reference{fmt.Sprintf("spec.services.%d", i), KindService, service})
	}
	for _, s := range p.Steps {
		l.refer(d, reference{"spec.text", runbooks.SourceKind, s.Source})
	}
	return problems
}

// RunbookPage returns the runbook of that name: the team's, else the one that ships. Its error is a fault.NotFound.
func (c *Catalog) RunbookPage(name string) (runbooks.Page, error) {
	if p, ok := c.runbooks[name]; ok {
		return p, nil
	}
	p, err := runbooks.Shipped(name)
	if fault.Is(err, fault.NotFound) {
		return p, fault.New(fault.NotFound, "there is no runbook named %q", name)
	}
	return p, err
}

// RunbookPages returns every runbook in order of name, a team's in place of the one that ships under its name.
func (c *Catalog) RunbookPages() []runbooks.Page {
	pages := maps.Clone(c.runbooks)
	for _, name := range runbooks.Names() {
		if _, ours := pages[name]; ours {
			continue
		}
		if p, err := runbooks.Shipped(name); err == nil {
			pages[name] = p
		}
	}
	return slices.SortedFunc(maps.Values(pages), func(a, b runbooks.Page) int { return cmp.Compare(a.Name, b.Name) })
}

// RunbookOf returns the runbook of an alert by its name, else of its service: the first by name where several claim it.
func (c *Catalog) RunbookOf(alert, service string) (runbooks.Page, bool) {
	pages := c.RunbookPages()
	for _, p := range pages {
		if alert != "" && slices.Contains(p.Alerts, alert) {
			return p, true
		}
	}
	for _, p := range pages {
		if service != "" && slices.Contains(p.Services, service) {
			return p, true
		}
	}
	return runbooks.Page{}, false
}

// DataSource returns what steps of runbooks ask under that name. Its error is a fault.NotFound.
func (c *Catalog) DataSource(name string) (runbooks.Source, error) {
	s, ok := c.sources[name]
	if !ok {
		return s, fault.New(fault.NotFound, "there is no %s named %q", runbooks.SourceKind, name)
	}
	return s, nil
}
