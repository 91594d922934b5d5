package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/backtest"
	"github.com/spf13/cobra"
)

// backtestFlags is the command line of slo backtest.
type backtestFlags struct {
	files                []string
	id                   string
	url, token           string
	days                 float64
	end                  string
	incidents, samples   string
	slack, eval, timeout time.Duration
	recorded, noPeers    bool
	tune                 bool
	falsePages           float64
	svg                  string
	ascii                bool
}

func (a *cli) sloBacktest() *cobra.Command {
	var o backtestFlags
	c := &cobra.Command{
		Use: "backtest -f FILE (--prometheus-url URL | --samples FILE)", Args: args(cobra.NoArgs),
		Short: "Replay a promise's alerts over the past: what would have paged, and Sloth's and Pyrra's rules beside it",
		Long: "Replay the alerts of an SLO over the history of any Prometheus, or over counts in a CSV file (time,total,errors):\n" +
			"what would have paged and when, what it had cost by then, and how Sloth's and Pyrra's rules do on the same samples.\n" +
			"With --incidents (CSV: start,end,name) pages are called right or wrong: one is right when it overlaps an incident or\n" +
			"the --slack after it. With --tune, other windows and guards are tried for a wanted rate of false pages.",
		RunE: func(c *cobra.Command, _ []string) error { return a.backtest(c.Context(), o) },
	}
	f := c.Flags()
	f.StringSliceVarP(&o.files, "file", "f", nil, "file or folder of SLOs; - for standard input")
	f.StringVar(&o.id, "slo", "", "id of the SLO, where the files hold several")
	f.StringVar(&o.url, "prometheus-url", os.Getenv("NINES_PROMETHEUS_URL"), "Prometheus API to read from (NINES_PROMETHEUS_URL)")
	f.StringVar(&o.token, "prometheus-token", os.Getenv("NINES_PROMETHEUS_TOKEN"), "bearer token for it (NINES_PROMETHEUS_TOKEN)")
	f.StringVar(&o.samples, "samples", "", "CSV of time,total,errors instead of a Prometheus; further columns are labels")
	f.Float64Var(&o.days, "days", 30, "days to replay")
	f.StringVar(&o.end, "to", "", "end of the time to replay, RFC 3339; unset: now, or the last of --samples")
	f.StringVar(&o.incidents, "incidents", "", "CSV of known incidents: start,end,name")
	f.DurationVar(&o.slack, "slack", backtest.DefaultSlack, "how long after an incident a page still belongs to it")
	f.BoolVar(&o.recorded, "recorded", false, "read recorded increments (slo:sli_*:delta*) instead of the raw series")
	f.BoolVar(&o.noPeers, "no-peers", false, "leave Sloth and Pyrra out")
	f.DurationVar(&o.eval, "sloth-eval", 30*time.Second, "evaluation interval of Sloth's rules")
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "for one question to Prometheus")
	f.BoolVar(&o.tune, "tune", false, "propose windows and guard for --false-pages")
	f.Float64Var(&o.falsePages, "false-pages", 0.1, "false pages wanted at most, for 30 days")
	f.StringVar(&o.svg, "svg", "", "file to draw to")
	f.BoolVar(&o.ascii, "ascii", false, "draw with plain characters")
	needs(c, "file")
	return c
}

func (o backtestFlags) check() error {
	switch {
	case o.url == "" && o.samples == "":
		return usageError{errors.New("--prometheus-url or --samples is missing: where is the history?")}
	case o.url != "" && o.samples != "" && os.Getenv("NINES_PROMETHEUS_URL") != o.url:
		return usageError{errors.New("--prometheus-url and --samples are two histories; give one")}
	case o.days <= 0 || o.days > 400:
		return usageError{fmt.Errorf("--days %v is not between 0 and 400", o.days)}
	case o.slack < 0:
		return usageError{errors.New("--slack is negative")}
	case o.eval < time.Second:
		return usageError{errors.New("--sloth-eval is shorter than a second")}
	case o.falsePages < 0:
		return usageError{errors.New("--false-pages is negative")}
	}
	return nil
}

func (a *cli) backtest(ctx context.Context, o backtestFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	s, err := a.backtestSLO(o)
	if err != nil {
		return err
	}
	options, err := a.backtestOptions(o)
	if err != nil {
		return err
	}
	bar := newProgress(a.err)
	options.Progress = bar.show
	replay, err := a.backtestRead(ctx, s, o, options)
	bar.clear()
	if err != nil {
		return err
	}
	return a.backtestShow(ctx, replay, o)
}

// backtestSLO reads the one SLO that is meant.
func (a *cli) backtestSLO(o backtestFlags) (slo.SLO, error) {
	files, err := definitions.Files(o.files, a.in)
	if err != nil {
		return slo.SLO{}, err
	}
	set, problems := definitions.LoadSLOs(files)
	if err := problems.Err(); err != nil {
		return slo.SLO{}, err
	}
	var all []slo.SLO
	var ids []string
	for _, s := range set {
		for _, one := range s.All() {
			all, ids = append(all, one), append(ids, one.ID)
		}
	}
	if len(all) == 1 && o.id == "" {
		return all[0], nil
	}
	if o.id == "" {
		return slo.SLO{}, usageError{fmt.Errorf("the files hold %d SLOs; name one with --slo: %s", len(all), strings.Join(ids, ", "))}
	}
	if i := slices.Index(ids, o.id); i >= 0 {
		return all[i], nil
	}
	return slo.SLO{}, usageError{fmt.Errorf("there is no SLO %q in the files; there are: %s", o.id, strings.Join(ids, ", "))}
}

func (a *cli) backtestOptions(o backtestFlags) (backtest.Options, error) {
	out := backtest.Options{Slack: o.slack, Recorded: o.recorded, Peers: !o.noPeers, PeerEval: o.eval, Known: o.incidents != ""}
	if o.end != "" {
		at, err := time.Parse(time.RFC3339, o.end)
		if err != nil {
			return out, usageError{fmt.Errorf("--to %q is not a time such as 2026-11-01T00:00:00Z", o.end)}
		}
		out.To = at
	}
	if o.incidents == "" {
		return out, nil
	}
	in, err := os.Open(o.incidents)
	if err != nil {
		return out, fault.Wrap(fault.Invalid, err, "read the incidents")
	}
	defer in.Close()
	known, problems := backtest.ReadIncidents(o.incidents, in)
	out.Incidents = known
	return out, problems.Err()
}

// backtestRead gets the history, from the file or from Prometheus.
func (a *cli) backtestRead(ctx context.Context, s slo.SLO, o backtestFlags, options backtest.Options) (*backtest.Replay, error) {
	span := time.Duration(o.days * 24 * float64(time.Hour))
	if o.samples != "" {
		rows, err := a.backtestRows(o.samples)
		if err != nil {
			return nil, err
		}
		if options.To.IsZero() {
			for _, r := range rows {
				if r.At.After(options.To) {
					options.To = r.At
				}
			}
			options.To = options.To.Add(s.Defaulted().Interval - 1)
		}
		options.From = options.To.Add(-span)
		return backtest.FromRows(s, rows, options)
	}
	if options.To.IsZero() {
		options.To = time.Now()
	}
	options.From = options.To.Add(-span)
	client, err := prom.New(o.url, prom.Options{Token: o.token, Timeout: o.timeout, Transport: uncompressedNearby(o.url)})
	if err != nil {
		return nil, err
	}
	return backtest.Read(ctx, history{client}, s, options)
}

// uncompressedNearby returns a transport that does not ask for compression on this very machine, where packing a month of
// samples costs more than moving it.
func uncompressedNearby(base string) http.RoundTripper {
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	plain, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil
	}
	plain = plain.Clone()
	plain.DisableCompression = true
	return plain
}

func (a *cli) backtestRows(path string) ([]backtest.Row, error) {
	var in io.Reader = a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read the counts")
		}
		defer f.Close()
		in = f
	}
	rows, problems := backtest.ReadRows(path, in)
	return rows, problems.Err()
}

// history is a Prometheus as the backtest asks it.
type history struct{ *prom.Client }

// Range implements backtest.Source.
func (h history) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]backtest.Series, error) {
	if from.After(to) {
		return nil, nil
	}
	found, err := h.QueryRange(ctx, expr, from, to, step)
	return seriesOf(found), err
}

// Samples implements backtest.Source.
func (h history) Samples(ctx context.Context, selector string, from, to time.Time) ([]backtest.Series, error) {
	found, err := h.Client.Samples(ctx, selector, from, to)
	return seriesOf(found), err
}

func seriesOf(found []prom.Series) []backtest.Series {
	out := make([]backtest.Series, len(found))
	for i, s := range found {
		out[i] = backtest.Series{Labels: s.Labels, At: make([]int64, len(s.Points)), Values: make([]float64, len(s.Points))}
		for n, p := range s.Points {
			out[i].At[n], out[i].Values[n] = p.At.UnixMilli(), p.Value
		}
	}
	return out
}
