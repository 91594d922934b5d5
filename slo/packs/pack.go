package packs

import (
	"bytes"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// Pack is a set of promises about one technology.
type Pack struct {
	Name       string      `yaml:"name" json:"name"`
	Title      string      `yaml:"title" json:"title"`
	About      string      `yaml:"about" json:"about"`     // what it promises, in a sentence or two
	Runbook    string      `yaml:"runbook" json:"runbook"` // name of the runbook that ships with it
	SLOs       []string    `yaml:"slos" json:"slos"`       // the promises' names, whichever exporter
	Exporters  []Exporter  `yaml:"exporters" json:"exporters"`
	Parameters []Parameter `yaml:"parameters" json:"parameters"`
}

// Exporter is one way in which the technology is measured, with the values that its metric names give to parameters.
// A pack's first one is used unless another is asked for.
type Exporter struct {
	Name  string            `yaml:"name" json:"name"`
	About string            `yaml:"about" json:"about"` // which program and versions
	Set   map[string]string `yaml:"set" json:"set,omitempty"`
}

// Names of the parameters that every pack has, and that have flags of their own.
const (
	ServiceParameter   = "service"
	JobParameter       = "job"
	ExporterParameter  = "exporter"
	ObjectiveParameter = "objective"
	ThresholdParameter = "threshold"
)

func read(name string) (Pack, error) {
	text, err := content.ReadFile("content/" + name + ".pack.yaml")
	if err != nil {
		return Pack{}, err
	}
	var p Pack
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil {
		return Pack{}, err
	}
	if p.Name != name || len(p.Exporters) == 0 {
		return Pack{}, fmt.Errorf("it is named %q and has %d exporters", p.Name, len(p.Exporters))
	}
	p.Parameters = slices.Concat([]Parameter{p.exporterParameter()}, p.Parameters, []Parameter{window})
	return p, nil
}

// window is the same for every pack: people compare promises by the same period.
var window = Parameter{Name: "window", Kind: "duration", Default: "30d", About: "compliance window of every promise in the pack", Min: "1d", Max: "90d"}

func (p Pack) exporterParameter() Parameter {
	out := Parameter{Name: ExporterParameter, Kind: "choice", Default: p.Exporters[0].Name, About: "whose metric names are used"}
	for _, e := range p.Exporters {
		out.Options = append(out.Options, e.Name)
	}
	return out
}

func (p Pack) exporter(name string) Exporter {
	for _, e := range p.Exporters {
		if e.Name == name {
			return e
		}
	}
	return p.Exporters[0]
}

func (p Pack) parameter(name string) (Parameter, bool) {
	i := slices.IndexFunc(p.Parameters, func(q Parameter) bool { return q.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return p.Parameters[i], true
}

// Defaults returns the value that each parameter has with an exporter ("" for the first) when nothing is set.
func (p Pack) Defaults(exporter string) map[string]string {
	out := map[string]string{}
	for _, q := range p.Parameters {
		out[q.Name] = q.Default
	}
	e := p.exporter(exporter)
	for name, value := range e.Set {
		out[name] = value
	}
	out[ExporterParameter] = e.Name
	return out
}
