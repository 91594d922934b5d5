package dashboards

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nines-sre/nines/internal/promguard"
)

// ownDatasource is the variable by which people choose where the data comes from.
const ownDatasource = "${datasource}"

// Check returns every problem of the dashboard together: queries that are not PromQL, variables that do not exist,
// panels without a title, with the same id or over one another, data from anywhere but the chosen source.
func (d Dashboard) Check() error {
	var problems []error
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(d.Name+": "+format, args...))
	}
	if d.UID == "" || d.Title == "" || d.model.SchemaVersion < 39 {
		add("uid, title or schemaVersion 39 is missing")
	}
	for _, query := range d.Queries() {
		if strings.Contains(query, "$") && !strings.Contains(query, `"$1"`) { // $1 belongs to label_replace
			add("a variable is not known in: %s", query)
		}
		if _, err := promguard.Parse(query); err != nil {
			add("%q: %w", query, err)
		}
	}
	d.checkPanels(add)
	d.checkSources(add)
	return errors.Join(problems...)
}

func (d Dashboard) checkPanels(add func(string, ...any)) {
	ids := map[int]string{}
	taken := map[[2]int]string{}
	for _, p := range d.model.Panels {
		if p.Title == "" {
			add("panel %d has no title", p.ID)
		}
		if other, again := ids[p.ID]; again {
			add("panels %q and %q have the same id", other, p.Title)
		}
		ids[p.ID] = p.Title
		if len(p.Targets) == 0 && p.Type != "row" {
			add("panel %q asks nothing", p.Title)
		}
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			add("panel %q does not fit the 24 columns", p.Title)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, full := taken[[2]int{x, y}]; full && other != p.Title {
					add("panel %q lies over %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

func (d Dashboard) checkSources(add func(string, ...any)) {
	chosen := func(what string, s *datasource) {
		if s == nil || s.Type != "prometheus" || s.UID != ownDatasource {
			add("%s does not take its data from %s", what, ownDatasource)
		}
	}
	for _, p := range d.model.Panels {
		if p.Type == "row" {
			continue
		}
		chosen("panel "+p.Title, p.Datasource)
		for _, t := range p.Targets {
			chosen("panel "+p.Title+", query "+t.RefID, t.Datasource)
		}
	}
	for _, v := range d.model.Templating.List {
		if v.Type == "query" {
			chosen("variable "+v.Name, v.Datasource)
		}
	}
}
