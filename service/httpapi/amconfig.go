package httpapi

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/nines-sre/nines/alerting"
)

// amConfig is the part of Alertmanager's configuration that says what is true of us. Receivers have no integrations here:
// how the operator reaches its people stays inside.
type amConfig struct {
	Route     amRoute     `yaml:"route"`
	Inhibit   []amInhibit `yaml:"inhibit_rules,omitempty"`
	Receivers []amNamed   `yaml:"receivers"`
}

type amNamed struct {
	Name string `yaml:"name"`
}

type amRoute struct {
	Receiver string    `yaml:"receiver"`
	GroupBy  []string  `yaml:"group_by,omitempty"`
	Matchers []string  `yaml:"matchers,omitempty"`
	Continue bool      `yaml:"continue,omitempty"`
	Routes   []amRoute `yaml:"routes,omitempty"`
}

type amInhibit struct {
	Source []string `yaml:"source_matchers"`
	Target []string `yaml:"target_matchers"`
	Equal  []string `yaml:"equal,omitempty"`
}

// amGrouping is what alerts of one incident have in common unless a route or a promise says otherwise.
var amGrouping = []string{"alertname", "tenant", "service", "cluster", "namespace"}

// config writes the configuration that routes alerts as we do, as far as Alertmanager's language goes: AlertRoutes first,
// then the policy that an alert names, its SLO's, its service's and the default. Only critical and error alerts page, and
// maintenance windows are named in a comment.
func (v *amView) config(rules alerting.Rules) string {
	c := amConfig{Route: amRoute{Receiver: receiver, GroupBy: amGrouping}}
	for _, name := range v.receivers() {
		c.Receivers = append(c.Receivers, amNamed{name})
	}
	if v.operator {
		c.Route.Receiver = v.known(v.router.Default)
		named := v.namedRoutes()
		for _, tree := range inOrder(rules.Routes) {
			c.Route.Routes = append(c.Route.Routes, v.routesOf(tree, named)...)
		}
		c.Route.Routes = append(c.Route.Routes, named...)
	}
	for _, rule := range rules.Inhibit {
		c.Inhibit = append(c.Inhibit, amInhibit{matcherTexts(rule.Source), matcherTexts(rule.Target), rule.Equal})
	}
	text, _ := yaml.Marshal(c) // strings, lists and a flag always encode
	return v.heading(rules) + string(text)
}

func (v *amView) heading(rules alerting.Rules) string {
	said := []string{
		"Nines routes alerts by its definitions; this is what they come to. Only alerts of severity critical and error page:",
		"the others are shown, and their receiver is " + receiver + ".",
	}
	if v.operator {
		for _, w := range rules.Maintenance {
			said = append(said, "Maintenance window: "+strconv.Quote(w.Name))
		}
	}
	return "# " + strings.Join(said, "\n# ") + "\n"
}

// known is the policy's name, or the receiver of what pages nobody where it is not defined.
func (v *amView) known(policy string) string {
	if _, defined := v.router.Policies[policy]; defined {
		return policy
	}
	return receiver
}

// inOrder returns the trees in the order in which they are tried.
func inOrder(trees []alerting.AlertRoute) []alerting.AlertRoute {
	return slices.SortedFunc(slices.Values(trees), func(a, b alerting.AlertRoute) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
}

// routesOf shows a tree of routes. Where it names no policy, what else names one decides.
func (v *amView) routesOf(tree alerting.AlertRoute, named []amRoute) []amRoute {
	matchers := matcherTexts(tree.Matchers)
	if tree.Tenant != "" {
		matchers = append(matchers, alerting.Matcher{Name: "tenant", Value: tree.Tenant, IsEqual: true}.String())
	}
	if route, says := v.routeOf(tree.Route, "", named); says {
		route.Matchers = matchers
		return []amRoute{route}
	}
	return nil
}

// routeOf shows a route inside of one that pages the outer policy; says is false for one that leaves it all to what comes
// after.
func (v *amView) routeOf(r alerting.Route, outer string, named []amRoute) (shown amRoute, says bool) {
	policy := outer
	if r.Policy != "" {
		policy = r.Policy
	}
	drops := r.Drop != nil && *r.Drop
	shown = amRoute{Matchers: matcherTexts(r.Matchers), Continue: r.Continue, Receiver: v.known(policy)}
	says = !r.Continue || policy != "" || drops
	for _, inner := range r.Routes {
		if route, tells := v.routeOf(inner, policy, named); tells {
			shown.Routes, says = append(shown.Routes, route), true
		}
	}
	if policy == "" && !drops {
		shown.Receiver = v.known(v.router.Default)
		shown.Routes = append(shown.Routes, named...)
	}
	if drops {
		shown.Receiver = receiver
	}
	return shown, says
}

// namedRoutes page the policies that alerts, SLOs and services name.
func (v *amView) namedRoutes() []amRoute {
	var routes []amRoute
	for _, policy := range slices.Sorted(maps.Keys(v.router.Policies)) {
		routes = append(routes, amRoute{Receiver: policy, Matchers: []string{exactly("nines_policy", policy)}})
	}
	for policy, ids := range v.byPolicy(v.router.SLOPolicy) {
		routes = append(routes, amRoute{Receiver: policy, Matchers: []string{anyOf("sloth_id", ids)}})
	}
	for _, labels := range [][]string{{"sloth_service"}, {"service", "sloth_service"}, {"job", "service", "sloth_service"}} {
		for policy, services := range v.byPolicy(v.router.ServicePolicy) {
			route := amRoute{Receiver: policy, Matchers: []string{anyOf(labels[0], services)}}
			for _, first := range labels[1:] { // counts only where the others are not there
				route.Matchers = append(route.Matchers, exactly(first, ""))
			}
			routes = append(routes, route)
		}
	}
	return routes
}

// byPolicy goes through the policies that are named and defined, in order, with who names each.
func (v *amView) byPolicy(named map[string]string) func(func(string, []string) bool) {
	by := map[string][]string{}
	for _, who := range slices.Sorted(maps.Keys(named)) {
		if policy := named[who]; policy != "" && v.known(policy) == policy {
			by[policy] = append(by[policy], who)
		}
	}
	return func(yield func(string, []string) bool) {
		for _, policy := range slices.Sorted(maps.Keys(by)) {
			if !yield(policy, by[policy]) {
				return
			}
		}
	}
}

func exactly(name, value string) string {
	return alerting.Matcher{Name: name, Value: value, IsEqual: true}.String()
}

func anyOf(name string, values []string) string {
	if len(values) == 1 {
		return exactly(name, values[0])
	}
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = regexp.QuoteMeta(value)
	}
	return alerting.Matcher{Name: name, Value: strings.Join(quoted, "|"), IsRegex: true, IsEqual: true}.String()
}

func matcherTexts(matchers []alerting.Matcher) []string {
	texts := make([]string, 0, len(matchers))
	for _, m := range matchers {
		texts = append(texts, m.String())
	}
	return texts
}
