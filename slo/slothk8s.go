package slo

import (
	"strconv"

	"github.com/nines-sre/nines/internal/manifest"
	sloth "github.com/slok/sloth/pkg/prometheus/api/v1"
	"gopkg.in/yaml.v3"
)

// What a PrometheusServiceLevel is called, the document that Sloth reads from Kubernetes.
const (
	ServiceLevelVersion = "sloth.slok.dev/v1"
	KindServiceLevel    = "PrometheusServiceLevel"
)

// serviceLevel is a whole PrometheusServiceLevel. Its fields are those of Sloth's own type, which cannot be decoded with
// the lines of its YAML and pulls in Kubernetes' machinery; a test holds the two together.
type serviceLevel struct {
	APIVersion string           `yaml:"apiVersion"`
	Kind       string           `yaml:"kind"`
	Metadata   yaml.Node        `yaml:"metadata"` // Kubernetes' business
	Spec       serviceLevelSpec `yaml:"spec"`
	Status     *yaml.Node       `yaml:"status,omitempty"` // of an object read back from a cluster
}

type serviceLevelSpec struct {
	Service string            `yaml:"service"`
	Labels  map[string]string `yaml:"labels,omitempty"`
	Plugins *slothPlugins     `yaml:"sloPlugins,omitempty"`
	SLOs    []serviceLevelSLO `yaml:"slos,omitempty"`
}

type serviceLevelSLO struct {
	Name        string               `yaml:"name"`
	Description string               `yaml:"description,omitempty"`
	Objective   float64              `yaml:"objective"`
	Labels      map[string]string    `yaml:"labels,omitempty"`
	SLI         serviceLevelSLI      `yaml:"sli"`
	Alerting    serviceLevelAlerting `yaml:"alerting"`
	Plugins     *slothPlugins        `yaml:"plugins,omitempty"`
}

type serviceLevelSLI struct {
	Raw    *serviceLevelRaw    `yaml:"raw,omitempty"`
	Events *serviceLevelEvents `yaml:"events,omitempty"`
	Plugin *sloth.SLIPlugin    `yaml:"plugin,omitempty"`
}

type serviceLevelRaw struct {
	ErrorRatioQuery string `yaml:"errorRatioQuery"`
}

type serviceLevelEvents struct {
	ErrorQuery string `yaml:"errorQuery"`
	TotalQuery string `yaml:"totalQuery"`
}

type serviceLevelAlerting struct {
	Name        string            `yaml:"name,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
	PageAlert   sloth.Alert       `yaml:"pageAlert,omitempty"`
	TicketAlert sloth.Alert       `yaml:"ticketAlert,omitempty"`
	// Files mix up Sloth's two spellings, one of Sloth's own examples among them. Sloth passes over the wrong one.
	WrongPage   *yaml.Node `yaml:"page_alert,omitempty"`
	WrongTicket *yaml.Node `yaml:"ticket_alert,omitempty"`
}

// serviceLevelWords is how the fields are spelled there.
var serviceLevelWords = slothWords{
	version: ServiceLevelVersion, at: "spec.", plugins: "sloPlugins", errors: "errorQuery", total: "totalQuery",
	ratio: "errorRatioQuery", page: "pageAlert", ticket: "ticketAlert",
}

// ReadServiceLevel reads a PrometheusServiceLevel as ReadSlothNoting reads a prometheus/v1 document. What stands in its
// metadata and status is Kubernetes' and is passed over.
func ReadServiceLevel(d manifest.Document) ([]SLO, Notes, manifest.Problems) {
	r := &slothReader{checker: checker{doc: d}, words: serviceLevelWords}
	switch {
	case d.APIVersion != ServiceLevelVersion:
		r.refuse("apiVersion", "%q is not %s", clip(d.APIVersion), ServiceLevelVersion)
	case d.Kind != KindServiceLevel:
		r.refuse("kind", "%q is not known; Sloth's kind is %s", clip(d.Kind), KindServiceLevel)
	case d.Node("spec") == nil:
		r.refuse("spec", "is missing")
	}
	if len(r.problems) > 0 {
		return nil, nil, r.problems
	}
	var whole serviceLevel
	r.decode(&whole)
	for i, s := range whole.Spec.SLOs {
		path := "spec.slos." + strconv.Itoa(i) + ".alerting."
		if s.Alerting.WrongPage != nil {
			r.note(false, path+"page_alert", "is passed over, as Sloth does; it is spelled pageAlert here")
		}
		if s.Alerting.WrongTicket != nil {
			r.note(false, path+"ticket_alert", "is passed over, as Sloth does; it is spelled ticketAlert here")
		}
	}
	return r.read(whole.Spec.sloth())
}

// sloth returns the same as a prometheus/v1 file.
func (f serviceLevelSpec) sloth() slothSpec {
	out := slothSpec{Service: f.Service, Labels: f.Labels, Plugins: f.Plugins}
	for _, s := range f.SLOs {
		one := slothSLO{Plugins: s.Plugins, SLO: sloth.SLO{
			Name: s.Name, Description: s.Description, Objective: s.Objective, Labels: s.Labels,
			SLI: sloth.SLI{Raw: (*sloth.SLIRaw)(s.SLI.Raw), Events: (*sloth.SLIEvents)(s.SLI.Events), Plugin: s.SLI.Plugin},
			Alerting: sloth.Alerting{
				Name: s.Alerting.Name, Labels: s.Alerting.Labels, Annotations: s.Alerting.Annotations,
				PageAlert: s.Alerting.PageAlert, TicketAlert: s.Alerting.TicketAlert,
			},
		}}
		out.SLOs = append(out.SLOs, one)
	}
	return out
}

// serviceLevelOf is the way back.
func serviceLevelOf(f slothSpec) serviceLevelSpec {
	out := serviceLevelSpec{Service: f.Service, Labels: f.Labels}
	for _, s := range f.SLOs {
		out.SLOs = append(out.SLOs, serviceLevelSLO{
			Name: s.Name, Description: s.Description, Objective: s.Objective, Labels: s.Labels,
			SLI: serviceLevelSLI{Raw: (*serviceLevelRaw)(s.SLI.Raw), Events: (*serviceLevelEvents)(s.SLI.Events), Plugin: s.SLI.Plugin},
			Alerting: serviceLevelAlerting{
				Name: s.Alerting.Name, Labels: s.Alerting.Labels, Annotations: s.Alerting.Annotations,
				PageAlert: s.Alerting.PageAlert, TicketAlert: s.Alerting.TicketAlert,
			},
		})
	}
	return out
}
