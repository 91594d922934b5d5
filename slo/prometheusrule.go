package slo

import (
	"bytes"
	"io"
	"regexp"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"gopkg.in/yaml.v3"
)

// PrometheusRuleVersion is the API of the Prometheus operator's rule objects.
const PrometheusRuleVersion = "monitoring.coreos.com/v1"

// ObjectMeta is what Kubernetes keeps an object under.
type ObjectMeta struct {
	Name        string            `yaml:"name"`
	Namespace   string            `yaml:"namespace,omitempty"` // "" is that of whoever applies it
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// lastApplied holds a whole other object; on this one it would be wrong.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

var kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// ReadObjectMeta returns the name, namespace, labels and annotations of a Kubernetes object. What else stands in its
// metadata belongs to the one object and is passed over.
func ReadObjectMeta(d manifest.Document) (ObjectMeta, manifest.Problems) {
	c := &checker{doc: d}
	var m ObjectMeta
	if n := d.Node("metadata"); n != nil {
		if err := n.Decode(&m); err != nil {
			c.refuse("metadata", "cannot be read: name and namespace are words, labels and annotations map words to words")
			return m, c.problems
		}
	}
	switch {
	case m.Name == "":
		c.refuse("metadata.name", "is missing; the PrometheusRule is named after it")
	case !kubernetesName.MatchString(m.Name):
		c.refuse("metadata.name", "%q is not a name that Kubernetes takes; use lower-case letters, digits, dots and dashes, at most 253", clip(m.Name))
	}
	if m.Namespace != "" && !nativeName.MatchString(m.Namespace) {
		c.refuse("metadata.namespace", "%q is not a namespace; use lower-case letters, digits and dashes, at most 63", clip(m.Namespace))
	}
	delete(m.Annotations, lastApplied)
	return m, c.problems
}

// ObjectName returns the name of an SLO's own object: its id, as far as Kubernetes takes it.
func (s SLO) ObjectName() string { return objectName(s.ID) }

// WritePrometheusRule writes the rules of the SLOs as one PrometheusRule object; errors are those of WriteRules. The
// first write is "---", so that objects may follow one another.
func WritePrometheusRule(to io.Writer, meta ObjectMeta, slos []SLO, o RuleOptions) error {
	if !kubernetesName.MatchString(meta.Name) {
		return fault.New(fault.Invalid, "%q is not a name that Kubernetes takes; use lower-case letters, digits, dots and dashes, at most 253", clip(meta.Name))
	}
	var head bytes.Buffer
	enc := yaml.NewEncoder(&head)
	enc.SetIndent(2)
	err := enc.Encode(struct {
		APIVersion string     `yaml:"apiVersion"`
		Kind       string     `yaml:"kind"`
		Metadata   ObjectMeta `yaml:"metadata"`
	}{PrometheusRuleVersion, "PrometheusRule", meta})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "write the metadata of %s", meta.Name)
	}
	if _, err := to.Write(append(append([]byte("---\n"), head.Bytes()...), "spec:\n"...)); err != nil {
		return err
	}
	return WriteRules(&indented{to: to, start: true}, slos, o)
}

// indented writes every line that is not empty two columns deeper. Rule documents hold nothing that minds: PromQL stands
// in blocks whose depth is taken from their first line, and quoted text is on one line.
type indented struct {
	to    io.Writer
	b     []byte
	start bool // of a line
}

func (w *indented) Write(text []byte) (int, error) {
	w.b = w.b[:0]
	for rest := text; len(rest) > 0; {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line = rest[:end+1]
		}
		if w.start && line[0] != '\n' {
			w.b = append(w.b, "  "...)
		}
		w.b = append(w.b, line...)
		w.start = line[len(line)-1] == '\n'
		rest = rest[len(line):]
	}
	if _, err := w.to.Write(w.b); err != nil {
		return 0, err
	}
	return len(text), nil
}
