package main

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

type heartbeatRow struct {
	Name     string     `json:"name"`
	Tenant   string     `json:"tenant"`
	Interval float64    `json:"intervalSeconds"`
	Grace    float64    `json:"graceSeconds"`
	Service  string     `json:"service"`
	Severity string     `json:"severity"`
	LastAt   *time.Time `json:"lastAt"`
	DueAt    *time.Time `json:"dueAt"`
	Overdue  bool       `json:"overdue"`
}

type heartbeatsBody struct {
	Heartbeats []heartbeatRow `json:"heartbeats"`
}

func (a *cli) heartbeatCommand() *cobra.Command {
	c := group("heartbeat", "What has to say regularly that it is alive", a.heartbeatList(), a.heartbeatPing())
	c.Aliases = []string{"heartbeats"}
	return c
}

func (a *cli) heartbeatList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List heartbeats and when each was last heard", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer heartbeatsBody
			if err := api.get(c.Context(), "/heartbeats", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printHeartbeats(answer.Heartbeats) })
		},
	}
}

func (a *cli) printHeartbeats(all []heartbeatRow) {
	if len(all) == 0 {
		a.printf("No heartbeat. Apply a definition of kind Heartbeat.\n")
		return
	}
	var rows [][]string
	for _, h := range all {
		state, last := "never pinged", missing
		if h.LastAt != nil {
			state, last = "alive", ago(*h.LastAt)
		}
		if h.Overdue {
			state = "overdue"
		}
		every := short(time.Duration(h.Interval * float64(time.Second)))
		rows = append(rows, []string{h.Name, state, last, every, orMissing(h.Tenant), orMissing(h.Service), h.Severity})
	}
	a.table([]string{"heartbeat", "state", "last", "every", "tenant", "service", "severity"}, rows)
}

func (a *cli) heartbeatPing() *cobra.Command {
	return &cobra.Command{
		Use: "ping NAME", Short: "Say that something is alive", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var heard struct {
				Name   string    `json:"name"`
				LastAt time.Time `json:"lastAt"`
			}
			if err := api.post(c.Context(), "/heartbeats/"+url.PathEscape(names[0])+"/ping", struct{}{}, &heard); err != nil {
				return err
			}
			return a.show(heard, func() { a.printf("%s was heard at %s\n", printable(heard.Name), clock(heard.LastAt)) })
		},
	}
}
