package incidents

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Markdown writes the postmortem with its action items as one document. It is the same, byte by byte, for the same
// version, state and items. Titles and names are escaped; people's Markdown stands as it is, but cannot end its section:
// its headings go below the section's, and code that was not closed is closed.
func (p Postmortem) Markdown(items []ActionItem) string {
	var b strings.Builder
	f := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	f("# Postmortem %d: %s\n", p.Number, escape(p.Title))
	f("| | |\n|---|---|")
	for _, row := range p.Facts() {
		f("| %s | %s |", row[0], escape(row[1]))
	}
	f("\nAll times are UTC.")
	for _, s := range p.Sections {
		f("\n## %s", escape(s.Title))
		for _, part := range s.Parts() {
			f("\n%s", part)
		}
	}
	f("\n## Action items\n")
	b.WriteString(p.itemsTable(items))
	return b.String()
}

// Facts are the rows of the postmortem's head: name and value, as plain text.
func (p Postmortem) Facts() [][2]string {
	rows := [][2]string{{"State", p.StateName()}, {"Version", fmt.Sprint(p.Version)}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, [2]string{name, value})
		}
	}
	for _, i := range p.Incidents {
		text := fmt.Sprintf("#%d %s, %s", i.Number, i.Title, i.Severity)
		if i.Service != "" {
			text += ", " + i.Service
		}
		add("Incident", text)
	}
	add("Tenant", p.Tenant)
	add("Author", p.Author)
	add("Owner", p.Owner)
	add("Drafted", stamp(p.CreatedAt))
	add("Due", stampOr(p.DueAt))
	if p.ReviewedAt != nil {
		add("Reviewed", strings.TrimSuffix(stamp(*p.ReviewedAt)+" by "+p.ReviewedBy, " by "))
	}
	return rows
}

// StateName is the state as a heading says it: "draft", "in review", "reviewed" or "closed".
func (p Postmortem) StateName() string { return strings.TrimPrefix(p.State.Words(), "a ") }

func stampOr(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

// Parts returns the Markdown that stands below the section's heading: people's words, or what they are asked for, and
// the figures with when they were filled in.
func (s Section) Parts() []string {
	var parts []string
	switch {
	case s.Filled():
		parts = append(parts, within(s.Text))
	case s.Prompt != "":
		parts = append(parts, "_"+escape(s.Prompt)+"_")
	}
	if s.Figures != "" {
		parts = append(parts, s.Figures)
		if s.FiguresAt != nil {
			parts = append(parts, "_From evidence, as of "+stamp(*s.FiguresAt)+"._")
		}
	}
	return parts
}

var (
	highHeading = regexp.MustCompile(`^ {0,3}#{1,2}(\s)`)
	underline   = regexp.MustCompile(`^ {0,3}(=+|-+)\s*$`)
)

// within keeps people's Markdown inside of its section.
func within(text string) string {
	lines := strings.Split(tidy(text), "\n")
	fenced := ""
	for n, line := range lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case fenced == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			fenced = trimmed[:3]
		case fenced != "" && strings.HasPrefix(trimmed, fenced):
			fenced = ""
		case fenced != "":
		case highHeading.MatchString(line):
			lines[n] = highHeading.ReplaceAllString(line, "###$1")
		case n > 0 && strings.TrimSpace(lines[n-1]) != "" && underline.MatchString(line):
			lines[n] = `\` + strings.TrimLeft(line, " ") // would make a heading of the line before
		}
	}
	if fenced != "" {
		lines = append(lines, fenced)
	}
	return strings.Join(lines, "\n")
}

func (p Postmortem) itemsTable(items []ActionItem) string {
	if len(items) == 0 {
		if p.NoneNeeded != "" {
			return "None needed, because: " + escape(p.NoneNeeded) + "\n"
		}
		return "None yet.\n"
	}
	var b strings.Builder
	b.WriteString("| Action | Kind | Owner | Due | State | Ticket |\n|---|---|---|---|---|---|\n")
	for _, a := range items {
		due, state := "–", string(a.State)
		if a.DueAt != nil {
			due = a.DueAt.UTC().Format(time.DateOnly)
		}
		if a.Reason != "" {
			state += ": " + a.Reason
		}
		ticket := a.TrackerKey
		if ticket == "" {
			ticket = a.TrackerURL
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", escape(a.Title), a.Kind, cell(a.Owner), due, escape(state), cell(ticket))
	}
	return b.String()
}

// Words is all that people and evidence say in the postmortem, for search.
func (p Postmortem) Words() string {
	var b strings.Builder
	for _, i := range p.Incidents {
		fmt.Fprintf(&b, "#%d %s %s\n", i.Number, i.Title, i.Service)
	}
	for _, s := range p.Sections {
		b.WriteString(s.Text + "\n" + s.Figures + "\n")
	}
	b.WriteString(p.NoneNeeded)
	text := b.String()
	return strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
}

// maxWords keeps what is searched within what PostgreSQL takes for one document, in bytes.
const maxWords = 500_000

// forTenants are the figures that a tenant may see: what happened to the service, not whom the operator paged and not
// what others went through.
var forTenants = map[Evidence]bool{EvidenceSummary: true, EvidenceDetection: true}

// ForTenant returns the postmortem as its tenant reads it: what people wrote and the figures about the service, without
// names of the operator's people, prompts, and sections that say nothing then.
func (p Postmortem) ForTenant() Postmortem {
	out := p
	out.Author, out.Owner, out.ReviewedBy, out.DueAt, out.Template = "", "", "", nil, ""
	out.Sections = []Section{}
	for _, s := range p.Sections {
		if s.Prompt = ""; !forTenants[s.Evidence] {
			s.Figures, s.FiguresAt = "", nil
		}
		if s.Filled() || s.Figures != "" {
			out.Sections = append(out.Sections, s)
		}
	}
	return out
}
