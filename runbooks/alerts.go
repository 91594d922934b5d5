package runbooks

import (
	"bytes"
	_ "embed"
	"fmt"

	"gopkg.in/yaml.v3"
)

//go:embed alerts.yaml
var alerts []byte

// ruleFile is a Prometheus rule file, in the order of fields in which people write them.
type ruleFile struct {
	Groups []ruleGroup `yaml:"groups"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval,omitempty"`
	Rules    []rule `yaml:"rules"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Alerts returns the Prometheus rule file of the alerts about Nines itself. Each names its runbook in the annotation
// "runbook"; where url is given it makes of that name the annotation "runbook_url", which is what pages link to.
func Alerts(url func(name string) string) []byte {
	file, err := readAlerts()
	if err != nil {
		panic(fmt.Sprintf("runbooks: alerts.yaml cannot be read: %v", err)) // only a broken build
	}
	if url != nil {
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				r.Annotations["runbook_url"] = url(r.Annotations["runbook"])
			}
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(file); err != nil {
		panic(fmt.Sprintf("runbooks: alerts.yaml cannot be written: %v", err)) // what was read can be written
	}
	return b.Bytes()
}

func readAlerts() (ruleFile, error) {
	var file ruleFile
	dec := yaml.NewDecoder(bytes.NewReader(alerts))
	dec.KnownFields(true)
	err := dec.Decode(&file)
	return file, err
}
