package incidents

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// PostmortemTemplateKind is the kind of documents that ReadPostmortemTemplate reads.
const PostmortemTemplateKind = "PostmortemTemplate"

// maxSections bounds a template.
const maxSections = 30

// PostmortemTemplate says which sections a postmortem has.
type PostmortemTemplate struct {
	Name     string            `json:"name"`
	Services []string          `json:"services"` // whose postmortems are drafted from it unless another is named
	Sections []TemplateSection `json:"sections"`
}

// TemplateSection is one section as the template asks for it.
type TemplateSection struct {
	Key      string   `json:"key" yaml:"key"`
	Title    string   `json:"title" yaml:"title"`
	Prompt   string   `json:"prompt" yaml:"prompt"`
	Required bool     `json:"required" yaml:"required"`
	Evidence Evidence `json:"evidence" yaml:"evidence"`
}

// DefaultTemplate is the template of postmortems that no other is defined for; one named "default" takes its place.
func DefaultTemplate() PostmortemTemplate {
	return PostmortemTemplate{Name: "default", Sections: []TemplateSection{
		{"summary", "Summary", "Say in two or three sentences what happened, for somebody who was not there.", true, EvidenceSummary},
		{"impact", "Impact", "Who was affected, and how did they notice?", false, EvidenceImpact},
		{"detection", "Detection and response", "Did the alert tell the right people soon enough, and what did they see first?", false, EvidenceDetection},
		{"people", "People", "Who took which role?", false, EvidencePeople},
		{"root-causes", "Root causes", "What had to be true for this to happen? Ask why until the answer is something we can change.", true, ""},
		{"trigger", "Trigger", "What set it off: a deployment, a configuration change, load, a dependency?", true, ""},
		{"resolution", "What was done", "What was tried, and what helped?", false, EvidenceDone},
		{"well", "What went well", "What helped us notice, understand or mend it sooner?", false, ""},
		{"wrong", "What went wrong", "What cost time or made it worse?", false, ""},
		{"lucky", "Where we got lucky", "What could easily have made this worse?", false, ""},
		{"timeline", "Timeline", "What is missing from what was recorded?", false, EvidenceTimeline},
	}}
}

// ReadPostmortemTemplate reads a PostmortemTemplate document and names every problem in it with its line.
func ReadPostmortemTemplate(d manifest.Document) (PostmortemTemplate, manifest.Problems) {
	var spec struct {
		Services []string          `yaml:"services"`
		Sections []TemplateSection `yaml:"sections"`
	}
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	t := PostmortemTemplate{Name: d.Metadata.Name, Services: spec.Services}
	if n := len(spec.Sections); n == 0 || n > maxSections {
		r.bad("spec.sections", "has %d sections; write 1 to %d", n, maxSections)
	}
	seen := map[string]int{}
	for i, s := range spec.Sections {
		if s.Key == "" {
			s.Key = keyOf(s.Title)
		}
		r.templateSection(fmt.Sprintf("spec.sections.%d", i), s)
		if first, again := seen[s.Key]; again {
			r.bad(fmt.Sprintf("spec.sections.%d", i), "has the key %q of section %d; give it another key", s.Key, first)
		}
		seen[s.Key] = i
		t.Sections = append(t.Sections, s)
	}
	return t, r.problems
}

var (
	sectionKey = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	notKey     = regexp.MustCompile(`[^a-z0-9]+`)
)

// keyOf makes a key of a title: "What went well" is what-went-well.
func keyOf(title string) string {
	key := strings.Trim(notKey.ReplaceAllString(strings.ToLower(title), "-"), "-")
	return strings.TrimRight(key[:min(len(key), 63)], "-")
}

func (r *policyReader) templateSection(path string, s TemplateSection) {
	switch {
	case strings.TrimSpace(s.Title) == "":
		r.bad(path+".title", "is missing; a section needs a heading")
	case len(s.Title) > 200 || strings.ContainsAny(s.Title, "\r\n"):
		r.bad(path+".title", "is longer than 200 characters or has several lines")
	case !sectionKey.MatchString(s.Key):
		r.bad(path+".key", "%q is not made of lower-case letters, digits and dashes", s.Key)
	}
	if len(s.Prompt) > 1000 {
		r.bad(path+".prompt", "is longer than 1000 characters")
	}
	if s.Evidence != "" && !slices.Contains(Evidences, s.Evidence) {
		r.bad(path+".evidence", "%q is not known; the figures are summary, impact, detection, people, timeline and done", s.Evidence)
	}
}

// about takes over what a postmortem is about: its incidents in order, its tenant and, where it has none, a title.
func (p *Postmortem) about(found []Found) error {
	if n := len(found); n == 0 || n > MaxReviewedIncidents {
		return fault.New(fault.Invalid, "incidents: names %d; a postmortem is about 1 to %d", n, MaxReviewedIncidents)
	}
	slices.SortFunc(found, func(a, b Found) int { return int(a.Incident.Number - b.Incident.Number) })
	p.Tenant = found[0].Incident.Tenant
	for n, f := range found {
		i := f.Incident
		if n > 0 && i.Number == found[n-1].Incident.Number {
			return fault.New(fault.Invalid, "incidents: #%d is named twice", i.Number)
		}
		if i.Tenant != p.Tenant {
			p.Tenant = "" // what several tenants are in belongs to the operator
		}
		p.Incidents = append(p.Incidents, ReviewedIncident{ID: i.ID, Number: i.Number, Tenant: i.Tenant, Title: i.Title, Service: i.Service, Severity: i.Severity})
	}
	if p.Title == "" {
		title := []rune(strings.Join(strings.Fields(found[0].Incident.Title), " "))
		p.Title = string(title[:min(len(title), MaxPostmortemTitle)])
	}
	if p.Title == "" {
		p.Title = fmt.Sprintf("Incident #%d", found[0].Incident.Number)
	}
	return nil
}
