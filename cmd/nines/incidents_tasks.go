package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/spf13/cobra"
)

func (a *cli) incidentsTasks() *cobra.Command {
	c := group("tasks", "What is to be done while an incident lasts", a.tasksList(), a.tasksAdd(), a.tasksSet("done", incidents.TaskDone, "Say that a task is done"),
		a.tasksSet("drop", incidents.TaskDropped, "Say that a task is not needed"), a.tasksSet("open", incidents.TaskOpen, "Open a task again"), a.tasksGive())
	c.Aliases = []string{"task"}
	return c
}

func (a *cli) tasksList() *cobra.Command {
	return &cobra.Command{
		Use: "list ID", Short: "List the tasks of an incident", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Tasks []incidents.Task `json:"tasks"`
			}
			if err := api.get(c.Context(), incidentPath(ids[0])+"/tasks", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printTasks(answer.Tasks) })
		},
	}
}

func (a *cli) printTasks(tasks []incidents.Task) {
	if len(tasks) == 0 {
		a.printf("No tasks.\n")
		return
	}
	var rows [][]string
	for _, t := range tasks {
		due := missing
		if t.DueAt != nil {
			due = clock(*t.DueAt)
		}
		rows = append(rows, []string{strconv.Itoa(t.Number), string(t.State), orMissing(t.Owner), due, t.Text})
	}
	a.table([]string{"no", "state", "who", "due", "what"}, rows)
}

func (a *cli) tasksAdd() *cobra.Command {
	var owner string
	var in time.Duration
	c := &cobra.Command{
		Use: "add ID TEXT", Short: "Add a task", Args: args(cobra.ExactArgs(2)),
		Example: "nines incidents tasks add 42 \"fail over to the standby\" --owner ana@example.com --in 30m",
		RunE: func(c *cobra.Command, words []string) error {
			body := map[string]any{"text": words[1]}
			if owner != "" {
				body["owner"] = owner
			}
			if in > 0 {
				body["dueAt"] = time.Now().Add(in).UTC()
			}
			return a.task(c, incidentPath(words[0])+"/tasks", body)
		},
	}
	c.Flags().StringVar(&owner, "owner", "", "e-mail address of who does it")
	c.Flags().DurationVar(&in, "in", 0, "until when, from now, such as 30m")
	return c
}

func (a *cli) tasksSet(name string, state incidents.TaskState, short string) *cobra.Command {
	return &cobra.Command{
		Use: name + " ID NUMBER", Short: short, Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, words []string) error {
			return a.task(c, incidentPath(words[0])+"/tasks/"+url.PathEscape(words[1]), map[string]any{"state": state})
		},
	}
}

func (a *cli) tasksGive() *cobra.Command {
	return &cobra.Command{
		Use: "give ID NUMBER EMAIL", Short: "Give a task to somebody", Args: args(cobra.ExactArgs(3)),
		RunE: func(c *cobra.Command, words []string) error {
			return a.task(c, incidentPath(words[0])+"/tasks/"+url.PathEscape(words[1]), map[string]any{"owner": words[2]})
		},
	}
}

func (a *cli) task(c *cobra.Command, path string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var t incidents.Task
	if err := api.post(c.Context(), path, body, &t); err != nil {
		return err
	}
	return a.show(t, func() { a.printf("task %d is %s (%s): %s\n", t.Number, t.State, orMissing(t.Owner), printable(t.Text)) })
}
