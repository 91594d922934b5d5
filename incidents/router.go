package incidents

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AlertFacts is what the router needs to know of an alert; storage copies it from an alerting.Alert field by field.
type AlertFacts struct {
	Tenant      string
	Fingerprint string
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	EndsAt      time.Time
}

// Router turns alerts into signals by the definitions: which incident an alert belongs to, how bad it is and who is
// paged. Its zero value works: then nobody is paged.
type Router struct {
	Policies      map[string]Policy   // by name
	SLOPolicy     map[string]string   // SLO id to policy name
	ServicePolicy map[string]string   // service to policy name
	Default       string              // policy name where none of the others says one
	Support       map[string]*Support // by service, of those that are not looked after always
	Matrix        Matrix              // rates incidents
	// BudgetBy has each SLO's budget labels. Alerts of an SLO that stands here are grouped by exactly these; those of
	// any other by all labels that do not belong to the alert itself.
	BudgetBy map[string][]string
	// Runbook returns the runbook's URL for alerts that carry none, "" for none. It may be nil.
	Runbook func(slo, service string) string
	// Routes returns what the installation's routes say about an alert, which counts before all else. It may be nil.
	Routes func(AlertFacts) Route
}

// Route is what the installation's routes say about one alert. The zero Route says nothing.
type Route struct {
	Path     []string // the routes that decided, for people
	Policy   string   // name of a policy, "" for what else names one
	Severity Severity // "" for the alert's own
	Grouped  bool     // whether GroupAt and Group say which incident the alert belongs to
	GroupAt  string   // the route that groups: alerts of two of them share nothing
	Group    map[string]string
	Window   time.Duration // as Signal.GroupWindow
	Drop     bool
}

func (r Router) route(a AlertFacts) Route {
	if r.Routes == nil {
		return Route{}
	}
	return r.Routes(a)
}

// Longest texts of an incident, in characters.
const (
	maxTitle   = 300
	maxSummary = 4000
	maxURL     = 2000
)

// Signal says what an alert means at the time: open or join while it fires, end when it does not.
func (r Router) Signal(a AlertFacts, now time.Time) Signal {
	slo, service := a.Labels["sloth_id"], serviceOf(a.Labels)
	title, summary := words(a)
	route := r.route(a)
	policy, _ := r.policy(a, route, slo, service)
	policy.Support = r.Support[service]
	bad := severity(a, route)
	return Signal{
		Level: r.Matrix.Level(bad, ImpactUnknown),

		Fingerprint: a.Fingerprint, Tenant: a.Tenant, GroupKey: r.groupKey(a, route), Title: title, Summary: summary,
		Severity: bad, Service: service, SLO: slo, Labels: maps.Clone(a.Labels),
		RunbookURL: r.runbook(a, slo, service), BudgetSpent: shareOf(a.Annotations["budget_spent"]),
		Policy: policy, StartsAt: a.StartsAt, EndsAt: a.EndsAt, Firing: a.EndsAt.After(now),
		GroupWindow: route.Window, Drop: route.Drop,
	}
}

func severity(a AlertFacts, route Route) Severity {
	if route.Severity.Valid() {
		return route.Severity
	}
	return SeverityOf(a.Labels)
}

func serviceOf(labels map[string]string) string {
	return first(labels, "sloth_service", "service", "job")
}

// words finds the title and the summary among the annotations that rule authors use for them.
func words(a AlertFacts) (title, summary string) {
	title = first(a.Annotations, "title", "summary")
	for _, prefix := range []string{"(page) ", "(ticket) "} { // Sloth's; the severity says it
		title = strings.TrimPrefix(title, prefix)
	}
	summary = first(a.Annotations, "description", "message", "summary")
	if title == "" {
		title = strings.TrimSpace(a.Labels["alertname"] + " " + serviceOf(a.Labels))
	}
	if title == "" {
		title = "Alert without a name"
	}
	if summary == title {
		summary = ""
	}
	return clip(oneLine(title), maxTitle), clip(summary, maxSummary)
}

// policy resolves whose policy counts: the route's, the alert's own nines_policy, the SLO's, the service's, the default.
// by says which of them it was. A name that is not defined does not count, because paging the next best people beats
// paging nobody.
func (r Router) policy(a AlertFacts, route Route, slo, service string) (p Policy, by string) {
	for _, named := range []struct{ name, by string }{
		{route.Policy, "route " + strings.Join(route.Path, " and ")},
		{a.Annotations["nines_policy"], "the alert's annotation nines_policy"},
		{a.Labels["nines_policy"], "the alert's label nines_policy"},
		{r.SLOPolicy[slo], "SLO " + slo},
		{r.ServicePolicy[service], "service " + service},
		{r.Default, "the default, since nothing else names a policy that is defined"},
	} {
		if p, ok := r.Policies[named.name]; ok && named.name != "" {
			return p, named.by
		}
	}
	return Policy{}, ""
}

func (r Router) runbook(a AlertFacts, slo, service string) string {
	for _, name := range []string{"runbook_url", "runbook"} {
		if u := a.Annotations[name]; webURL(u) {
			return u
		}
	}
	if r.Runbook == nil {
		return ""
	}
	return r.Runbook(slo, service)
}

// groupKey names the incident that an alert belongs to. A promise's alerts share one incident for each value of its
// budget labels, whatever their tier. Other alerts share one by name, tenant, service, cluster and namespace, and by
// the key that an integration gives them. An alert without a name shares with nobody but its own kind: all of its labels.
// A route that groups comes before all that.
func (r Router) groupKey(a AlertFacts, route Route) string {
	at, labels := r.group(a, route)
	return fit(at + canonical(labels))
}

// group returns what groups the alert, and the labels by whose values it does.
func (r Router) group(a AlertFacts, route Route) (at string, labels map[string]string) {
	if route.Grouped {
		return "route/" + route.GroupAt + "/", route.Group
	}
	if slo := a.Labels["sloth_id"]; slo != "" {
		return "slo/" + slo + "/", r.budgetLabels(slo, a.Labels)
	}
	name := a.Labels["alertname"]
	if name == "" {
		return "alert//", a.Labels
	}
	service := "service"
	if a.Labels["service"] == "" {
		service = "job"
	}
	return "alert/" + name + "/", pick(a.Labels, "tenant", service, "cluster", "namespace", "dedup_key")
}

// Group returns the key of the incident that the alert belongs to, and the labels that all alerts of it have in common,
// for people to see.
func (r Router) Group(a AlertFacts) (key string, labels map[string]string) {
	route := r.route(a)
	_, by := r.group(a, route)
	labels = maps.Clone(by)
	if labels == nil {
		labels = map[string]string{}
	}
	switch slo := a.Labels["sloth_id"]; {
	case route.Grouped:
	case slo != "":
		labels["sloth_id"] = slo
	case a.Labels["alertname"] != "":
		labels["alertname"] = a.Labels["alertname"]
	}
	return r.groupKey(a, route), labels
}

// notBudget are labels of a burn alert that tell of the alert, its evaluation or its source and not of whose budget burns.
var notBudget = []string{"alertname", "severity", "long", "short", "nines_policy", "replica", "prometheus_replica", "__replica__"}

func (r Router) budgetLabels(slo string, labels map[string]string) map[string]string {
	if names, known := r.BudgetBy[slo]; known {
		return pick(labels, names...)
	}
	rest := map[string]string{}
	for name, value := range labels {
		if !strings.HasPrefix(name, "sloth_") && !slices.Contains(notBudget, name) {
			rest[name] = value
		}
	}
	return rest
}

// canonical writes labels as JSON, whose keys the encoder sorts.
func canonical(labels map[string]string) string {
	if labels == nil {
		return "{}"
	}
	text, _ := json.Marshal(labels) // a map of strings always encodes
	return string(text)
}

// maxKey keeps group keys within what a database index takes; what is longer ends in a hash.
const maxKey = 500

func fit(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:maxKey-65], "") + "#" + hex.EncodeToString(sum[:])
}

func pick(labels map[string]string, names ...string) map[string]string {
	picked := map[string]string{}
	for _, name := range names {
		if v := labels[name]; v != "" {
			picked[name] = v
		}
	}
	return picked
}

// shareOf reads a share of the budget, "0.042" or "4.2%"; what is no such number, or negative, is unknown.
func shareOf(text string) *float64 {
	text = strings.TrimSpace(text)
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(share) || math.IsInf(share, 0) || share < 0 {
		return nil
	}
	if percent {
		share /= 100
	}
	return &share
}

// first returns the first of the named values that is not blank.
func first(values map[string]string, names ...string) string {
	for _, name := range names {
		if v := strings.TrimSpace(values[name]); v != "" {
			return v
		}
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// clip cuts a text to at most n characters, the last being an ellipsis where it was cut.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// webURL reports whether s is an absolute http or https URL that a person may be sent to.
func webURL(s string) bool {
	if len(s) > maxURL {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Joins reports whether the alert may join an open incident of its group whose latest alert came at that time.
func (s Signal) Joins(latest, now time.Time) bool {
	return s.GroupWindow == 0 || now.Sub(latest) <= s.GroupWindow
}

// ClosedGroup returns the group key that an open incident keeps for itself once its window is over, so that the next
// alert of the group opens another incident.
func ClosedGroup(key, id string) string { return fit(id + "/" + key) }

// PolicyOf returns who an incident goes to by the definitions in force: as an alert with its labels would.
func (r Router) PolicyOf(i Incident) Policy {
	facts := AlertFacts{Tenant: i.Tenant, Labels: i.Labels, StartsAt: i.StartedAt}
	p, _ := r.policy(facts, r.route(facts), i.SLO, i.Service)
	p.Support = r.Support[i.Service]
	return p
}
