package incidents

import (
	"fmt"
	"strings"
	"time"
)

// Reminding words the reminders about postmortems and action items.
type Reminding struct {
	BaseURL string // of our UI, without a slash at its end; "" leaves links out
}

// Duty words a reminder of a review: one line and a text, in plain words.
func (r Reminding) Duty(d Duty, now time.Time) (subject, text string) {
	what := fmt.Sprintf("The postmortem of incident #%d (%s)", d.Incident.Number, line(d.Incident.Title))
	link, stage := fmt.Sprintf("/incidents/%d", d.Incident.Number), "Nobody has begun to write it."
	if d.Postmortem > 0 {
		link, stage = fmt.Sprintf("/postmortems/%d", d.Postmortem), "It is "+d.State.Words()+"."
	}
	owner := ""
	if d.Owner != "" {
		owner = " Its owner is " + line(d.Owner) + "."
	}
	return "Postmortem of #" + fmt.Sprint(d.Incident.Number) + " " + whenDue(d.DueAt, now),
		fmt.Sprintf("%s %s. %s%s It is asked for because %s.%s", what, whenDue(d.DueAt, now), stage, owner, line(d.Reason), r.link(link))
}

// Action words a reminder of an action item. The item has a due time.
func (r Reminding) Action(a ActionItem, now time.Time) (subject, text string) {
	when := whenDue(*a.DueAt, now)
	return fmt.Sprintf("Action item %d %s", a.Number, when),
		fmt.Sprintf("Action item %d, %q, %s. Close it, or give it another day and say why.%s", a.Number, line(a.Title), when, r.link("/action-items?owner="+a.Owner))
}

func (r Reminding) link(path string) string {
	if r.BaseURL == "" {
		return ""
	}
	return "\n" + r.BaseURL + path
}

func whenDue(due, now time.Time) string {
	day := due.UTC().Format("2006-01-02 15:04") + " UTC"
	if now.Before(due) {
		return "is due " + day
	}
	return "was due " + day
}

func line(s string) string { return strings.Join(strings.Fields(s), " ") }

// DemandPostmortem makes the review of an incident a duty that a policy asks for. Once required it stays as it was: ok is
// false then.
func (i Incident) DemandPostmortem(d Duty, now time.Time) (c Change, ok bool) {
	c = Change{Incident: i}
	if i.PostmortemRequired != nil {
		return c, false
	}
	c.Incident.PostmortemRequired, c.Incident.UpdatedAt = &Requirement{Policy: d.Policy, At: now, Reason: d.Reason}, now
	c.sayAs(automatic, now, EventPostmortem, "A postmortem is required until "+stamp(d.DueAt)+": "+d.Reason+".")
	c.Events[0].Detail = map[string]any{"policy": d.Policy, "due": d.DueAt}
	return c, true
}

// TellThreads returns the pages that tell a text in the incident's threads, without calling anybody anew.
func (i Incident) TellThreads(text string, now time.Time) []Page {
	var pages []Page
	told := map[string]bool{}
	for _, t := range i.pagedSoFar() {
		if key := t.Key(); t.KeepsThread() && !told[key] {
			told[key] = true
			p := i.page(ActionUpdate, t, 0, 0, now)
			p.Text = text
			pages = append(pages, p)
		}
	}
	return pages
}

// Role words what tells somebody that they were given a role.
func (r Reminding) Role(i Incident, role Role, by string) (subject, text string) {
	return fmt.Sprintf("You are %s of #%d %s", role, i.Number, clip(line(i.Title), 120)),
		fmt.Sprintf("%s made you %s of incident #%d (%s).%s", by, role, i.Number, line(i.Title), r.link(fmt.Sprintf("/incidents/%d", i.Number)))
}

// Task words what tells somebody that they were given a task.
func (r Reminding) Task(i Incident, t Task, by string) (subject, text string) {
	due := ""
	if t.DueAt != nil {
		due = " It is due " + stamp(*t.DueAt) + " UTC."
	}
	return fmt.Sprintf("Task %d of #%d is yours", t.Number, i.Number),
		fmt.Sprintf("%s gave you task %d of incident #%d (%s): %s.%s%s", by, t.Number, i.Number, line(i.Title), line(t.Text), due,
			r.link(fmt.Sprintf("/incidents/%d", i.Number)))
}

// UpdateDue words what reminds somebody of a status update that was promised.
func (r Reminding) UpdateDue(i Incident) (subject, text string) {
	return fmt.Sprintf("A status update of #%d is overdue", i.Number),
		fmt.Sprintf("A status update of incident #%d (%s) was promised for %s UTC and has not come.%s", i.Number, line(i.Title), stamp(*i.UpdateDue),
			r.link(fmt.Sprintf("/incidents/%d", i.Number)))
}

// TaskDue words what reminds somebody of a task whose time has come.
func (r Reminding) TaskDue(i Incident, t Task) (subject, text string) {
	return fmt.Sprintf("Task %d of #%d was due", t.Number, i.Number),
		fmt.Sprintf("Task %d of incident #%d (%s) was due %s UTC and is open: %s.%s", t.Number, i.Number, line(i.Title), stamp(*t.DueAt), line(t.Text),
			r.link(fmt.Sprintf("/incidents/%d", i.Number)))
}
