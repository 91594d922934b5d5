// Package dashboards holds the Grafana dashboards that ship, and the code that reads and checks them. It leaves out
// Grafana: import the JSON files there, or serve them from a provisioning folder.
package dashboards

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

//go:embed *.json
var files embed.FS

// Dashboard is one Grafana dashboard.
type Dashboard struct {
	Name  string // of its file, without .json
	UID   string // Grafana's identity of it, stable over versions
	Title string
	JSON  []byte

	model model
}

// model is the part of Grafana's dashboard model that we look at.
type model struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int         `json:"id"`
	Type       string      `json:"type"`
	Title      string      `json:"title"`
	Datasource *datasource `json:"datasource"`
	Targets    []target    `json:"targets"`
	GridPos    struct{ X, Y, W, H int }
}

type target struct {
	RefID      string      `json:"refId"`
	Datasource *datasource `json:"datasource"`
	Expr       string      `json:"expr"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Datasource *datasource     `json:"datasource"`
	Definition string          `json:"definition"`
	AllValue   string          `json:"allValue"`
	Current    json.RawMessage `json:"current"`
}

// All returns every dashboard, ordered by name.
func All() []Dashboard {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("dashboards: the embedded folder cannot be read: %v", err)) // only a broken build
	}
	out := make([]Dashboard, 0, len(entries))
	for _, e := range entries {
		raw, err := files.ReadFile(e.Name())
		if err != nil {
			panic(fmt.Sprintf("dashboards: %s cannot be read: %v", e.Name(), err))
		}
		d := Dashboard{Name: strings.TrimSuffix(e.Name(), ".json"), JSON: raw}
		if err := json.Unmarshal(raw, &d.model); err != nil {
			panic(fmt.Sprintf("dashboards: %s is not a dashboard: %v", e.Name(), err))
		}
		d.UID, d.Title = d.model.UID, d.model.Title
		out = append(out, d)
	}
	return out
}

// Queries returns every panel's PromQL in order, and then what the variables are filled by, with the variables replaced
// by what a newcomer sees first: their current value, or everything. Each can be asked of an engine as it is.
func (d Dashboard) Queries() []string {
	var out []string
	for _, p := range d.model.Panels {
		for _, t := range p.Targets {
			out = append(out, d.fill(t.Expr))
		}
	}
	for _, v := range d.model.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			out = append(out, d.fill(m[1]))
		}
	}
	return out
}

// labelValues is how a variable asks for the values of a label: label_values(series, label).
var labelValues = regexp.MustCompile(`^label_values\((.+),\s*[a-zA-Z_]\w*\)$`)

// builtIn are Grafana's own variables, with values of a six-hour view.
var builtIn = map[string]string{
	"__rate_interval": "5m", "__interval": "1m", "__interval_ms": "60000", "__range": "6h", "__range_s": "21600",
}

var reference = regexp.MustCompile(`\$(\w+)|\$\{(\w+)(?::\w+)?\}`)

// fill replaces the variables in a query. One that is not known stays, for the check to find.
func (d Dashboard) fill(query string) string {
	return reference.ReplaceAllStringFunc(query, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		name := m[1] + m[2]
		if value, ok := builtIn[name]; ok {
			return value
		}
		for _, v := range d.model.Templating.List {
			if v.Name == name && v.Type != "datasource" {
				return v.value()
			}
		}
		return ref
	})
}

// value is what the variable stands for when the dashboard is opened.
func (v variable) value() string {
	var current struct {
		Value any `json:"value"`
	}
	if err := json.Unmarshal(v.Current, &current); err != nil {
		return ".*"
	}
	if value, ok := current.Value.(string); ok && value != "$__all" {
		return value
	}
	if v.AllValue != "" {
		return v.AllValue
	}
	return ".*"
}
