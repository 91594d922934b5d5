package definitions

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
)

// postmortemDefinitions say which incidents are reviewed, and how.
type postmortemDefinitions struct {
	policies  map[string]incidents.PostmortemPolicy
	templates map[string]incidents.PostmortemTemplate
}

func newPostmortemDefinitions() postmortemDefinitions {
	return postmortemDefinitions{policies: map[string]incidents.PostmortemPolicy{}, templates: map[string]incidents.PostmortemTemplate{}}
}

func (l *loader) addPostmortem(d manifest.Document) manifest.Problems {
	if d.Kind == KindTemplate {
		t, problems := incidents.ReadPostmortemTemplate(d)
		l.catalog.postmortems.templates[d.Metadata.Name] = t
		l.referServices(d, t.Services)
		return problems
	}
	p, problems := incidents.ReadPostmortemPolicy(d)
	l.catalog.postmortems.policies[d.Metadata.Name] = p
	l.referServices(d, p.Services)
	l.refer(d, reference{"spec.template", KindTemplate, p.Template})
	return problems
}

func (l *loader) referServices(d manifest.Document, services []string) {
	for i, name := range services {
		l.refer(d, reference{fmt.Sprintf("spec.services.%d", i), promised, name})
	}
}

// PostmortemPolicies returns every postmortem policy, ordered by name.
func (c *Catalog) PostmortemPolicies() []incidents.PostmortemPolicy {
	return slices.SortedFunc(maps.Values(c.postmortems.policies), func(a, b incidents.PostmortemPolicy) int { return cmp.Compare(a.Name, b.Name) })
}

// PostmortemTemplates returns every template of postmortems, ordered by name; the one that ships is among them unless
// another is defined under its name.
func (c *Catalog) PostmortemTemplates() []incidents.PostmortemTemplate {
	all := maps.Clone(c.postmortems.templates)
	if standard := incidents.DefaultTemplate(); !c.hasDefined(standard.Name) {
		all[standard.Name] = standard
	}
	return slices.SortedFunc(maps.Values(all), func(a, b incidents.PostmortemTemplate) int { return cmp.Compare(a.Name, b.Name) })
}

func (c *Catalog) hasDefined(template string) bool {
	_, ok := c.postmortems.templates[template]
	return ok
}

func (c *Catalog) hasTemplate(name string) bool {
	return name == incidents.DefaultTemplate().Name || c.hasDefined(name)
}

// PostmortemTemplate returns the template of that name; "" is the one for the service, or the default.
func (c *Catalog) PostmortemTemplate(name, service string) (incidents.PostmortemTemplate, bool) {
	templates := c.PostmortemTemplates()
	if name == "" {
		name = incidents.DefaultTemplate().Name
		for _, t := range templates {
			if slices.Contains(t.Services, service) {
				name = t.Name
				break
			}
		}
	}
	for _, t := range templates {
		if t.Name == name {
			return t, true
		}
	}
	return incidents.PostmortemTemplate{}, false
}
