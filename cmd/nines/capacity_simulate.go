package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/capacity/simulate"
	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/spf13/cobra"
)

// simulateFlags is the command line of capacity simulate.
type simulateFlags struct {
	file, column, zone, from, to        string
	hpa                                 string
	set                                 func(flag string) bool // whether a flag was given
	step                                time.Duration
	between                             string
	policies                            []string
	target, usable, tolerance, level    float64
	sweep                               bool
	provisioning, stabilization, warmUp string
	perReplica                          float64
	peak, lowest, highest               int
	price, currency                     string
	svg                                 string
	ascii                               bool
}

func (a *cli) capacitySimulate() *cobra.Command {
	var o simulateFlags
	c := &cobra.Command{
		Use: "simulate --trace FILE", Args: args(cobra.NoArgs),
		Short: "Replay a recorded load through the HPA's algorithm and ours: missing capacity, replica-hours, cost",
		Long: "Replay a recorded load (CSV of timestamp,value; .gz is unpacked) through autoscaling policies:\n\n" +
			"  hpa         the HorizontalPodAutoscaler's algorithm (autoscaling/v2) with its default behaviour\n" +
			"  keda        the same on an external average value, as KEDA makes it\n" +
			"  predictive  the HPA, and replicas for a forecast's upper bound; a forecast never takes replicas away\n" +
			"              (its own regression; predictive:pool takes the forecast of \"capacity forecast\" instead)\n" +
			"  fixed:N     always N replicas\n" +
			"  oracle      perfect foresight: what no policy can do better\n\n" +
			"The beginning of the trace only trains (--warm-up). With predictive, the target is swept in any case, missing\n" +
			"capacity is compared at equal replica-hours, and a gate says whether a forecast may act for this load. Nothing\n" +
			"of this needs a server.",
		Example: "  nines capacity simulate --trace load.csv.gz --provisioning 5m\n" +
			"  nines capacity simulate --trace load.csv --policy hpa,predictive,fixed:12,oracle --target 60 --sweep --price 0.04 --svg frontier.svg\n" +
			"  kubectl get hpa shop -o yaml > hpa.yaml; nines capacity simulate --trace load.csv --per-replica 50 --hpa hpa.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			o.set = c.Flags().Changed
			return a.simulate(o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "trace", "", "CSV file of the load; - for standard input")
	f.StringVar(&o.column, "column", "", "name or number of the value's column, where there are several")
	f.DurationVar(&o.step, "step", 0, "distance of two rows, for files without times")
	f.StringVar(&o.zone, "zone", "UTC", "time zone of times written without one, such as Europe/Athens")
	f.StringVar(&o.from, "from", "", "begin of the part to replay, RFC 3339 or a date; unset: the whole file")
	f.StringVar(&o.to, "to", "", "end of that part")
	f.StringVar(&o.between, "between", "hold", "load between two rows: hold (that of the row before) or line (straight to the next)")
	f.StringSliceVar(&o.policies, "policy", []string{"hpa", "predictive", "oracle"}, "policies, separated by commas")
	f.StringVar(&o.hpa, "hpa", "", "HorizontalPodAutoscaler (autoscaling/v2) to take target, bounds and behaviour from; flags given win")
	f.Float64Var(&o.target, "target", 70, "utilisation that hpa, keda and predictive aim at, in per cent")
	f.BoolVar(&o.sweep, "sweep", false, "print and draw the frontiers over targets of 30 to 95 %")
	f.StringVar(&o.provisioning, "provisioning", "90s", "from wanting a replica to its taking load")
	f.Float64Var(&o.perReplica, "per-replica", 0, "load of one replica at 100 % utilisation; unset: by --peak-replicas")
	f.IntVar(&o.peak, "peak-replicas", 40, "replicas needed at the 99.9th percentile of the load, from which --per-replica follows")
	f.Float64Var(&o.usable, "usable", 100*simulate.DefaultUsable, "utilisation up to which the SLO holds, in per cent")
	f.IntVar(&o.lowest, "min", 1, "fewest replicas")
	f.IntVar(&o.highest, "max", 1000, "most replicas")
	f.Float64Var(&o.tolerance, "tolerance", 0.1, "of the HPA: no change while usage is within this share of the target")
	f.StringVar(&o.stabilization, "stabilization", "5m", "of the HPA: the highest recommendation of this time counts when scaling in")
	f.StringVar(&o.warmUp, "warm-up", "", "beginning of the trace that trains and is not scored; unset: a week, at most a third of the trace")
	f.Float64Var(&o.level, "level", simulate.DefaultLevel, "probability of a forecast's bound to hold")
	f.StringVar(&o.price, "price", "", "price of a replica-hour, such as 0.04")
	f.StringVar(&o.currency, "currency", "USD", "currency of the price, ISO 4217")
	f.StringVar(&o.svg, "svg", "", "file to draw the frontier to")
	f.BoolVar(&o.ascii, "ascii", false, "draw with plain characters")
	needs(c, "trace")
	return c
}

// simulateBody is what is shown, and the JSON.
type simulateBody struct {
	File         string            `json:"file"`
	Points       int               `json:"points"`
	Step         manifest.Duration `json:"step"` // median distance of two points
	TraceFrom    time.Time         `json:"traceFrom"`
	TraceTo      time.Time         `json:"traceTo"`
	Between      string            `json:"between"`
	Provisioning manifest.Duration `json:"provisioning"`
	Usable       float64           `json:"usable"` // share of a replica's capacity up to which the SLO holds
	Notes        []string          `json:"notes"`  // what was missing or is an assumption
	simulate.Study
	Costs    map[string]cost.Money `json:"costs,omitempty"` // of the scored days, by policy
	Currency string                `json:"currency,omitempty"`
}

func (a *cli) simulate(o simulateFlags) error {
	plan, notes, err := o.plan()
	if err != nil {
		return err
	}
	recorded, err := a.simulateTrace(o)
	if err != nil {
		return err
	}
	load, err := simulate.NewLoad(recorded, simulate.DefaultTick, simulate.Between(o.between))
	if err != nil {
		return err
	}
	if err := o.size(&plan, load); err != nil {
		return err
	}
	bar := newProgress(a.err)
	plan.Progress = bar.show
	study, err := plan.Run(load)
	bar.clear()
	if err != nil {
		return err
	}
	body := simulateBody{
		File: o.file, Points: len(recorded.Points), Step: manifest.Duration(recorded.Step), TraceFrom: load.Begin, TraceTo: load.Begin.Add(load.Length()),
		Between: o.between, Provisioning: manifest.Duration(plan.Provisioning), Usable: plan.Usable, Study: study,
		Notes: slices.Concat([]string{}, notes, recorded.Notes(), load.Notes()),
	}
	if err := o.priced(&body); err != nil {
		return err
	}
	return a.simulateShow(body, o)
}

// plan checks the command line and makes of it all that the trace need not be known for, with notes on what of the HPA
// is not followed.
func (o simulateFlags) plan() (simulate.Plan, []string, error) {
	p := simulate.Plan{Sweep: o.sweep, Foresight: simulate.Foresight{Level: o.level}}
	for _, text := range o.policies {
		s, err := simulate.ParseSpec(text)
		if err != nil {
			return p, nil, usageError{err}
		}
		p.Specs = append(p.Specs, s)
	}
	if err := o.check(); err != nil {
		return p, nil, err
	}
	provisioning, err := durationFlag("provisioning", o.provisioning)
	if err != nil {
		return p, nil, err
	}
	p.Setup = simulate.DefaultSetup(provisioning)
	p.Usable = o.usable / 100
	p.Predictors = map[string]func() simulate.Predictor{
		"pool": func() simulate.Predictor {
			return simulate.FromForecaster(forecast.Make, simulate.DefaultRefit)
		},
	}
	notes, err := o.autoscaler(&p)
	return p, notes, err
}

func (o simulateFlags) check() error {
	switch {
	case o.between != string(simulate.Hold) && o.between != string(simulate.Line):
		return usageError{fmt.Errorf("--between %q is neither hold nor line", o.between)}
	case o.target < 1 || o.target > 200:
		return usageError{fmt.Errorf("--target %g is not between 1 and 200 %%", o.target)}
	case !(o.level > 0.5 && o.level < 1):
		return usageError{fmt.Errorf("--level %g is not between 0.5 and 1", o.level)}
	case o.tolerance < 0 || o.tolerance >= 1:
		return usageError{fmt.Errorf("--tolerance %g is not between 0 and 1", o.tolerance)}
	case o.perReplica < 0:
		return usageError{errors.New("--per-replica is negative")}
	case o.perReplica == 0 && o.peak < 1:
		return usageError{errors.New("--peak-replicas is less than 1")}
	case o.step < 0:
		return usageError{errors.New("--step is negative")}
	}
	return nil
}

// autoscaler sets the HPA: that of the file, else the defaults; a flag that was given wins over the file.
func (o simulateFlags) autoscaler(p *simulate.Plan) ([]string, error) {
	stabilization, err := durationFlag("stabilization", o.stabilization)
	if err != nil {
		return nil, err
	}
	given := func(flag string) bool { return o.hpa == "" || o.set(flag) }
	var notes []string
	if o.hpa != "" {
		text, err := os.ReadFile(o.hpa)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read the HPA")
		}
		if p.HPA, notes, err = simulate.ReadHPA(manifest.File{Name: o.hpa, Text: string(text)}); err != nil {
			return nil, err
		}
	} else {
		p.HPA = simulate.DefaultHPA(o.target/100, o.lowest, o.highest)
	}
	if given("target") {
		p.HPA.Target = o.target / 100
	}
	if given("min") {
		p.HPA.Min = o.lowest
	}
	if given("max") {
		p.HPA.Max = o.highest
	}
	if given("tolerance") {
		p.HPA.ScaleUp.Tolerance, p.HPA.ScaleDown.Tolerance = o.tolerance, o.tolerance
	}
	if given("stabilization") {
		p.HPA.ScaleDown.Stabilization = stabilization
	}
	p.Target, p.Min, p.Max = p.HPA.Target, p.HPA.Min, p.HPA.Max
	return notes, nil
}

// durationFlag reads a duration such as 90s or 7d.
func durationFlag(flag, text string) (time.Duration, error) {
	var d manifest.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, usageError{fmt.Errorf("--%s %q is not a duration such as 90s or 7d", flag, text)}
	}
	return d.Std(), nil
}

// simulateTrace reads the part of the file that is meant.
func (a *cli) simulateTrace(o simulateFlags) (trace.Trace, error) {
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return trace.Trace{}, usageError{fmt.Errorf("--zone %q is no time zone such as Europe/Athens", o.zone)}
	}
	var bounds [2]time.Time
	for i, text := range []string{o.from, o.to} {
		if bounds[i], err = day(text, zone); err != nil {
			return trace.Trace{}, usageError{err}
		}
	}
	t, err := a.readTrace(o.file, trace.Options{Column: o.column, Step: o.step, Zone: zone})
	if err != nil {
		return trace.Trace{}, err
	}
	return t.Between(bounds[0], bounds[1]), nil
}

// day reads RFC 3339 or a date; the zero time for no text.
func day(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as 2026-11-01T00:00:00Z or 2026-11-01", text)
}

// size sets what follows from the load.
func (o simulateFlags) size(p *simulate.Plan, l simulate.Load) error {
	p.PerReplica = o.perReplica
	if p.PerReplica == 0 {
		p.PerReplica = p.ForPeak(l, o.peak)
	}
	if p.PerReplica == 0 {
		return fault.New(fault.Invalid, "the load is zero nearly everywhere, so --peak-replicas says nothing; give --per-replica")
	}
	p.WarmUp = simulate.WarmUpFor(l.Length())
	if o.warmUp == "" {
		return nil
	}
	warmUp, err := durationFlag("warm-up", o.warmUp)
	p.WarmUp = warmUp
	return err
}

// priced adds what each policy costs, exact to the smallest unit of the currency.
func (o simulateFlags) priced(b *simulateBody) error {
	if o.price == "" {
		return nil
	}
	price, ok := cost.ParseDecimal(o.price)
	if !ok || price.Sign() < 0 {
		return usageError{fmt.Errorf("--price %q is not a price such as 0.04", o.price)}
	}
	hour, _ := cost.ParseDecimal("3600")
	sheet := cost.PriceSheet{Name: "replicas", Currency: o.currency, Items: []cost.Item{{Name: "replica", Unit: "seconds", Per: hour, Price: price}}}
	b.Costs, b.Currency = map[string]cost.Money{}, o.currency
	for _, p := range b.Outcomes {
		seconds := cost.Usage{Item: "replica", Quantity: math.Round(p.ReplicaHours * 3600)}
		b.Costs[p.Policy] = cost.NewReport(sheet, []cost.Usage{seconds}, b.From, b.To).Total
	}
	return nil
}

func (a *cli) simulateShow(b simulateBody, o simulateFlags) error {
	title := fmt.Sprintf("%s, provisioning %s", strings.TrimSuffix(o.file[strings.LastIndex(o.file, "/")+1:], ".gz"), b.Provisioning)
	if o.svg != "" {
		if err := os.WriteFile(o.svg, []byte(b.Study.Chart(title).SVG()), 0o644); err != nil {
			return fault.Wrap(fault.Invalid, err, "write the drawing")
		}
	}
	return a.show(b, func() { a.printSimulation(b, o, title) })
}
