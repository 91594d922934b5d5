package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type trackersBody struct {
	Trackers []struct {
		Name     string     `json:"name"`
		Vendor   string     `json:"vendor"`
		Place    string     `json:"place"`
		Services []string   `json:"services"`
		Default  bool       `json:"default"`
		Items    int        `json:"items"`
		Open     int        `json:"open"`
		Failing  int        `json:"failing"`
		Error    string     `json:"error"`
		SyncedAt *time.Time `json:"syncedAt"`

		LagSeconds float64 `json:"lagSeconds"`
	} `json:"trackers"`
}

func (a *cli) trackerCommand() *cobra.Command {
	return group("tracker", "Where action items of postmortems are kept as tickets", a.trackerList(), a.trackerTest())
}

func (a *cli) trackerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the trackers, and what they were not told", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer trackersBody
			if err := api.get(c.Context(), "/trackers", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printTrackers(answer) })
		},
	}
}

func (a *cli) printTrackers(answer trackersBody) {
	if len(answer.Trackers) == 0 {
		a.printf("No tracker is defined. Apply a definition of kind Tracker; docs/trackers.md has one for each vendor.\n")
		return
	}
	var rows [][]string
	for _, t := range answer.Trackers {
		of := strings.Join(t.Services, ", ")
		if t.Default {
			of = strings.TrimPrefix(of+", all others", ", ")
		}
		synced := missing
		if t.SyncedAt != nil {
			synced = ago(*t.SyncedAt)
		}
		rows = append(rows, []string{t.Name, fmt.Sprintf("%d of %d open", t.Open, t.Items), synced, orMissing(of), t.Place})
	}
	a.table([]string{"name", "items", "synced", "services", "where"}, rows)
	for _, t := range answer.Trackers {
		if behind := time.Duration(t.LagSeconds * float64(time.Second)); behind > time.Minute {
			a.printf("%s is %s behind.\n", t.Name, behind.Round(time.Second))
		}
		if t.Failing > 0 {
			a.printf("%s was not told of %d: %s\n", t.Name, t.Failing, printable(t.Error))
		}
	}
}

func (a *cli) trackerTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Try whether a tracker lets us in; nothing is changed there", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Place string `json:"place"`
			}
			if err := api.post(c.Context(), "/trackers/"+url.PathEscape(names[0])+"/test", struct{}{}, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printf("%s lets us in: tickets go to %s\n", names[0], printable(answer.Place)) })
		},
	}
}
