package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// AlertRouteKind is the kind of documents that ReadAlertRoute reads.
const AlertRouteKind = "AlertRoute"

// AlertRoute is one tree of routes. Trees are tried in order of weight, then name; the first that matches decides,
// unless it says to continue.
type AlertRoute struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant,omitempty"` // whose alerts it concerns; "" for all
	Weight int    `json:"weight"`
	Route
}

// Route says what becomes of the alerts that satisfy all its matchers. What it leaves out is as in the route around it.
// Its inner routes are tried in order, and the first that matches decides, unless it says to continue; then what the
// later ones say counts where the earlier say nothing.
type Route struct {
	Matchers []Matcher `json:"matchers,omitempty"`
	Continue bool      `json:"continue,omitempty"`
	Policy   string    `json:"policy,omitempty"`   // name of an escalation policy
	Severity string    `json:"severity,omitempty"` // critical, error, warning or info, instead of the alert's own
	GroupBy  *Grouping `json:"groupBy,omitempty"`
	// Window bounds how long an open incident takes more alerts: one joins when the latest came at most so long before; 0
	// means as long as the incident is open.
	Window *time.Duration `json:"groupWindow,omitempty"`
	Drop   *bool          `json:"drop,omitempty"` // the alert is recorded and opens no incident
	Routes []Route        `json:"routes,omitempty"`
}

// Grouping says which alerts share an incident: those with the same values of all the names.
type Grouping struct {
	All         bool     `json:"all,omitempty"`         // every label, so that each alert has its own incident
	Labels      []string `json:"labels,omitempty"`      // names of labels
	Annotations []string `json:"annotations,omitempty"` // names of annotations
}

// Routing is what the routes say about one alert. The zero Routing says nothing.
type Routing struct {
	Path     []string          // the routes that decided, such as "shop" or "shop/2/1", innermost of each tree
	Policy   string            // "" where no route names one
	Severity string            // "" where the alert's own counts
	Grouped  bool              // whether Group counts
	GroupAt  string            // the route that says how to group
	Group    map[string]string // the alert's values of what its incident is shared by
	Window   time.Duration     // 0 means that an incident is joined as long as it is open
	Drop     bool
}

// setting is what a route says, with what it takes from the routes around it.
type setting struct {
	path     string
	policy   string
	severity string
	groupBy  *Grouping
	groupAt  string
	window   *time.Duration
	drop     *bool
}

// within returns what the route says inside of another.
func (r Route) within(outer setting, path string) setting {
	s := outer
	s.path = path
	s.policy, s.severity = cmp.Or(r.Policy, s.policy), cmp.Or(r.Severity, s.severity)
	if r.GroupBy != nil {
		s.groupBy, s.groupAt = r.GroupBy, path
	}
	if r.Window != nil {
		s.window = r.Window
	}
	if r.Drop != nil {
		s.drop = r.Drop
	}
	return s
}

// compiledRoute is a route ready to match.
type compiledRoute struct {
	setting
	tenant    string
	matchers  Matchers
	goesOn    bool
	children  []compiledRoute
	unmatched bool // its matchers do not compile, so that it matches nothing
}

func compileRoute(r Route, outer setting, path string) compiledRoute {
	matchers, err := CompileMatchers(r.Matchers)
	c := compiledRoute{setting: r.within(outer, path), matchers: matchers, goesOn: r.Continue, unmatched: err != nil}
	for i, inner := range r.Routes {
		c.children = append(c.children, compileRoute(inner, c.setting, path+"/"+strconv.Itoa(i+1)))
	}
	return c
}

// compileTrees returns the trees in the order in which they are tried.
func compileTrees(routes []AlertRoute) []compiledRoute {
	ordered := slices.SortedFunc(slices.Values(routes), func(a, b AlertRoute) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
	trees := make([]compiledRoute, 0, len(ordered))
	for _, r := range ordered {
		tree := compileRoute(r.Route, setting{}, r.Name)
		tree.tenant = r.Tenant
		trees = append(trees, tree)
	}
	return trees
}

// match returns the settings of the innermost routes that the labels satisfy, in order.
func (c *compiledRoute) match(labels map[string]string) []*setting {
	if c.unmatched || !c.matchers.Match(labels) {
		return nil
	}
	var found []*setting
	for i := range c.children {
		inner := c.children[i].match(labels)
		found = append(found, inner...)
		if len(inner) > 0 && !c.children[i].goesOn {
			break
		}
	}
	if len(found) == 0 {
		found = []*setting{&c.setting}
	}
	return found
}

// Route returns what the routes say about the alert. Rules that are not Compiled are compiled for it.
func (r Rules) Route(a Alert) Routing {
	compiled := r.compiled
	if compiled == nil {
		compiled = compileRules(r)
	}
	return compiled.route(a)
}

func (c *compiledRules) route(a Alert) Routing {
	var found []*setting
	for i := range c.trees {
		tree := &c.trees[i]
		if !reaches(tree.tenant, a.Tenant) {
			continue
		}
		matched := tree.match(a.Labels)
		found = append(found, matched...)
		if len(matched) > 0 && !tree.goesOn {
			break
		}
	}
	return combine(found, a)
}

// combine takes each thing from the first setting that says it.
func combine(found []*setting, a Alert) Routing {
	var r Routing
	var window *time.Duration
	var drop *bool
	for _, s := range found {
		r.Path = append(r.Path, s.path)
		r.Policy, r.Severity = cmp.Or(r.Policy, s.policy), cmp.Or(r.Severity, s.severity)
		window, drop = cmp.Or(window, s.window), cmp.Or(drop, s.drop)
		if s.groupBy != nil && !r.Grouped {
			r.Grouped, r.GroupAt, r.Group = true, s.groupAt, s.groupBy.values(a)
		}
	}
	if window != nil {
		r.Window = *window
	}
	r.Drop = drop != nil && *drop
	return r
}

// values returns the alert's values of the names that are grouped by; absent ones are left out.
func (g *Grouping) values(a Alert) map[string]string {
	if g.All {
		return maps.Clone(a.Labels)
	}
	values := map[string]string{}
	for _, name := range g.Labels {
		if v := a.Labels[name]; v != "" {
			values[name] = v
		}
	}
	for _, name := range g.Annotations {
		if v := a.Annotations[name]; v != "" {
			values[annotation+name] = v
		}
	}
	return values
}

// annotation stands before the name of an annotation among what is grouped by.
const annotation = "annotations."

// Policies returns the policies that the route and those inside of it name, by the path of their field.
func (r Route) Policies(path string) map[string]string {
	names := map[string]string{}
	if r.Policy != "" {
		names[path+".policy"] = r.Policy
	}
	for i, inner := range r.Routes {
		maps.Copy(names, inner.Policies(fmt.Sprintf("%s.routes.%d", path, i)))
	}
	return names
}
