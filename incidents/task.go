package incidents

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// TaskState is where a task of an incident stands.
type TaskState string

// The states of a task.
const (
	TaskOpen    TaskState = "open"
	TaskDone    TaskState = "done"
	TaskDropped TaskState = "dropped"
)

// Task is something to be done while an incident lasts. What is to be done afterwards is an ActionItem of its postmortem.
type Task struct {
	Tenant    string     `json:"tenant"`
	Incident  string     `json:"incident"`
	Number    int        `json:"number"` // counts up from 1 within the incident
	Text      string     `json:"text"`
	Owner     string     `json:"owner"` // e-mail; "" is nobody yet
	DueAt     *time.Time `json:"dueAt"` // nil is no time
	State     TaskState  `json:"state"`
	CreatedBy string     `json:"createdBy"`
	CreatedAt time.Time  `json:"createdAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
	ClosedBy  string     `json:"closedBy"`
	ClosedAt  *time.Time `json:"closedAt"`
	Revision  int        `json:"revision"` // raised by each change
}

// MaxTasks bounds the tasks of one incident, maxTask one's text in characters.
const (
	MaxTasks = 200
	maxTask  = 500
)

// TaskEdit is what somebody wants a task to be; what is nil stays as it is.
type TaskEdit struct {
	Text  *string    `json:"text,omitempty"`
	Owner *string    `json:"owner,omitempty"`
	DueAt *time.Time `json:"dueAt,omitempty"` // the zero time takes it away
	State *TaskState `json:"state,omitempty"`
	// Revision is the task's as the one who edits it has seen; where it was changed meanwhile that is a fault.Conflict. Nil
	// does not look.
	Revision *int `json:"revision,omitempty"`
}

// AddTask makes a task of the incident, with its entry for the timeline. number is the task's within the incident.
func (i Incident) AddTask(by Actor, e TaskEdit, number int, now time.Time) (Change, Task, error) {
	c := Change{Incident: i}
	t := Task{Tenant: i.Tenant, Incident: i.ID, Number: number, State: TaskOpen, CreatedBy: by.name(), CreatedAt: now}
	e.State, e.Revision = nil, nil
	t, err := t.apply(by, e, now)
	switch {
	case err != nil:
		return c, t, err
	case number > MaxTasks:
		return c, t, fault.New(fault.Conflict, "incident %d has %d tasks, the most there may be", i.Number, MaxTasks)
	}
	text := fmt.Sprintf("Task %d added by %s: %s", number, by.name(), t.Text)
	if t.Owner != "" {
		text += fmt.Sprintf(" (for %s)", t.Owner)
	}
	c.sayTask(by, t, text, now)
	return c, t, nil
}

// EditTask changes a task of the incident, with its entry for the timeline. What changes nothing has none.
func (i Incident) EditTask(by Actor, t Task, e TaskEdit, now time.Time) (Change, Task, error) {
	c := Change{Incident: i}
	if e.Revision != nil && *e.Revision != t.Revision {
		return c, t, fault.New(fault.Conflict, "task %d of incident %d was changed meanwhile; it is %s now. Look again before you change it", t.Number, i.Number, t.words())
	}
	next, err := t.apply(by, e, now)
	if err != nil {
		return c, t, err
	}
	var said []string
	if next.State != t.State {
		said = append(said, taskWords[next.State])
	}
	if next.Owner != t.Owner {
		said = append(said, "given to "+orNobody(next.Owner))
	}
	if next.Text != t.Text {
		said = append(said, "worded anew")
	}
	if !sameTime(next.DueAt, t.DueAt) {
		said = append(said, "due "+orNoTime(next.DueAt))
	}
	if len(said) == 0 {
		return c, t, nil
	}
	c.sayTask(by, next, fmt.Sprintf("Task %d %s by %s: %s", t.Number, strings.Join(said, " and "), by.name(), next.Text), now)
	return c, next, nil
}

var taskWords = map[TaskState]string{TaskOpen: "opened again", TaskDone: "done", TaskDropped: "dropped"}

func (c *Change) sayTask(by Actor, t Task, text string, now time.Time) {
	c.Incident.UpdatedAt = now
	c.sayAs(by, now, EventTask, text)
	c.Events[0].Detail = map[string]any{"task": t.Number, "owner": t.Owner, "state": string(t.State)}
}

func (t Task) apply(by Actor, e TaskEdit, now time.Time) (Task, error) {
	set(&t.Text, e.Text)
	set(&t.Owner, e.Owner)
	was := t.State
	set(&t.State, e.State)
	if e.DueAt != nil {
		due := e.DueAt.UTC()
		if t.DueAt = &due; due.IsZero() {
			t.DueAt = nil
		}
	}
	switch {
	case t.State == TaskOpen:
		t.ClosedBy, t.ClosedAt = "", nil
	case t.State != was:
		t.ClosedBy, t.ClosedAt = by.name(), &now
	}
	t.Text, t.Owner = oneLine(strings.ToValidUTF8(strings.ReplaceAll(t.Text, "\x00", " "), "\uFFFD")), strings.ToLower(strings.TrimSpace(t.Owner))
	t.UpdatedAt = now
	t.Revision++
	switch n := len([]rune(t.Text)); {
	case n == 0 || n > maxTask:
		return t, fault.New(fault.Invalid, "text: has %d characters; write 1 to %d", n, maxTask)
	case !slices.Contains([]TaskState{TaskOpen, TaskDone, TaskDropped}, t.State):
		return t, fault.New(fault.Invalid, "state: %q is none of open, done, dropped", clip(string(t.State), 40))
	}
	return t, CheckOwner("owner", t.Owner)
}

func (t Task) words() string {
	return fmt.Sprintf("%s, of %s, %q", t.State, orNobody(t.Owner), clip(t.Text, 80))
}

func orNobody(who string) string {
	if who == "" {
		return "nobody"
	}
	return who
}

func orNoTime(at *time.Time) string {
	if at == nil {
		return "at no time"
	}
	return stamp(*at)
}

func sameTime(a, b *time.Time) bool { return (a == nil) == (b == nil) && (a == nil || a.Equal(*b)) }
