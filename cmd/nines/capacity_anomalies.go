package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

func (a *cli) capacityAnomalies() *cobra.Command {
	var o forecastFlags
	var window string
	c := &cobra.Command{
		Use: "anomalies QUERY|FILE", Short: "What a series did that forecasts made before did not expect", Args: args(cobra.ExactArgs(1)),
		Long: "Compare the newest values of a series with forecasts that are made of what was known before them, one for each\n" +
			"--horizon, and list what lay outside of the interval. A file is read as in forecast, and needs no server.",
		Example: "  nines capacity anomalies 'sum(rate(http_requests_total{job=\"shop\"}[5m]))' --window 2d\n" +
			"  nines capacity anomalies requests.csv.gz --step 5m --window 3d --level 0.999",
		RunE: func(c *cobra.Command, words []string) error {
			found, err := a.anomaliesOf(c, words[0], window, o)
			if err != nil {
				return err
			}
			return a.show(found, func() { a.printUnexpected(found) })
		},
	}
	f := c.Flags()
	f.StringVar(&window, "window", "1d", "how far back to look for anomalies")
	f.StringVar(&o.horizon, "horizon", "1h", "a forecast is made for each such span")
	f.StringVar(&o.step, "step", "5m", "distance of two points")
	f.StringVar(&o.history, "history", "14d", "how much of the past before the window is known; of a file, all of it")
	f.StringArrayVar(&o.events, "event", nil, "what is known to be special, as NAME=FROM/TO; may be repeated")
	f.StringVar(&o.zone, "zone", "", "time zone by whose clocks the workload's days go, such as Europe/Berlin; UTC unless given")
	f.BoolVar(&o.counter, "counter", false, "the values count up; their growth a second is looked at")
	f.StringVar(&o.column, "column", "", "name or number of the value's column in a file with several")
	f.Float64Var(&o.level, "level", forecast.AnomalyLevel, "of the intervals: 0.99 means that one value in a hundred lies outside by chance")
	return c
}

func (a *cli) anomaliesOf(c *cobra.Command, what, window string, o forecastFlags) (forecast.Anomalies, error) {
	var found forecast.Anomalies
	if info, err := os.Stat(what); what == "-" || err == nil && !info.IsDir() {
		options, _, err := o.options()
		if err != nil {
			return found, err
		}
		d, err := model.ParseDuration(window)
		if err != nil || d <= 0 {
			return found, fault.New(fault.Invalid, "--window %s is not a duration; write one such as 1d", window)
		}
		read, err := a.readTrace(what, trace.Options{Column: o.column, Zone: options.Zone})
		if err != nil || len(read.Points) == 0 {
			return found, err
		}
		return forecast.FindAnomalies(read.Points, options, read.Points[len(read.Points)-1].At.Add(-time.Duration(d)))
	}
	api, err := a.client()
	if err != nil {
		return found, err
	}
	query := url.Values{"query": {what}, "window": {window}, "horizon": {o.horizon}, "step": {o.step}, "history": {o.history},
		"level": {strconv.FormatFloat(o.level, 'g', -1, 64)}, "event": o.events}
	if o.zone != "" {
		query.Set("zone", o.zone)
	}
	if o.counter {
		query.Set("counter", "true")
	}
	err = api.get(c.Context(), "/capacity/anomalies", query, &found)
	return found, err
}

func (a *cli) printUnexpected(all forecast.Anomalies) {
	a.printf("%d values from %s to %s, %d of them judged by %d forecasts of %s each, at %s.\n", all.Seen, clock(all.From), clock(all.To),
		all.Judged, all.Forecasts, all.Every, percent(all.Level))
	if len(all.Found) == 0 {
		a.printf("None lay outside of its interval.\n")
		return
	}
	var rows [][]string
	for _, f := range all.Found {
		rows = append(rows, []string{clock(f.From), f.To.Sub(f.From).String(), strconv.Itoa(f.Values), quantity(f.Value),
			quantity(f.Expected), quantity(f.Lower) + " to " + quantity(f.Upper), distance(f.Distance)})
	}
	a.printf("\n")
	a.table([]string{"from", "for", "values", "furthest", "expected", "within", "distance"}, rows)
	a.printf("\nDistance: from the expected value, in half widths of the interval. By chance about %.2g values would lie outside.\n",
		float64(all.Judged)*(1-all.Level))
}

func distance(x float64) string {
	if x > 1e6 {
		return "far"
	}
	return fmt.Sprintf("%.1f", x)
}
