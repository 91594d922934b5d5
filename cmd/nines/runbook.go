package main

import (
	"net/url"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

type runRow struct {
	ID        string  `json:"id,omitempty"`
	Runbook   string  `json:"runbook"`
	Step      string  `json:"step"`
	Asked     string  `json:"asked"`
	By        string  `json:"by,omitempty"`
	TookMS    float64 `json:"tookMs"`
	Outcome   string  `json:"outcome,omitempty"`
	Output    string  `json:"output"`
	Truncated bool    `json:"truncated"`
	Error     string  `json:"error,omitempty"`

	ApprovedBy string     `json:"approvedBy,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
}

func (a *cli) runbookCommand() *cobra.Command {
	c := group("runbook", "What to do when an alert fires, and its steps", a.runbookList(), a.runbookShow(), a.runbookRun(),
		a.runbookRuns(), a.runbookAnswer("approve", "Approve a step that somebody else asked for, and run it"), a.runbookAnswer("deny", "Deny a step that waits, or take back what you asked for"))
	c.Aliases = []string{"runbooks"}
	return c
}

type runbookRow struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Text  string `json:"text,omitempty"`
	Steps []struct {
		Name    string `json:"name"`
		Changes bool   `json:"changes"`
	} `json:"steps"`
}

func (a *cli) runbookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the runbooks in force", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Runbooks []runbookRow `json:"runbooks"`
			}
			if err := api.get(c.Context(), "/runbooks", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				for _, r := range answer.Runbooks {
					a.printf("%-20s %2d steps  %s\n", r.Name, len(r.Steps), r.Title)
				}
			})
		},
	}
}

func (a *cli) runbookShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a runbook", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer runbookRow
			if err := api.get(c.Context(), "/runbooks/"+url.PathEscape(names[0]), nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printf("%s", answer.Text) })
		},
	}
}

func (a *cli) runbookRun() *cobra.Command {
	var (
		wish struct {
			Step     string `json:"step"`
			Incident string `json:"incident,omitempty"`
			Confirm  bool   `json:"confirm,omitempty"`
			DryRun   bool   `json:"dryRun,omitempty"`
		}
		runs []runRow
	)
	c := &cobra.Command{
		Use: "run NAME [--incident N] [--step S]", Short: "Run steps of a runbook; without --step all that change nothing", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			path := "/runbooks/" + url.PathEscape(names[0])
			steps := []string{wish.Step}
			if wish.Step == "" {
				var page runbookRow
				if err := api.get(c.Context(), path, nil, &page); err != nil {
					return err
				}
				steps = nil
				for _, s := range page.Steps {
					if !s.Changes {
						steps = append(steps, s.Name)
					}
				}
			}
			if len(steps) == 0 {
				return fault.New(fault.Invalid, "the runbook %s has no step that changes nothing", names[0])
			}
			for _, step := range steps {
				wish.Step = step
				var run runRow
				if err := api.post(c.Context(), path+"/runs", wish, &run); err != nil {
					return err
				}
				runs = append(runs, run)
			}
			return a.show(map[string]any{"runs": runs}, func() { a.printRuns(runs) })
		},
	}
	c.Flags().StringVar(&wish.Incident, "incident", "", "incident whose labels fill in the variables, by number")
	c.Flags().StringVar(&wish.Step, "step", "", "name of the one step to run")
	c.Flags().BoolVar(&wish.Confirm, "confirm", false, "run a step that changes something; your name goes on record")
	c.Flags().BoolVar(&wish.DryRun, "dry-run", false, "only show what would be run")
	return c
}

func (a *cli) printRuns(runs []runRow) {
	for _, r := range runs {
		if r.Outcome == "" {
			a.printf("%s would ask:\n%s\n\n", r.Step, r.Asked)
			continue
		}
		if r.Outcome == "waiting" && r.ExpiresAt != nil {
			a.printf("%s: waits until %s for somebody else to approve it:\n  nines runbook approve %s\n%s\n\n", r.Step, clock(*r.ExpiresAt), r.ID, r.Asked)
			continue
		}
		a.printf("%s: %s in %.0f ms %s\n%s\n", r.Step, r.Outcome, r.TookMS, r.Error, r.Output)
		if r.Truncated {
			a.printf("(there is more)\n")
		}
		a.printf("\n")
	}
}

func (a *cli) runbookRuns() *cobra.Command {
	var incident, runbook string
	c := &cobra.Command{
		Use: "runs", Short: "List what was run, and what waits for an approval, the newest first", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Runs []runRow `json:"runs"`
			}
			if err := api.get(c.Context(), "/runs", queryOf(map[string]string{"incident": incident, "runbook": runbook}), &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, r := range answer.Runs {
					rows = append(rows, []string{r.ID, r.Outcome, r.Runbook, r.Step, orMissing(r.By), orMissing(r.ApprovedBy)})
				}
				if len(rows) == 0 {
					a.printf("Nothing was run.\n")
					return
				}
				a.table([]string{"run", "outcome", "runbook", "step", "by", "approved"}, rows)
			})
		},
	}
	c.Flags().StringVar(&incident, "incident", "", "only of this incident, by number")
	c.Flags().StringVar(&runbook, "runbook", "", "only of this runbook")
	return c
}

func (a *cli) runbookAnswer(verb, short string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: verb + " RUN", Short: short, Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			body := map[string]string{}
			if reason != "" {
				body["reason"] = reason
			}
			var run runRow
			if err := api.post(c.Context(), "/runs/"+url.PathEscape(ids[0])+"/"+verb, body, &run); err != nil {
				return err
			}
			return a.show(run, func() { a.printRuns([]runRow{run}) })
		},
	}
	if verb == "deny" {
		c.Flags().StringVarP(&reason, "reason", "m", "", "why; it goes onto the timeline")
	}
	return c
}
