package definitions

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/nines-sre/nines/incidents/track/vendors"
	"github.com/nines-sre/nines/internal/manifest"
)

// addTracker reads a tracker. A service has one at most whose name nobody has to write, and so have all others.
func (l *loader) addTracker(d manifest.Document) manifest.Problems {
	t, problems := vendors.Read(d)
	for _, other := range l.catalog.trackers {
		if t.Default && other.Default {
			problems = append(problems, d.Problem("spec.default", "is true of the tracker %s, too; keep one", other.Name))
		}
		for n, service := range t.Services {
			if slices.Contains(other.Services, service) {
				problems = append(problems, d.Problem(fmt.Sprintf("spec.services.%d", n), "is of the tracker %s, too; keep one", other.Name))
			}
		}
	}
	l.catalog.trackers[t.Name] = t
	for n, service := range t.Services {
		l.refer(d, reference{fmt.Sprintf("spec.services.%d", n), promised, service})
	}
	return problems
}

// Tracker returns the tracker of that name.
func (c *Catalog) Tracker(name string) (vendors.Definition, bool) {
	t, ok := c.trackers[name]
	return t, ok
}

// Trackers returns every tracker, ordered by name.
func (c *Catalog) Trackers() []vendors.Definition {
	return slices.SortedFunc(maps.Values(c.trackers), func(a, b vendors.Definition) int { return cmp.Compare(a.Name, b.Name) })
}

// TrackerOf returns the name of the tracker that keeps a service's action items unless another is named, "" for none.
func (c *Catalog) TrackerOf(service string) string {
	usual := ""
	for _, t := range c.Trackers() {
		if slices.Contains(t.Services, service) && service != "" {
			return t.Name
		}
		if t.Default {
			usual = t.Name
		}
	}
	return usual
}
