package runbooks

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// Kind is the kind of a runbook's definition: a Markdown file with front matter, or the same as a YAML document.
const Kind = "Runbook"

// Page is one runbook.
type Page struct {
	Name     string
	Title    string   // the front matter's, else the first heading, else the name
	Alerts   []string // names of the alerts (label alertname) that it is for
	Services []string // services whose alerts it is for where no alert names one
	Owner    string   // who keeps it right
	Reviewed string   // day on which it was last found right, 2006-01-02, or ""
	Text     string   // Markdown, without the front matter
	Steps    []Step   // in the order of the text
}

// Step returns the step of that name.
func (p Page) Step(name string) (Step, bool) {
	for _, s := range p.Steps {
		if s.Name == name {
			return s, true
		}
	}
	return Step{}, false
}

// spec is what a runbook's document holds.
type spec struct {
	Title    string   `yaml:"title"`
	Alerts   []string `yaml:"alerts"`
	Services []string `yaml:"services"`
	Owner    string   `yaml:"owner"`
	Reviewed string   `yaml:"reviewed"`
	Text     string   `yaml:"text"`
}

// Limits on a page, which keep one that is hostile from costing more than others.
const (
	maxSteps = 50
	maxTexts = 100 // alerts and services
)

// ReadPage reads a runbook's document. Problems name the line in the file, those of steps the line of their fence.
func ReadPage(d manifest.Document) (Page, manifest.Problems) {
	var s spec
	problems := d.DecodeSpec(&s)
	p := Page{Name: d.Metadata.Name, Title: s.Title, Alerts: s.Alerts, Services: s.Services, Owner: s.Owner, Reviewed: s.Reviewed, Text: s.Text}
	if strings.TrimSpace(p.Text) == "" {
		problems = append(problems, d.Problem("spec.text", "is empty; write below the front matter what to do"))
	}
	if p.Reviewed != "" {
		if _, err := time.Parse(time.DateOnly, p.Reviewed); err != nil {
			problems = append(problems, d.Problem("spec.reviewed", "%q is not a day such as 2026-07-01", p.Reviewed))
		}
	}
	for field, list := range map[string][]string{"spec.alerts": p.Alerts, "spec.services": p.Services} {
		if len(list) > maxTexts {
			problems = append(problems, d.Problem(field, "has %d entries; the limit is %d", len(list), maxTexts))
		}
	}
	if p.Title == "" {
		p.Title = firstHeading(p.Text, p.Name)
	}
	steps, stepProblems := ReadSteps(p.Text)
	for _, sp := range stepProblems {
		problems = append(problems, manifest.Problem{File: d.File, Line: d.LineOf("spec.text") + textOffset(d) + sp.Line, Field: "steps", Message: sp.Message})
	}
	p.Steps = steps
	return p, problems
}

// textOffset is 0 for Markdown files, whose text begins on the line that the document knows, and 1 for a literal block
// in YAML, which begins on the line after its field.
func textOffset(d manifest.Document) int {
	if strings.HasSuffix(d.File, manifest.MarkdownSuffix) {
		return -1
	}
	return 0
}

var headingLine = regexp.MustCompile(`(?m)^#\s+(.+?)\s*$`)

func firstHeading(text, otherwise string) string {
	if m := headingLine.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return otherwise
}

// parsePage reads a shipped page, which is Markdown with or without front matter.
func parsePage(file, text string) (Page, error) {
	if !strings.HasPrefix(text, "---\n") {
		text = "---\n{}\n---\n" + text
	}
	docs, problems := manifest.Read(manifest.File{Name: path.Base(file), Text: text})
	if err := problems.Err(); err != nil {
		return Page{}, err
	}
	if len(docs) != 1 {
		return Page{}, fmt.Errorf("%s holds %d documents", file, len(docs))
	}
	p, problems := ReadPage(docs[0])
	return p, problems.Err()
}
