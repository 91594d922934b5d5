package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// forecastFlags are what `nines capacity forecast` is told.
type forecastFlags struct {
	horizon, step, history string
	limit, floor, cap      string
	tiers, events          []string
	zone, column           string
	level                  float64
	counter, explain       bool
	ascii                  bool
	svg                    string
}

func (a *cli) capacityForecast() *cobra.Command {
	var o forecastFlags
	c := &cobra.Command{
		Use: "forecast QUERY|FILE", Short: "Forecast any PromQL or CSV with an interval, and when a limit is reached", Args: args(cobra.ExactArgs(1)),
		Long: "Forecast a series: the expected course, the interval that so many values should fall into, and when a limit is reached.\n\n" +
			"An argument that is the path of a file is read as CSV (timestamp,value; .gz is unpacked; - is standard input) and\n" +
			"forecast here; anything else is PromQL with one series as its result, which the server asks for and forecasts.",
		Example: "  nines capacity forecast 'sum(rate(http_requests_total{job=\"shop\"}[5m]))' --horizon 1h --history 6h --step 1m --limit 200\n" +
			"  nines capacity forecast disk.csv --horizon 30d --step 6h --limit 500e9 --cap 500e9\n" +
			"  nines capacity forecast requests.csv.gz --zone Europe/Berlin --event sale=2026-11-27/2026-11-28 --svg outlook.svg --explain",
		RunE: func(c *cobra.Command, words []string) error {
			answer, err := a.forecastOf(c, words[0], o)
			if err != nil {
				return err
			}
			if o.svg != "" && len(answer.Series) > 0 {
				chart := newForecastChart(answer.Query, answer.Series[0], answer.Level, o.marks(answer.Series[0]))
				if err := os.WriteFile(o.svg, []byte(chart.svg()), 0o644); err != nil {
					return fault.Wrap(fault.Invalid, err, "write the drawing")
				}
			}
			return a.show(answer, func() { a.printForecast(answer, o) })
		},
	}
	f := c.Flags()
	f.StringVar(&o.horizon, "horizon", "1d", "how far ahead")
	f.StringVar(&o.step, "step", "15m", "distance of two points")
	f.StringVar(&o.history, "history", "14d", "how far back to look; of a file, all of it unless given")
	f.StringVar(&o.limit, "limit", "", "value whose reaching is predicted")
	f.StringSliceVar(&o.tiers, "tiers", nil, "steps of capacity, such as 1000,5000,20000: the reaching of the next one is predicted")
	f.StringVar(&o.floor, "floor", "", "no prediction is below; 0 where no value is negative")
	f.StringVar(&o.cap, "cap", "", "no prediction is above, such as what a quota allows")
	f.StringArrayVar(&o.events, "event", nil, "what is known to be special, as NAME=FROM/TO or NAME=FROM/TO/FACTOR; may be repeated")
	f.StringVar(&o.zone, "zone", "", "time zone by whose clocks the workload's days go, such as Europe/Berlin; UTC unless given")
	f.BoolVar(&o.counter, "counter", false, "the values count up; their growth a second is forecast")
	f.StringVar(&o.column, "column", "", "name or number of the value's column in a file with several")
	f.Float64Var(&o.level, "level", 0.9, "of the interval: 0.9 means that nine in ten values should fall into it")
	f.BoolVar(&o.explain, "explain", false, "say which models carry the forecast and how well the last ones held")
	f.BoolVar(&o.ascii, "ascii", false, "draw with plain characters")
	f.StringVar(&o.svg, "svg", "", "file to draw to")
	return c
}

// forecastOf asks the server, or forecasts a file here.
func (a *cli) forecastOf(c *cobra.Command, what string, o forecastFlags) (httpapi.ForecastAnswer, error) {
	if info, err := os.Stat(what); what == "-" || err == nil && !info.IsDir() {
		return a.forecastFile(what, o, c.Flags().Changed("history"))
	}
	var answer httpapi.ForecastAnswer
	api, err := a.client()
	if err != nil {
		return answer, err
	}
	query := url.Values{"query": {what}, "horizon": {o.horizon}, "step": {o.step}, "history": {o.history},
		"level": {strconv.FormatFloat(o.level, 'g', -1, 64)}, "tier": o.tiers, "event": o.events}
	for name, value := range map[string]string{"limit": o.limit, "floor": o.floor, "cap": o.cap, "zone": o.zone} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if o.counter {
		query.Set("counter", "true")
	}
	err = api.get(c.Context(), "/capacity/forecast", query, &answer)
	return answer, err
}

// forecastFile forecasts a recorded series without a server.
func (a *cli) forecastFile(path string, o forecastFlags, cut bool) (httpapi.ForecastAnswer, error) {
	options, history, err := o.options()
	if err != nil {
		return httpapi.ForecastAnswer{}, err
	}
	read, err := a.readTrace(path, trace.Options{Column: o.column, Zone: options.Zone})
	if err != nil {
		return httpapi.ForecastAnswer{}, err
	}
	points := read.Points
	if cut {
		for len(points) > 0 && points[len(points)-1].At.Sub(points[0].At) > history {
			points = points[1:]
		}
	}
	f, err := forecast.Make(points, options)
	if err != nil {
		return httpapi.ForecastAnswer{}, err
	}
	if options.Counter {
		points = forecast.Rates(points, options.Step)
	}
	s := httpapi.NewForecastSeries(map[string]string{}, f, points)
	if limit, _ := number("limit", o.limit); limit != nil {
		reached := f.Reach(*limit)
		s.Reached, s.Mean, s.Earliest, s.Latest = &reached, reached.Mean, reached.Earliest, reached.Latest
	}
	tiers, err := o.steps()
	if err != nil {
		return httpapi.ForecastAnswer{}, err
	}
	if tier, ok := f.NextTier(tiers); ok {
		reached := f.Reach(tier)
		s.Tier = &reached
	}
	if read.Missing > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d rows of the file have no value", read.Missing))
	}
	return httpapi.ForecastAnswer{Query: path, At: f.At, Level: f.Level, Series: []httpapi.ForecastSeries{s}}, nil
}

// options reads the flags of a forecast that is made here, and how much history there should be.
func (o forecastFlags) options() (forecast.Options, time.Duration, error) {
	var history time.Duration
	f := forecast.Options{Level: o.level, Counter: o.counter}
	for _, span := range []struct {
		flag, text string
		to         *time.Duration
	}{{"horizon", o.horizon, &f.Horizon}, {"step", o.step, &f.Step}, {"history", o.history, &history}} {
		d, err := model.ParseDuration(span.text)
		if err != nil || d <= 0 {
			return f, 0, fault.New(fault.Invalid, "--%s %s is not a duration; write one such as 15m or 7d", span.flag, span.text)
		}
		*span.to = time.Duration(d)
	}
	var err error
	if f.Zone, err = time.LoadLocation(o.zone); err != nil {
		return f, 0, fault.New(fault.Invalid, "--zone %s is not a time zone; write one such as Europe/Berlin", o.zone)
	}
	if f.Floor, err = number("floor", o.floor); err != nil {
		return f, 0, err
	}
	if f.Cap, err = number("cap", o.cap); err != nil {
		return f, 0, err
	}
	if _, err = number("limit", o.limit); err != nil {
		return f, 0, err
	}
	for _, text := range o.events {
		event, err := forecast.ParseEvent(text)
		if err != nil {
			return f, 0, err
		}
		f.Events = append(f.Events, event)
	}
	return f, history, nil
}

func number(flag, text string) (*float64, error) {
	if text == "" {
		return nil, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x-x != 0 {
		return nil, fault.New(fault.Invalid, "--%s %s is not a number", flag, text)
	}
	return &x, nil
}

func (o forecastFlags) steps() ([]float64, error) {
	var tiers []float64
	for _, text := range o.tiers {
		x, err := number("tiers", strings.TrimSpace(text))
		if err != nil || x == nil {
			return nil, fault.New(fault.Invalid, "--tiers %s is not a number", text)
		}
		tiers = append(tiers, *x)
	}
	return tiers, nil
}

// marks are the values that a drawing shows as lines.
func (o forecastFlags) marks(s httpapi.ForecastSeries) []float64 {
	var marks []float64
	if s.Reached != nil {
		marks = append(marks, s.Reached.Limit)
	}
	if s.Tier != nil {
		marks = append(marks, s.Tier.Limit)
	}
	return marks
}

// mostRows keeps a printed forecast on one screen.
const mostRows = 12

func (a *cli) printForecast(answer httpapi.ForecastAnswer, o forecastFlags) {
	for _, s := range answer.Series {
		a.printf("%s\n", orMissing(labelText(s.Labels)))
		season := s.Season
		if season == "" {
			season = "none"
		}
		a.printf("%s; season %s; from %d points covering %s of the history\n", s.Method, season, s.History, percent(s.Coverage))
		for _, note := range s.Notes {
			a.printf("! %s\n", printable(note))
		}
		wide := width(a.out)
		if wide == 0 {
			wide = plainWidth
		}
		a.printf("\n%s\n", newForecastChart(answer.Query, s, answer.Level, o.marks(s)).text(wide, o.ascii))
		var rows [][]string
		every := max(1, (len(s.Points)+mostRows-1)/mostRows)
		for i := every - 1; i < len(s.Points); i += every {
			p := s.Points[i]
			rows = append(rows, []string{clock(p.At), quantity(p.Lower), quantity(p.Mean), quantity(p.Upper)})
		}
		a.table([]string{"at", fmt.Sprintf("lower %g %%", answer.Level*100), "expected", fmt.Sprintf("upper %g %%", answer.Level*100)}, rows)
		if s.Reached != nil {
			a.printf("\n%s\n", reached(*s.Reached))
		}
		if s.Tier != nil {
			a.printf("\nThe next tier: %s\n", reached(*s.Tier))
		}
		if o.explain {
			a.explainForecast(s)
		}
	}
	if o.svg != "" {
		a.printf("\nDrawn to %s.\n", o.svg)
	}
}

// leastShown is the weight below which a model is only counted.
const leastShown = 0.005

// explainForecast says what a forecast rests on and how far to trust it.
func (a *cli) explainForecast(s httpapi.ForecastSeries) {
	a.printf("\nIn %d forecasts made at earlier times of this history it would have been off by %s on average%s.\n",
		s.Past.Forecasts, quantity(s.Past.Error), compared(s.Past.Error, s.Past.Naive))
	switch h := s.Held; {
	case h == nil:
		a.printf("No forecast of this query has been judged yet; the intervals are as computed.\n")
	default:
		text := ""
		if h.Ratio != nil {
			text = fmt.Sprintf(", and their error was %.2f of that of repeating the last cycle", *h.Ratio)
		}
		a.printf("Of what came after the last %d judged forecasts of this query %s lay within the interval%s.\n", h.Forecasts, percent(h.Within), text)
	}
	var rows [][]string
	light := 0
	for _, m := range s.Models {
		if m.Weight < leastShown {
			light++
			continue
		}
		rows = append(rows, []string{m.Model, percent(m.Weight), quantity(m.Error)})
	}
	a.printf("\n")
	a.table([]string{"model", "weight", "mean error before"}, rows)
	if light > 0 {
		a.printf("%d more models weigh less than %s each.\n", light, percent(leastShown))
	}
}

func compared(own, naive float64) string {
	if naive <= 0 {
		return ""
	}
	return fmt.Sprintf(", %.2f of what repeating the last cycle would have been", own/naive)
}

// reached says when a limit is met: expected, by the interval's bounds, and how likely within the horizon.
func reached(r forecast.Reach) string {
	chance := ""
	if r.Chance != nil {
		chance = fmt.Sprintf(" (chance within the horizon at least %s)", percent(*r.Chance))
	}
	if r.Mean == nil && r.Earliest == nil && r.Latest == nil {
		return fmt.Sprintf("%s is not expected to be reached within the horizon%s.", quantity(r.Limit), chance)
	}
	return fmt.Sprintf("%s is reached %s; at the earliest %s, at the latest %s%s.", quantity(r.Limit), when(r.Mean), when(r.Earliest), when(r.Latest), chance)
}

func when(t *time.Time) string {
	if t == nil {
		return "not within the horizon"
	}
	return clock(*t)
}

func (a *cli) capacityForecasts() *cobra.Command {
	var subject, query string
	var judged bool
	var limit int
	c := &cobra.Command{
		Use: "forecasts", Short: "List kept forecasts and how they came out", Args: args(cobra.NoArgs),
		Example: "  nines capacity forecasts --workload shop --judged",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			asked := url.Values{"limit": {strconv.Itoa(limit)}}
			if subject != "" {
				asked.Set("subject", subject)
			}
			if query != "" {
				asked.Set("query", query)
			}
			if judged {
				asked.Set("judged", "true")
			}
			var body struct {
				Forecasts []forecast.Kept `json:"forecasts"`
			}
			if err := api.get(c.Context(), "/capacity/forecasts", asked, &body); err != nil {
				return err
			}
			return a.show(body, func() { a.printForecasts(body.Forecasts) })
		},
	}
	f := c.Flags()
	f.StringVar(&subject, "workload", "", "only of this workload")
	f.StringVar(&query, "query", "", "only of this PromQL, exactly as it was asked")
	f.BoolVar(&judged, "judged", false, "only those whose time has come")
	f.IntVar(&limit, "limit", 20, "how many, the newest first")
	return c
}

func (a *cli) printForecasts(all []forecast.Kept) {
	if len(all) == 0 {
		a.printf("No forecast is kept. Make one with: nines capacity forecast QUERY\n")
		return
	}
	var rows [][]string
	for _, k := range all {
		of := k.Subject
		if of == "" {
			of = k.Query
		}
		row := []string{clock(k.At), of, k.Inputs.Horizon.String(), "not yet", "", ""}
		if s := k.Score; s != nil {
			row[3], row[4] = fmt.Sprintf("%d of %d", s.Seen, s.Of), percent(s.Within)
			row[5] = quantity(s.Error)
			if r, ok := s.Ratio(); ok {
				row[5] += fmt.Sprintf(" (%.2f)", r)
			}
		}
		rows = append(rows, row)
	}
	a.table([]string{"made", "of", "ahead", "judged", "within", "error (of naive)"}, rows)
	a.printf("\nWithin: the share of what came that lay in the interval. Naive: repeating the last cycle, or the last value.\n")
}
