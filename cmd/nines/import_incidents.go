package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// pastAtOnce is how many incidents go in one request, and maxPastFile the size of a file of them, in bytes.
const (
	pastAtOnce  = 200
	maxPastFile = 256 << 20
)

// takenOver is what an import of incidents did.
type takenOver struct {
	Taken int `json:"taken"`
	Known int `json:"known"`
}

func (a *cli) importIncidents() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "incidents FILE", Args: args(cobra.ExactArgs(1)), Short: "Take over incidents that another tool has had",
		Long: "Read a JSON list of incidents that are over and keep them here, with their times, for figures, searches and comparison.\n" +
			"Nobody is paged. What was taken over before stays as it is, so that the same file may be imported again.\n\n" +
			"Each has source, id, title, openedAt and resolvedAt, and may have summary, service, severity, startedAt,\n" +
			"acknowledgedAt, acknowledgedBy, resolvedBy, url and notes (at, by, text). 'nines import pagerduty' writes such a file.",
		Example: "  nines import incidents pagerduty/past-incidents.json",
		RunE: func(c *cobra.Command, args []string) error {
			past, err := a.readPast(args[0])
			if err != nil {
				return err
			}
			done, err := a.takeOver(c, tenant, past)
			if err != nil {
				return err
			}
			return a.show(done, func() {
				a.printf("took over %d incidents; %d were known already\n", done.Taken, done.Known)
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "whose incidents they were; the operator's own unless named")
	return c
}

// readPast reads a list; "-" is the standard input.
func (a *cli) readPast(path string) ([]incidents.Past, error) {
	var from io.Reader = a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read the incidents")
		}
		defer f.Close()
		from = f
	}
	decoder := json.NewDecoder(io.LimitReader(from, maxPastFile))
	decoder.DisallowUnknownFields()
	var past []incidents.Past
	if err := decoder.Decode(&past); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s is not a JSON list of past incidents", path)
	}
	return past, nil
}

func (a *cli) takeOver(c *cobra.Command, tenant string, past []incidents.Past) (takenOver, error) {
	var all takenOver
	client, err := a.client()
	if err != nil {
		return all, err
	}
	bar := newProgress(a.err)
	defer bar.clear()
	for from := 0; from < len(past); from += pastAtOnce {
		part := past[from:min(from+pastAtOnce, len(past))]
		var done takenOver
		if err := client.post(c.Context(), "/incidents/past", map[string]any{"tenant": tenant, "incidents": part}, &done); err != nil {
			return all, fmt.Errorf("%d are taken over; of the next %d none, counted from 0 at number %d: %w", all.Taken, len(part), from, err)
		}
		all.Taken, all.Known = all.Taken+done.Taken, all.Known+done.Known
		bar.show(from+len(part), len(past), "taken over")
	}
	return all, nil
}
