package incidents

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Evidence names figures that are filled into a postmortem's section from what was recorded.
type Evidence string

// The figures there are.
const (
	EvidenceSummary   Evidence = "summary"   // what was in trouble, how long, how many requests failed
	EvidenceImpact    Evidence = "impact"    // what the ledger counted, by tenant and region
	EvidenceDetection Evidence = "detection" // how long each part of the response took
	EvidencePeople    Evidence = "people"    // who was paged and who took part
	EvidenceTimeline  Evidence = "timeline"  // every entry
	EvidenceDone      Evidence = "done"      // what people noted while they worked
)

// Evidences are the figures there are.
var Evidences = []Evidence{EvidenceSummary, EvidenceImpact, EvidenceDetection, EvidencePeople, EvidenceTimeline, EvidenceDone}

// Found is all that was recorded about one incident.
type Found struct {
	Incident Incident
	Events   []Event
	Attempts []Attempt
	Impact   Impact // the zero Impact makes the figures say that nothing is known
	Kept     []Exhibit
}

// Refresh returns the postmortem with its figures filled in anew from what was found, one entry an incident; people's
// words stay as they are, byte by byte. changed says whether any figure did; then the version is raised.
func (p Postmortem) Refresh(found []Found, now time.Time) (out Postmortem, changed bool) {
	p.Sections = slices.Clone(p.Sections)
	for n := range p.Sections {
		s := &p.Sections[n]
		if s.Evidence == "" {
			continue
		}
		figures := EvidenceText(s.Evidence, found, now)
		if figures == s.Figures && s.FiguresAt != nil {
			continue
		}
		s.Figures, s.FiguresAt, changed = figures, &now, true
	}
	if changed {
		p.Version, p.UpdatedAt = p.Version+1, now
	}
	return p, changed
}

// EvidenceText writes one kind of figures as Markdown; texts of people and alerts are escaped. With several incidents each
// has its own part, headed by its number.
func EvidenceText(kind Evidence, found []Found, now time.Time) string {
	var parts []string
	for _, f := range found {
		text := figuresOf(kind, f, now)
		if len(found) > 1 {
			text = fmt.Sprintf("**Incident #%d %s**\n\n%s", f.Incident.Number, escape(f.Incident.Title), text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n\n")
}

func figuresOf(kind Evidence, f Found, now time.Time) string {
	d := &draft{i: f.Incident, events: inOrder(f.Events), attempts: f.Attempts, impact: f.Impact, kept: f.Kept, now: now}
	switch kind {
	case EvidenceSummary:
		d.summary()
	case EvidenceImpact:
		d.impactSection()
	case EvidenceDetection:
		d.detection()
	case EvidencePeople:
		d.people()
	case EvidenceTimeline:
		d.timeline()
	case EvidenceDone:
		d.done()
	}
	_, text, _ := strings.Cut(strings.TrimLeft(d.String(), "\n"), "\n") // the section has a heading of its own
	return strings.Trim(text, "\n")
}

// NewPostmortem drafts a postmortem of the incidents found from a template; who drafts it is its author, and its owner
// unless the duty names somebody else. Figures are filled in. No incident, or too many, is a fault.Invalid.
func NewPostmortem(t PostmortemTemplate, found []Found, author, owner string, now time.Time) (Postmortem, error) {
	p := Postmortem{State: ReviewDraft, Template: t.Name, Author: author, Owner: owner, Version: 1, CreatedAt: now, UpdatedAt: now}
	if err := p.about(found); err != nil {
		return p, err
	}
	for _, s := range t.Sections {
		p.Sections = append(p.Sections, Section{Key: s.Key, Title: s.Title, Prompt: s.Prompt, Required: s.Required, Evidence: s.Evidence})
	}
	p, _ = p.Refresh(found, now)
	p.Version = 1
	return p, p.Check()
}
