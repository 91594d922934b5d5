package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// Bounds of a tree of routes.
const (
	maxRoutes     = 500 // of one tree, all levels together
	maxRouteDepth = 10
	maxWeight     = 1_000_000
	maxWindow     = 31 * 24 * time.Hour
)

// severityWords are the severities of an incident.
var severityWords = []string{"critical", "error", "warning", "info"}

type alertRouteSpec struct {
	Tenant    string `yaml:"tenant"`
	Weight    int    `yaml:"weight"`
	routeSpec `yaml:",inline"`
}

type routeSpec struct {
	Matchers    []string           `yaml:"matchers"`
	Continue    bool               `yaml:"continue"`
	Policy      string             `yaml:"policy"`
	Severity    string             `yaml:"severity"`
	GroupBy     []string           `yaml:"groupBy"`
	GroupWindow *manifest.Duration `yaml:"groupWindow"`
	Drop        *bool              `yaml:"drop"`
	Routes      []routeSpec        `yaml:"routes"`
}

// ReadAlertRoute reads an AlertRoute document and names every problem in it with its line. That the policies exist is
// checked where all definitions are known; Policies names them.
func ReadAlertRoute(d manifest.Document) (AlertRoute, manifest.Problems) {
	var spec alertRouteSpec
	r := routeReader{reader: reader{doc: d, problems: d.DecodeSpec(&spec)}}
	if spec.Weight < -maxWeight || spec.Weight > maxWeight {
		r.bad("spec.weight", "is %d; write %d to %d, where lighter routes are tried first", spec.Weight, -maxWeight, maxWeight)
	}
	r.text("spec.tenant", spec.Tenant, maxTenant)
	route := AlertRoute{Name: d.Metadata.Name, Tenant: spec.Tenant, Weight: spec.Weight, Route: r.route("spec", spec.routeSpec, 1)}
	return route, r.problems
}

// routeReader counts the routes of a tree while it reads them.
type routeReader struct {
	reader
	seen int
}

func (r *routeReader) route(path string, spec routeSpec, depth int) Route {
	if r.seen++; r.seen == maxRoutes+1 {
		r.bad(path, "is the route after %d others of this tree; the most is that: write several documents", maxRoutes)
	}
	if r.seen > maxRoutes {
		return Route{}
	}
	route := Route{
		Matchers: r.matchers(path+".matchers", spec.Matchers, optional), Continue: spec.Continue, Policy: spec.Policy,
		Severity: r.severity(path+".severity", spec.Severity), GroupBy: r.grouping(path+".groupBy", spec.GroupBy), Drop: spec.Drop,
	}
	if spec.GroupWindow != nil {
		window := spec.GroupWindow.Std()
		route.Window = &window
		if window > maxWindow {
			r.bad(path+".groupWindow", "is %s; the longest is %s", *spec.GroupWindow, manifest.Duration(maxWindow))
		}
	}
	if len(spec.Routes) > 0 && depth == maxRouteDepth {
		r.bad(path+".routes", "nest deeper than %d levels", maxRouteDepth)
		return route
	}
	for i, inner := range spec.Routes {
		route.Routes = append(route.Routes, r.route(fmt.Sprintf("%s.routes.%d", path, i), inner, depth+1))
	}
	return route
}

// grouping reads names of labels, annotations.NAME, or "..." alone for every label, as in Alertmanager.
func (r *reader) grouping(path string, names []string) *Grouping {
	if names == nil {
		return nil
	}
	g := &Grouping{}
	if slices.Contains(names, "...") {
		if len(names) > 1 {
			r.bad(path, `has "..." beside other names; it means every label and stands alone`)
		}
		g.All = true
		return g
	}
	plain := make([]string, len(names))
	for i, name := range names {
		short, isAnnotation := strings.CutPrefix(name, annotation)
		if plain[i] = name; isAnnotation {
			plain[i] = "annotations_" + short // for the check of the name alone
			g.Annotations = append(g.Annotations, short)
			continue
		}
		g.Labels = append(g.Labels, name)
	}
	r.labelNames(path, plain)
	return g
}

// severity reads the severity of an incident, or none.
func (r *reader) severity(path, word string) string {
	if word != "" && !slices.Contains(severityWords, word) {
		r.bad(path, "is %q; write one of %s", short(word), strings.Join(severityWords, ", "))
	}
	return word
}
