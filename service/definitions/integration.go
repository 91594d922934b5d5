package definitions

import (
	"cmp"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// The types of integrations that need something of their own.
const (
	typeSNS        = "sns"
	typeTemplate   = "template"
	ReplySlack     = "slack"
	ReplyTwilio    = "twilio"
	ReplyPushover  = "pushover"
	ReplyPagerDuty = "pagerduty"
)

// The types of integrations, by what they bring: alerts, changes alone, which are the operator's, or replies to pages.
var (
	alertTypes  = []string{"events", "alertmanager", "grafana", typeSNS, "sentry", "datadog", "mail", "uptime", typeTemplate}
	changeTypes = []string{"changes", "github", "gitlab", "argocd", "launchdarkly"}
	replyTypes  = []string{ReplySlack, ReplyTwilio, ReplyPushover, ReplyPagerDuty}
)

// Bounds of an integration.
const (
	DefaultCallsPerMinute = 3000
	maxCallsPerMinute     = 60_000
	maxIntegrationLabels  = 32
	maxIntegrationLabel   = 1000 // characters of a value
)

// Integration is something that calls us at /hooks/{name}.
type Integration struct {
	Name           string
	Type           string
	Tenant         string // whose alerts and incidents it is about; "" is the operator's own, and all
	Service        string // of alerts and changes that name none
	Environment    string // of changes that name none
	Labels         map[string]string
	Policy         string // name of the escalation policy of its alerts, unless they name one; "" means as usual
	Secret         incidents.Secret
	Previous       incidents.Secret // good as well while the secret is changed
	CallsPerMinute int
	Options        IntegrationOptions
}

// Replies reports whether the integration takes replies to pages.
func (i Integration) Replies() bool { return slices.Contains(replyTypes, i.Type) }

// IntegrationOptions are what single types need.
type IntegrationOptions struct {
	Topic string        // sns: ARN of the topic
	Hold  time.Duration // alerts: how long one without an end stays; 0 means the usual time
	// RoutingKey is, for pagerduty, that of the Events integration whose service calls us: what it told is not told to it.
	RoutingKey incidents.Secret
	Endpoint   string           // pushover: of the API; "" is Pushover's own
	Mapping    *inbound.Mapping // template: how its JSON is read
}

type integrationSpec struct {
	Type           string            `yaml:"type"`
	Tenant         string            `yaml:"tenant"`
	Service        string            `yaml:"service"`
	Environment    string            `yaml:"environment"`
	Labels         map[string]string `yaml:"labels"`
	Policy         string            `yaml:"policy"`
	Secret         incidents.Secret  `yaml:"secret"`
	Previous       incidents.Secret  `yaml:"previousSecret"`
	CallsPerMinute int               `yaml:"callsPerMinute"`
	Options        struct {
		Topic      string              `yaml:"topic"`
		Hold       manifest.Duration   `yaml:"hold"`
		RoutingKey incidents.Secret    `yaml:"routingKey"`
		Endpoint   string              `yaml:"endpoint"`
		Mapping    inbound.MappingText `yaml:"mapping"`
	} `yaml:"options"`
}

// ReadIntegration reads an Integration document and names every problem in it with its line.
func ReadIntegration(d manifest.Document) (Integration, manifest.Problems) {
	r := integrationReader{doc: d}
	r.problems = d.DecodeSpec(&r.spec)
	s := r.spec
	r.known()
	r.secrets()
	r.labels()
	r.options()
	if s.CallsPerMinute < 0 || s.CallsPerMinute > maxCallsPerMinute {
		r.bad("spec.callsPerMinute", "is %d; write 1 to %d, or leave it out for %d",
			s.CallsPerMinute, maxCallsPerMinute, DefaultCallsPerMinute)
	}
	if s.Tenant != "" && slices.Contains(changeTypes, s.Type) {
		r.bad("spec.tenant", "is not for the type %s; changes belong to the operator", s.Type)
	}
	mapping := r.mapping()
	return Integration{
		Name: d.Metadata.Name, Type: s.Type, Tenant: s.Tenant, Service: s.Service, Environment: s.Environment, Labels: s.Labels,
		Policy: s.Policy, Secret: s.Secret, Previous: s.Previous, CallsPerMinute: cmp.Or(s.CallsPerMinute, DefaultCallsPerMinute),
		Options: IntegrationOptions{
			Topic: s.Options.Topic, Hold: s.Options.Hold.Std(), RoutingKey: s.Options.RoutingKey,
			Endpoint: s.Options.Endpoint, Mapping: mapping,
		},
	}, r.problems
}

type integrationReader struct {
	doc      manifest.Document
	spec     integrationSpec
	problems manifest.Problems
}

func (r *integrationReader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

func (r *integrationReader) known() {
	types := slices.Concat(alertTypes, changeTypes, replyTypes)
	switch {
	case r.spec.Type == "":
		r.bad("spec.type", "is missing; write one of %s", strings.Join(types, ", "))
	case !slices.Contains(types, r.spec.Type):
		r.bad("spec.type", "%q is not known; write one of %s", r.spec.Type, strings.Join(types, ", "))
	}
}

// secrets asks for a secret where anything rests on one: Amazon signs what SNS sends with keys of its own.
func (r *integrationReader) secrets() {
	none := incidents.Secret{}
	if r.spec.Secret != none || r.spec.Type != typeSNS {
		r.secret("spec.secret", r.spec.Secret)
	}
	for path, s := range map[string]incidents.Secret{
		"spec.previousSecret": r.spec.Previous, "spec.options.routingKey": r.spec.Options.RoutingKey,
	} {
		if s != none {
			r.secret(path, s)
		}
	}
}

func (r *integrationReader) secret(path string, s incidents.Secret) {
	if field, problem := s.Problem(); problem != "" {
		r.bad(path+field, "%s", problem)
	}
}

func (r *integrationReader) labels() {
	if n := len(r.spec.Labels); n > maxIntegrationLabels {
		r.bad("spec.labels", "are %d; the most is %d", n, maxIntegrationLabels)
	}
	for name, value := range r.spec.Labels {
		if !labelName.MatchString(name) {
			r.bad("spec.labels", "%q is not a label's name: letters, digits and underscores, not starting with a digit", name)
		}
		if n := utf8.RuneCountInString(value); n > maxIntegrationLabel {
			r.bad("spec.labels."+name, "has %d characters; the most is %d", n, maxIntegrationLabel)
		}
	}
}

// options refuses those of other types, which would have no effect.
func (r *integrationReader) options() {
	o, kind := r.spec.Options, r.spec.Type
	for _, given := range []struct {
		field string
		set   bool
		types []string
	}{
		{"topic", o.Topic != "", []string{typeSNS}},
		{"hold", o.Hold != 0, alertTypes},
		{"routingKey", o.RoutingKey != incidents.Secret{}, []string{ReplyPagerDuty}},
		{"endpoint", o.Endpoint != "", []string{ReplyPushover}},
		{"mapping", r.doc.Node("spec.options.mapping") != nil, []string{typeTemplate}},
	} {
		if given.set && !slices.Contains(given.types, kind) {
			r.bad("spec.options."+given.field, "has no effect on the type %s; it is for %s", kind, strings.Join(given.types, ", "))
		}
	}
	if kind == typeSNS && !strings.HasPrefix(o.Topic, "arn:") {
		r.bad("spec.options.topic", "is missing; write the ARN of the SNS topic, because everybody at Amazon may sign")
	}
}

// mapping reads how the JSON of a template is read, and names each field that is wrong.
func (r *integrationReader) mapping() *inbound.Mapping {
	const path = "spec.options.mapping"
	switch {
	case r.spec.Type != typeTemplate:
		return nil
	case r.doc.Node(path) == nil:
		r.bad(path, "is missing; say which fields of the JSON are the alert's key, summary and end")
		return nil
	}
	made, problems := inbound.NewMapping(r.spec.Options.Mapping)
	for _, p := range problems {
		r.bad(path+"."+p.Field, "%s", p.Message)
	}
	return made
}

var labelName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func (l *loader) addIntegration(d manifest.Document) manifest.Problems {
	i, problems := ReadIntegration(d)
	l.catalog.integrations[d.Metadata.Name] = i
	l.refer(d, reference{"spec.policy", KindPolicy, i.Policy})
	return problems
}

// Integration returns the integration of that name.
func (c *Catalog) Integration(name string) (Integration, bool) {
	i, ok := c.integrations[name]
	return i, ok
}

// Integrations returns every integration, ordered by name.
func (c *Catalog) Integrations() []Integration {
	return slices.SortedFunc(maps.Values(c.integrations), func(a, b Integration) int { return cmp.Compare(a.Name, b.Name) })
}

// Targets returns whom the escalation policies page, in no order, and as often as they do.
func (c *Catalog) Targets() iter.Seq[incidents.Target] {
	return targets(maps.Values(c.policies))
}

// TargetsOf returns whom the policies of a service and of its SLOs page; of slo.AllServices those of every service.
func (c *Catalog) TargetsOf(service string) iter.Seq[incidents.Target] {
	if service == slo.AllServices {
		return c.Targets()
	}
	names := map[string]bool{cmp.Or(c.services[service].Policy, DefaultPolicy): true}
	for _, v := range c.slos {
		if v.SLO.Service == service && v.SLO.Alerting.Policy != "" {
			names[v.SLO.Alerting.Policy] = true
		}
	}
	return targets(func(yield func(incidents.Policy) bool) {
		for name := range names {
			if !yield(c.policies[name]) {
				return
			}
		}
	})
}

func targets(policies iter.Seq[incidents.Policy]) iter.Seq[incidents.Target] {
	return func(yield func(incidents.Target) bool) {
		for p := range policies {
			for _, s := range p.Steps {
				for _, t := range s.Targets {
					if !yield(t) {
						return
					}
				}
			}
		}
	}
}
