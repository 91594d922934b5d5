package incidents

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/nines-sre/nines/internal/fault"
)

// Past is an incident that another tool has had: it is over, and kept for figures, searches and comparison.
type Past struct {
	Source         string     `json:"source"`              // the tool, such as "pagerduty"
	ID             string     `json:"id"`                  // what the tool calls it, up to 200 characters
	URL            string     `json:"url,omitempty"`       // where the tool shows it; "" for nowhere
	Title          string     `json:"title"`               // 1 to 300 characters
	Summary        string     `json:"summary,omitempty"`   // up to 10,000 characters
	Service        string     `json:"service,omitempty"`   // "" for none
	Severity       Severity   `json:"severity,omitempty"`  // error unless said
	StartedAt      *time.Time `json:"startedAt,omitempty"` // as OpenedAt unless said
	OpenedAt       time.Time  `json:"openedAt"`
	AcknowledgedAt *time.Time `json:"acknowledgedAt,omitempty"` // nil where nobody did, or the tool does not say
	AcknowledgedBy string     `json:"acknowledgedBy,omitempty"`
	ResolvedAt     time.Time  `json:"resolvedAt"`
	ResolvedBy     string     `json:"resolvedBy,omitempty"`
	Notes          []PastNote `json:"notes,omitempty"` // up to 100
}

// PastNote is what somebody wrote about it at the time.
type PastNote struct {
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"`
	Text string    `json:"text"` // 1 to 10,000 characters
}

// Bounds of what is taken over.
const (
	maxPastTitle = 300
	maxPastName  = 200
	maxPastNotes = 100
)

var pastSource = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// pastNamespace makes the same incident of the same tool the same incident here, however often it is told.
var pastNamespace = uuid.MustParse("6f2d3c51-7c8e-5b0a-9d47-2a1f4f0f9e11")

// Change returns the incident with its timeline, resolved and paging nobody. Its ID follows from Source, ID and the
// tenant. What cannot be is a fault.Invalid that names the field.
// importedPrefix begins the group of an incident that was taken over from another tool.
const importedPrefix = "past/"

func (p Past) Change(tenant string, by Actor, now time.Time) (Change, error) {
	p.Notes = slices.Clone(p.Notes)
	if err := p.check(now); err != nil {
		return Change{}, err
	}
	id := uuid.NewSHA1(pastNamespace, []byte(tenant+"\n"+p.Source+"\n"+p.ID)).String()
	i := Incident{
		ID: id, Tenant: tenant, GroupKey: importedPrefix + p.Source + "/" + p.ID, Title: p.Title, Summary: p.Summary,
		Severity: p.Severity, State: Resolved, Service: p.Service, StartedAt: p.OpenedAt, OpenedAt: p.OpenedAt,
		AcknowledgedAt: p.AcknowledgedAt, AcknowledgedBy: p.AcknowledgedBy, ResolvedAt: &p.ResolvedAt, ResolvedBy: p.ResolvedBy,
		UpdatedAt: now, Labels: map[string]string{"source": p.Source},
	}
	if i.Severity == "" {
		i.Severity = Error
	}
	if p.StartedAt != nil {
		i.StartedAt = *p.StartedAt
	}
	c := Change{Incident: i}
	c.past(p, by, now)
	return c, nil
}

// past writes the timeline: what the tool says at the times that it says, and that it was taken over.
func (c *Change) past(p Past, by Actor, now time.Time) {
	tool := Actor{ID: "import:" + p.Source, Name: p.Source}
	c.sayAs(tool, p.OpenedAt, EventOpened, fmt.Sprintf("Opened in %s as %s.", p.Source, p.ID))
	if p.AcknowledgedAt != nil {
		c.sayAs(tool.or(p.AcknowledgedBy), *p.AcknowledgedAt, EventAcknowledged, "Acknowledged in "+p.Source+".")
	}
	for _, n := range p.Notes {
		c.sayAs(tool.or(n.By), n.At, EventNote, n.Text)
	}
	c.sayAs(tool.or(p.ResolvedBy), p.ResolvedAt, EventResolved, "Resolved in "+p.Source+".")
	text := "Taken over from " + p.Source + "."
	if p.URL != "" {
		text = fmt.Sprintf("Taken over from %s: %s", p.Source, p.URL)
	}
	c.sayAs(by, now, EventNote, text)
}

// or names a person whom the tool names.
func (a Actor) or(name string) Actor {
	if name = strings.TrimSpace(name); name != "" {
		a.Name = name
	}
	return a
}

// check also takes out of texts what storage and people cannot do with.
func (p *Past) check(now time.Time) error {
	for _, t := range []struct {
		field       string
		value       *string
		least, most int
	}{
		{"id", &p.ID, 1, maxPastName}, {"title", &p.Title, 1, maxPastTitle}, {"summary", &p.Summary, 0, maxNote},
		{"service", &p.Service, 0, maxPastName}, {"acknowledgedBy", &p.AcknowledgedBy, 0, maxPastName},
		{"resolvedBy", &p.ResolvedBy, 0, maxPastName}, {"url", &p.URL, 0, maxURL},
	} {
		text, err := checkText(t.field, *t.value)
		if err != nil {
			return err
		}
		if n := utf8.RuneCountInString(text); n < t.least || n > t.most {
			return fault.New(fault.Invalid, "%s: has %d characters; write %d to %d", t.field, n, t.least, t.most)
		}
		*t.value = text
	}
	switch u, err := url.Parse(p.URL); {
	case !pastSource.MatchString(p.Source):
		return fault.New(fault.Invalid, "source: is not the name of a tool in small letters, such as pagerduty")
	case p.Severity != "" && !p.Severity.Valid():
		return fault.New(fault.Invalid, "severity: is not one of critical, error, warning, info")
	case p.URL != "" && (err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == ""):
		return fault.New(fault.Invalid, "url: is not an http or https URL")
	}
	return p.checkTimes(now)
}

func (p *Past) checkTimes(now time.Time) error {
	if p.OpenedAt.Year() < 2000 {
		return fault.New(fault.Invalid, "openedAt: is missing or before the year 2000")
	}
	if p.ResolvedAt.Before(p.OpenedAt) || p.ResolvedAt.After(now) {
		return fault.New(fault.Invalid, "resolvedAt: is not between openedAt and now; what is still open is not taken over")
	}
	if at := p.AcknowledgedAt; at != nil && (at.Before(p.OpenedAt) || at.After(p.ResolvedAt)) {
		return fault.New(fault.Invalid, "acknowledgedAt: is not between openedAt and resolvedAt")
	}
	if at := p.StartedAt; at != nil && (at.After(p.OpenedAt) || at.Year() < 2000) {
		return fault.New(fault.Invalid, "startedAt: is after openedAt or before the year 2000")
	}
	if len(p.Notes) > maxPastNotes {
		return fault.New(fault.Invalid, "notes: has %d; the most is %d", len(p.Notes), maxPastNotes)
	}
	for n, note := range p.Notes {
		text, err := checkText(fmt.Sprintf("notes.%d.text", n), note.Text)
		switch {
		case err != nil:
			return err
		case text == "":
			return fault.New(fault.Invalid, "notes.%d.text: is empty", n)
		case note.At.Year() < 2000 || note.At.After(now):
			return fault.New(fault.Invalid, "notes.%d.at: is missing, before the year 2000 or yet to come", n)
		}
		p.Notes[n].Text = text
	}
	return nil
}
