package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

func (a *cli) postmortemCommand() *cobra.Command {
	return group("postmortem", "Write postmortems, review them, and hand them on",
		a.postmortemList(), a.postmortemDue(), a.postmortemDraft(), a.postmortemShow(), a.postmortemEdit(), a.postmortemRefresh(),
		a.postmortemMove("submit", incidents.StepSubmit, "Ask for a review; required sections have to be filled"),
		a.postmortemMove("review", incidents.StepApprove, "Approve a postmortem that somebody else has written"),
		a.postmortemMove("return", incidents.StepReturn, "Send a postmortem back to its authors, with a reason"),
		a.postmortemMove("close", incidents.StepClose, "Close a reviewed postmortem"),
		a.postmortemPublish(), a.postmortemComment(), a.postmortemExport())
}

func postmortemPath(id string) string { return "/postmortems/" + url.PathEscape(id) }

// queryOf leaves out what is empty.
func queryOf(values map[string]string) url.Values {
	query := url.Values{}
	for name, value := range values {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func (a *cli) postmortemList() *cobra.Command {
	var state, service, incident string
	var limit int
	c := &cobra.Command{
		Use: "list [WORDS]", Short: "List postmortems, or find them by their words", Args: args(cobra.ArbitraryArgs),
		Example: "  nines postmortem list --state in_review\n  nines postmortem list \"connection pool\" retries",
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Postmortems []incidents.Postmortem `json:"postmortems"`
			}
			query := queryOf(map[string]string{"state": state, "service": service, "incident": incident, "q": strings.Join(words, " "), "limit": strconv.Itoa(limit)})
			if err := api.get(c.Context(), "/postmortems", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printPostmortems(answer.Postmortems) })
		},
	}
	f := c.Flags()
	f.StringVar(&state, "state", "", "draft, in_review, reviewed or closed")
	f.StringVar(&service, "service", "", "only about incidents of this service")
	f.StringVar(&incident, "incident", "", "only about this incident")
	f.IntVar(&limit, "limit", 50, "at most this many")
	return c
}

func (a *cli) printPostmortems(found []incidents.Postmortem) {
	if len(found) == 0 {
		a.printf("No postmortems.\n")
		return
	}
	var rows [][]string
	for _, p := range found {
		var about []string
		for _, i := range p.Incidents {
			about = append(about, fmt.Sprintf("#%d", i.Number))
		}
		rows = append(rows, []string{fmt.Sprint(p.Number), p.State.Words(), dueText(p.DueAt, p.State == incidents.Reviewed || p.State == incidents.ReviewClosed),
			orMissing(p.Owner), strings.Join(about, " "), p.Title})
	}
	a.table([]string{"no", "state", "due", "owner", "incidents", "title"}, rows)
}

func dueText(at *time.Time, met bool) string {
	switch {
	case at == nil:
		return "-"
	case !met && time.Now().After(*at):
		return clock(*at) + " (overdue)"
	}
	return clock(*at)
}

func (a *cli) postmortemDue() *cobra.Command {
	var overdue bool
	c := &cobra.Command{
		Use: "due", Short: "List postmortems that are required and not reviewed yet", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Duties []incidents.Duty `json:"duties"`
			}
			if err := api.get(c.Context(), "/postmortem-duties", url.Values{"overdue": {strconv.FormatBool(overdue)}}, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printDuties(answer.Duties) })
		},
	}
	c.Flags().BoolVar(&overdue, "overdue", false, "only those whose time has passed")
	return c
}

func (a *cli) printDuties(found []incidents.Duty) {
	if len(found) == 0 {
		a.printf("Nothing is due.\n")
		return
	}
	var rows [][]string
	for _, d := range found {
		state := "not begun"
		if d.Postmortem > 0 {
			state = fmt.Sprintf("%d is %s", d.Postmortem, d.State.Words())
		}
		rows = append(rows, []string{fmt.Sprintf("#%d", d.Incident.Number), dueText(&d.DueAt, false), orMissing(d.Owner), state, d.Policy, d.Incident.Title})
	}
	a.table([]string{"incident", "due", "owner", "postmortem", "policy", "title"}, rows)
}

func (a *cli) postmortemDraft() *cobra.Command {
	var template, owner string
	c := &cobra.Command{
		Use: "draft INCIDENT...", Short: "Draft the postmortem of one or several incidents", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changePostmortem(c, http.MethodPost, "/postmortems", map[string]any{"incidents": ids, "template": template, "owner": owner},
				func(p incidents.Postmortem) { a.printf("Postmortem %d is drafted: %s\n", p.Number, printable(p.Title)) })
		},
	}
	c.Flags().StringVar(&template, "template", "", "another template than the policy's or the service's")
	c.Flags().StringVar(&owner, "owner", "", "e-mail of who sees it through")
	return c
}

func (a *cli) changePostmortem(c *cobra.Command, method, path string, body any, say func(incidents.Postmortem)) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var p incidents.Postmortem
	if err := api.do(c.Context(), method, path, body, &p); err != nil {
		return err
	}
	return a.show(p, func() { say(p) })
}

func (a *cli) postmortemShow() *cobra.Command {
	var edit bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a postmortem", Args: args(cobra.ExactArgs(1)),
		Long: "Show a postmortem as Markdown. With --edit only people's words, as a file for 'nines postmortem edit -f'.",
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var p incidents.Postmortem
			if err := api.get(c.Context(), postmortemPath(ids[0]), nil, &p); err != nil {
				return err
			}
			if edit {
				return a.show(p, func() { a.printf("%s", p.Sheet()) })
			}
			var text []byte
			if err := api.get(c.Context(), postmortemPath(ids[0])+"/export/md", nil, &text); err != nil {
				return err
			}
			return a.show(p, func() { a.printf("%s", text) })
		},
	}
	c.Flags().BoolVar(&edit, "edit", false, "only what people write, to be edited and read back")
	return c
}

func (a *cli) postmortemEdit() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "edit -f FILE", Short: "Save what people wrote from a file", Args: args(cobra.NoArgs),
		Long: "Save the words of a file that 'nines postmortem show ID --edit' wrote. Somebody else's edits of other sections are kept;\n" +
			"where both changed the same section nothing is saved, and both texts are shown.",
		Example: "  nines postmortem show 7 --edit > 7.md\n  nines postmortem edit -f 7.md",
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := os.ReadFile(file)
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "read %s", file)
			}
			number, e, err := incidents.ReadSheet(string(text))
			if err != nil {
				return err
			}
			return a.changePostmortem(c, http.MethodPatch, postmortemPath(fmt.Sprint(number)), e,
				func(p incidents.Postmortem) { a.printf("Postmortem %d is saved as version %d.\n", p.Number, p.Version) })
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file to read")
	needs(c, "file")
	return c
}

func (a *cli) postmortemRefresh() *cobra.Command {
	return &cobra.Command{
		Use: "refresh ID", Short: "Fill the figures in anew; people's words stay as they are", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changePostmortem(c, http.MethodPost, postmortemPath(ids[0])+"/refresh", nil,
				func(p incidents.Postmortem) { a.printf("Postmortem %d is version %d.\n", p.Number, p.Version) })
		},
	}
}

func (a *cli) postmortemMove(use string, step incidents.ReviewStep, short string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: use + " ID", Short: short, Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changePostmortem(c, http.MethodPost, postmortemPath(ids[0])+"/steps/"+string(step), map[string]string{"reason": reason},
				func(p incidents.Postmortem) { a.printf("Postmortem %d is %s.\n", p.Number, p.State.Words()) })
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "stands among the comments")
	if step == incidents.StepReturn {
		needs(c, "reason")
	}
	return c
}

func (a *cli) postmortemPublish() *cobra.Command {
	var withdraw bool
	c := &cobra.Command{
		Use: "publish ID", Short: "Let the tenant read its postmortem", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			return a.changePostmortem(c, http.MethodPost, postmortemPath(ids[0])+"/publish", map[string]bool{"published": !withdraw}, func(p incidents.Postmortem) {
				if p.PublishedAt == nil {
					a.printf("%s cannot read postmortem %d any more.\n", printable(p.Tenant), p.Number)
					return
				}
				a.printf("%s can read postmortem %d.\n", printable(p.Tenant), p.Number)
			})
		},
	}
	c.Flags().BoolVar(&withdraw, "withdraw", false, "no longer")
	return c
}

func (a *cli) postmortemComment() *cobra.Command {
	var section string
	c := &cobra.Command{
		Use: "comment ID TEXT", Short: "Comment on a postmortem, or on one of its sections", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Comments []incidents.PostmortemComment `json:"comments"`
			}
			body := map[string]string{"text": words[1], "section": section}
			if err := api.post(c.Context(), postmortemPath(words[0])+"/comments", body, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printf("The comment is kept; there are %d.\n", len(answer.Comments)) })
		},
	}
	c.Flags().StringVar(&section, "section", "", "key of the section it is about")
	return c
}

func (a *cli) postmortemExport() *cobra.Command {
	var format, output string
	c := &cobra.Command{
		Use: "export ID", Short: "Write a postmortem as Markdown, HTML or PDF", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			if format == "" {
				if _, ending, found := strings.Cut(output[strings.LastIndex(output, "/")+1:], "."); found {
					format = ending[strings.LastIndex(ending, ".")+1:]
				}
			}
			if format != "md" && format != "html" && format != "pdf" {
				return usageError{errors.New("--format has to be md, html or pdf")}
			}
			if format == "pdf" && output == "" {
				return usageError{errors.New("a PDF needs a file: name it with --output")}
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var content []byte
			if err := api.get(c.Context(), postmortemPath(ids[0])+"/export/"+format, nil, &content); err != nil {
				return err
			}
			if output == "" {
				a.printf("%s", content)
				return nil
			}
			if err := os.WriteFile(output, content, 0o644); err != nil {
				return fault.Wrap(fault.Invalid, err, "write %s", output)
			}
			return a.show(map[string]string{"file": output}, func() { a.printf("wrote %s\n", output) })
		},
	}
	c.Flags().StringVar(&format, "format", "", "md, html or pdf; unset: the ending of --output")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write to")
	return c
}
