package packs

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"gopkg.in/yaml.v3"
)

// Files are the pack's documents with values put in.
type Files struct {
	Service manifest.File // the service's own document, one for all packs of a service
	SLOs    manifest.File
}

// Files returns the documents with the values set, by parameter; what is not set has its default. Every value that does
// not do is named at once, as fault.Invalid. The SLOs have been read back: what comes out can be validated and applied.
func (p Pack) Files(set map[string]string) (Files, error) {
	values, err := p.values(set)
	if err != nil {
		return Files{}, err
	}
	service := values[ServiceParameter]
	var out Files
	if out.Service, err = p.render("service.yaml", service+".service.yaml", values); err != nil {
		return Files{}, err
	}
	if out.SLOs, err = p.render(p.Name+".slos.yaml", service+"."+p.Name+".yaml", values); err != nil {
		return Files{}, err
	}
	return out, p.readBack(out, values)
}

// values checks what is set and fills in the rest.
func (p Pack) values(set map[string]string) (map[string]string, error) {
	values := p.Defaults(set[ExporterParameter])
	problem := fault.New(fault.Invalid, "the pack %s cannot be made with these values", p.Name)
	refuse := func(name, format string, args ...any) {
		problem.Details = append(problem.Details, fault.Detail{Where: name, Message: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		q, known := p.parameter(name)
		if !known {
			refuse(clip(name), "is not a parameter of the pack %s; it has %s", p.Name, strings.Join(p.parameterNames(), ", "))
			continue
		}
		if e := values[ExporterParameter]; len(q.Needs) > 0 && !slices.Contains(q.Needs, e) {
			refuse(name, "is not used with the exporter %s; it goes with %s", e, strings.Join(q.Needs, ", "))
		}
		values[q.Name] = set[name]
	}
	for _, q := range p.Parameters {
		canonical, err := q.canonical(values[q.Name])
		if err != nil {
			refuse(q.Name, "%s", err)
		}
		values[q.Name] = canonical
	}
	if len(problem.Details) == 0 {
		for _, q := range p.Parameters {
			if !q.onBoundary(values) {
				refuse(q.Name, "%s is not a bucket boundary, so it could only be estimated; take one of %s, or set %s to what your histogram has",
					values[q.Name], values[q.Among], q.Among)
			}
		}
	}
	if len(problem.Details) > 0 {
		return nil, problem
	}
	return values, nil
}

// onBoundary reports whether a bound on a classic histogram is one of its bucket boundaries. A native one's are powers
// of two, which reading the document checks.
func (p Parameter) onBoundary(values map[string]string) bool {
	if p.Among == "" || values["native"] == "true" {
		return true
	}
	bound, _ := model.ParseDuration(values[p.Name])
	for _, text := range strings.Split(values[p.Among], ", ") {
		if d, _ := model.ParseDuration(text); d == bound {
			return true
		}
	}
	return false
}

func (p Pack) parameterNames() []string {
	var out []string
	for _, q := range p.Parameters {
		out = append(out, q.Name)
	}
	return out
}

// render executes one template. Its marks are <% and %>, since {{.window}} belongs to SLI queries.
func (p Pack) render(source, name string, values map[string]string) (manifest.File, error) {
	text, err := content.ReadFile("content/" + source)
	if err != nil {
		return manifest.File{}, err
	}
	t, err := template.New(source).Delims("<%", "%>").Funcs(p.functions(values)).Parse(string(text))
	if err != nil {
		return manifest.File{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, nil); err != nil {
		return manifest.File{}, err
	}
	return manifest.File{Name: name, Text: b.String()}, nil
}

// functions are all that templates can say. A value of kind match never comes out but as a whole quoted matcher; all
// other kinds are made of signs that mean nothing to YAML or PromQL.
func (p Pack) functions(values map[string]string) template.FuncMap {
	kind := func(name string) string { q, _ := p.parameter(name); return q.Kind }
	return template.FuncMap{
		"v": func(name string) (string, error) {
			if k := kind(name); k == "" || k == "match" {
				return "", fmt.Errorf("%s is of kind %q and cannot stand alone", name, k)
			}
			if kind(name) == "name" {
				return plain(values[name]), nil
			}
			return values[name], nil
		},
		"match": func(label, name string) (string, error) {
			if kind(name) != "match" || !labelPattern.MatchString(label) {
				return "", fmt.Errorf("%s is of kind %q and cannot match %q", name, kind(name), label)
			}
			m, err := matcher(label, values[name])
			if err != nil {
				return "", err
			}
			return quoted(m), nil
		},
		"seconds": func(name string) (string, error) {
			d, err := model.ParseDuration(values[name])
			return decimal(time.Duration(d).Seconds()), err
		},
		"is": func(name, value string) (bool, error) {
			if k := kind(name); k != "choice" && k != "switch" {
				return false, fmt.Errorf("%s is of kind %q and cannot be asked for", name, k)
			}
			return values[name] == value, nil
		},
	}
}

// plain writes a name for YAML, which would read one such as 12 or null as something else than text.
func plain(name string) string {
	var v any
	if err := yaml.Unmarshal([]byte(name), &v); err == nil && v == any(name) {
		return name
	}
	return `"` + name + `"`
}

// quoted writes a matcher so that it stays what it is inside a YAML block on one line: only printable ASCII, and
// no {{ which would begin a template.
func quoted(m *labels.Matcher) string {
	text := fmt.Sprintf("%+q", m.Value)
	return m.Name + m.Type.String() + strings.ReplaceAll(text, "{{", `{\x7b`)
}

// readBack reads the SLOs as nines validate will.
func (p Pack) readBack(f Files, values map[string]string) error {
	docs, problems := manifest.Read(f.SLOs)
	for _, d := range docs {
		_, more := slo.ReadSLO(d)
		problems = append(problems, more...)
	}
	if len(problems) == 0 {
		return nil
	}
	out := fault.New(fault.Invalid, "the pack %s cannot be made with these values: %s", p.Name, told(values, p.Defaults(values[ExporterParameter])))
	for _, q := range problems.Sorted() {
		out.Details = append(out.Details, fault.Detail{Where: q.Field, Message: q.Message})
	}
	return out
}

// told names the values that were set.
func told(values, defaults map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != defaults[name] {
			out = append(out, name+" "+clip(values[name]))
		}
	}
	if len(out) == 0 {
		return "the defaults"
	}
	return strings.Join(out, ", ")
}
