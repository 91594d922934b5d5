package incidents

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DraftPostmortem drafts the review of an incident as Markdown: what can be known is filled in, what people must find out
// has its section. All times are UTC. Texts of people and alerts are escaped, so that they cannot change the document.
// impact is what the ledger counted; the zero Impact makes the draft say that nothing is known.
func DraftPostmortem(i Incident, events []Event, attempts []Attempt, impact Impact, now time.Time) string {
	d := draft{i: i, events: inOrder(events), attempts: attempts, impact: impact, now: now}
	d.heading()
	d.summary()
	d.impactSection()
	d.detection()
	d.people()
	d.timeline()
	d.done()
	d.toFillIn()
	return d.String()
}

// draft is a postmortem under way.
type draft struct {
	strings.Builder
	i        Incident
	events   []Event
	attempts []Attempt
	impact   Impact
	kept     []Exhibit
	now      time.Time
}

func inOrder(events []Event) []Event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return sorted
}

func (d *draft) f(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *draft) section(title string) { d.f("\n## %s\n", title) }

func (d *draft) heading() {
	i := d.i
	d.f("# Postmortem: #%d %s\n", i.Number, escape(i.Title))
	d.f("| | |\n|---|---|")
	d.f("| Status | Draft |")
	d.f("| Severity | %s |", i.Severity)
	d.row("Service", i.Service)
	d.row("SLO", i.SLO)
	d.row("Tenant", i.Tenant)
	d.f("| Started | %s |", stamp(i.StartedAt))
	d.f("| Opened | %s |", stamp(i.OpenedAt))
	d.f("| Acknowledged | %s |", whoWhen(i.AcknowledgedBy, i.AcknowledgedAt, "never"))
	d.f("| Resolved | %s |", whoWhen(i.ResolvedBy, i.ResolvedAt, "not yet"))
	if r := d.i.PostmortemRequired; r != nil {
		d.row("Required", "since "+stamp(r.At)+": "+r.Reason)
	}
	d.f("| Authors | |")
	d.f("| Drafted | %s |", stamp(d.now))
	d.f("\nAll times are UTC.")
}

func (d *draft) row(name, value string) {
	if value != "" {
		d.f("| %s | %s |", name, escape(value))
	}
}

func whoWhen(who string, at *time.Time, never string) string {
	if at == nil {
		return never
	}
	return stamp(*at) + " by " + escape(who)
}

func (d *draft) summary() {
	d.section("Summary")
	subject := "The service"
	if d.i.Service != "" {
		subject = escape(d.i.Service)
	}
	when := fmt.Sprintf("has been in trouble since %s (%s so far)", stamp(d.i.StartedAt), span(d.now.Sub(d.i.StartedAt)))
	if d.i.ResolvedAt != nil {
		when = fmt.Sprintf("was in trouble from %s until %s (%s)", stamp(d.i.StartedAt), stamp(*d.i.ResolvedAt), span(d.i.ResolvedAt.Sub(d.i.StartedAt)))
	}
	d.f("%s %s.%s", subject, when, d.harmInWords())
	if d.i.Summary != "" {
		d.f("\nThe alert said: %s", escape(d.i.Summary))
	}
}

func (d *draft) harmInWords() string {
	words := ""
	if d.impact.Known() && d.impact.Total() > 0 {
		words = fmt.Sprintf(" %s of %s requests failed (%s).", whole(d.impact.Errors()), whole(d.impact.Total()), share(d.impact.Errors()/d.impact.Total()))
	}
	if spent := d.budget(); spent != nil {
		words += fmt.Sprintf(" That is %s of the error budget.", share(*spent))
	}
	return words
}

// budget is the ledger's share where it is known, else what the alerts said last.
func (d *draft) budget() *float64 {
	if d.impact.BudgetShare != nil {
		return d.impact.BudgetShare
	}
	return d.i.BudgetSpent
}

func (d *draft) impactSection() {
	d.section("Impact")
	m := d.impact
	if !m.Known() {
		d.f("The ledger has no numbers for this incident. Say here who was affected, how, and for how long.")
		d.unknown()
		d.exhibits()
		return
	}
	d.f("Counted by the ledger from %s to %s.\n", stamp(m.From), stamp(m.To))
	d.f("- Requests failed: %s of %s", whole(m.Errors()), whole(m.Total()))
	d.f("- Below the objective%s: %s", objective(m.Objective), minutes(m.BadMinutes))
	d.f("- Error budget spent: %s", shareOrUnknown(d.budget()))
	d.f("- Seen by the ledger: %s of the time", share(m.Coverage))
	if m.Version > 0 {
		d.f("- Version of the SLO's definition: %d", m.Version)
	}
	d.harms()
	d.unknown()
	d.exhibits()
}

// exhibits says what was kept at the time. What log lines and traces tell stays with the incident, because a postmortem may
// be published to who must not read them.
func (d *draft) exhibits() {
	if len(d.kept) == 0 {
		return
	}
	d.f("\nKept with the incident at the time:\n")
	for _, e := range d.kept {
		what := string(e.Kind)
		if e.Subject != "" {
			what = "promise " + escape(e.Subject)
		}
		budget := ""
		if e.Content.Budget != nil {
			budget = fmt.Sprintf(" %s of the error budget was left.", share(*e.Content.Budget))
		}
		d.f("- When it was %s, %s: %s%s", e.Moment, what, escape(e.Says()), budget)
	}
}

func (d *draft) harms() {
	if len(d.impact.Counts) == 0 {
		return
	}
	rows := slices.Clone(d.impact.Counts)
	slices.SortFunc(rows, func(a, b Harm) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Region, b.Region))
	})
	d.f("\n| Tenant | Region | Failed | Requests | Share |\n|---|---|--:|--:|--:|")
	for _, h := range rows {
		part := "–"
		if h.Total > 0 {
			part = share(h.Errors / h.Total)
		}
		d.f("| %s | %s | %s | %s | %s |", cell(h.Tenant), cell(h.Region), whole(h.Errors), whole(h.Total), part)
	}
}

// unknown says what the numbers leave out, so that nobody reads them as more than they are.
func (d *draft) unknown() {
	gaps := slices.Clone(d.impact.Unknown)
	if d.impact.Known() && !d.impact.Complete {
		gaps = append(gaps, "The ledger has not closed the whole span yet; the numbers may still rise.")
	}
	if d.impact.Known() && d.impact.Coverage < 0.9995 {
		gaps = append(gaps, fmt.Sprintf("Nothing was seen for %s of the span; gaps count neither as good nor as bad.", share(1-d.impact.Coverage)))
	}
	if len(gaps) == 0 {
		return
	}
	d.f("\nNot known:\n")
	for _, gap := range gaps {
		d.f("- %s", escape(gap))
	}
}

func (d *draft) detection() {
	d.section("Detection and response")
	d.f("| From | To | Took |\n|---|---|--:|")
	i := d.i
	d.f("| start | opened | %s |", span(i.OpenedAt.Sub(i.StartedAt)))
	d.f("| opened | first page sent | %s |", since(i.OpenedAt, d.firstSent(), "nobody was paged"))
	d.f("| opened | acknowledged | %s |", since(i.OpenedAt, i.AcknowledgedAt, "never"))
	d.f("| opened | resolved | %s |", since(i.OpenedAt, i.ResolvedAt, "not yet"))
	d.f("| start | resolved | %s |", since(i.StartedAt, i.ResolvedAt, "not yet"))
}

// firstSent is when a provider first took a page. Triggers come before all other pages, so the first one sent is one.
func (d *draft) firstSent() *time.Time {
	var earliest *time.Time
	for _, a := range d.attempts {
		if at := a.StartedAt.Add(a.Took); a.Outcome == OutcomeSent && (earliest == nil || at.Before(*earliest)) {
			earliest = &at
		}
	}
	if earliest != nil {
		return earliest
	}
	for _, e := range d.events {
		if e.Kind == EventPageSent {
			return &e.At
		}
	}
	return nil
}

func (d *draft) people() {
	d.section("People")
	paged := 0
	for _, e := range d.events {
		if e.Kind == EventEscalated || e.Kind == EventNobody || e.Kind == EventExhausted {
			d.f("- %s %s", stamp(e.At), escape(e.Text))
			paged++
		}
	}
	if paged == 0 {
		d.f("- Nobody was paged.")
	}
	if n := len(d.attempts); n > 0 {
		d.f("- %s at sending pages: %s.", count(n, "attempt"), outcomes(d.attempts))
	}
	d.f("- Acknowledged: %s", whoWhen(d.i.AcknowledgedBy, d.i.AcknowledgedAt, "never"))
	if others := d.responders(); len(others) > 0 {
		d.f("- Took part: %s", strings.Join(others, ", "))
	}
}

// responders are the people in the timeline, in order of appearance.
func (d *draft) responders() []string {
	var names []string
	for _, e := range d.events {
		if name := escape(e.Name); byPerson(e) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func byPerson(e Event) bool { return e.Actor != "" && !strings.HasPrefix(e.Actor, "system:") }

func outcomes(attempts []Attempt) string {
	counts := map[string]int{}
	for _, a := range attempts {
		counts[a.Outcome]++
	}
	var parts []string
	for _, o := range []struct{ outcome, words string }{
		{OutcomeSent, "sent"}, {OutcomeRetry, "to be tried again"}, {OutcomeFailed, "failed for good"},
		{OutcomeCanceled, "no longer needed"}, {"", "without a known end"},
	} {
		if n := counts[o.outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.words))
		}
	}
	return strings.Join(parts, ", ")
}

func (d *draft) timeline() {
	d.section("Timeline")
	d.f("| When | What | Who |\n|---|---|---|")
	d.f("| %s | First alert began to fire | |", stamp(d.i.StartedAt))
	for _, e := range d.events {
		d.f("| %s | %s | %s |", stamp(e.At), escape(e.Text), escape(e.Name))
	}
}

func (d *draft) done() {
	d.section("What was done")
	n := 0
	for _, e := range d.events {
		if byPerson(e) && (e.Kind == EventNote || e.Kind == EventResolved) {
			d.f("- %s %s: %s", stamp(e.At), escape(e.Name), escape(e.Text))
			n++
		}
	}
	if n == 0 {
		d.f("Nobody left a note. Say here what was tried and what helped.")
	}
}

func (d *draft) toFillIn() {
	for _, s := range []struct{ title, ask string }{
		{"Root causes", "What had to be true for this to happen? Ask why until the answer is something we can change."},
		{"Trigger", "What set it off: a deployment, a configuration change, load, a dependency?"},
		{"What went well", "What helped us notice, understand or mend it sooner?"},
		{"What went wrong", "What cost time or made it worse?"},
		{"Where we got lucky", "What could easily have made this worse?"},
	} {
		d.section(s.title)
		d.f("_%s_", s.ask)
	}
	d.section("Action items")
	d.f("| Action | Kind (prevent, detect, mitigate, process) | Owner | Due | Ticket |\n|---|---|---|---|---|\n| | | | | |")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func since(from time.Time, to *time.Time, never string) string {
	if to == nil {
		return never
	}
	return span(to.Sub(from))
}

func cell(s string) string {
	if s == "" {
		return "–"
	}
	return escape(s)
}

func objective(o float64) string {
	if o == 0 {
		return ""
	}
	return fmt.Sprintf(" of %s %%", strconv.FormatFloat(o, 'f', -1, 64))
}

func minutes(m *float64) string {
	if m == nil {
		return "unknown"
	}
	return strconv.FormatFloat(math.Round(*m*10)/10, 'f', -1, 64) + " min"
}

func shareOrUnknown(s *float64) string {
	if s == nil {
		return "unknown"
	}
	return share(*s)
}

// share writes a share as per cent with two decimals, and what is not zero never as zero.
func share(s float64) string {
	if s > 0 && s < 0.00005 {
		return "under 0.01 %"
	}
	return strconv.FormatFloat(s*100, 'f', 2, 64) + " %"
}

// whole writes a count with its thousands apart; a count that is none keeps one decimal.
func whole(n float64) string {
	decimals := 0
	if n != float64(int64(n)) {
		decimals = 1
	}
	digits, rest, _ := strings.Cut(strconv.FormatFloat(n, 'f', decimals, 64), ".")
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	if rest != "" {
		return digits + "." + rest
	}
	return digits
}
