package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Formats that rules are written in.
const (
	formatGroups = "prometheus"     // a rule file
	formatObject = "prometheusrule" // objects of the Prometheus operator
)

// generateFlags is the command line of slo generate.
type generateFlags struct {
	inputs, extra               []string
	plugins                     [3][]string // folders, by flag
	out, runbooks, format       string
	namespace                   string
	exclude, include            string
	period, windows             string
	noRecordings, noAlerts      bool
	strict, quiet               bool
	ruler                       rulerFlags
	excluded, included          *regexp.Regexp
	labels                      map[string]string
	rolling                     time.Duration
	unoptimized, debug, noColor bool   // of Sloth's, without effect
	logger                      string // likewise
}

func (a *cli) sloGenerate() *cobra.Command {
	var g generateFlags
	c := &cobra.Command{
		Use: "generate -i FILE [-o FILE]", Short: "Write Prometheus rules of SLO files of any format, or keep a ruler's; needs no server", Args: args(cobra.NoArgs),
		Long: "Write the recording and alerting rules of SLO files (nines/v1, Sloth's two formats, OpenSLO v1) for any Prometheus,\n" +
			"as a rule file or as PrometheusRule objects, or keep a namespace of a Mimir or Cortex ruler as the files say.\n\n" +
			"An output that is a folder gets the files of an input folder under the same names, and of an input file one an SLO;\n" +
			"anything else is one file. SLOs with problems are left out and listed with file and line, the others are written,\n" +
			"and the exit code is 3; with --strict nothing is written then. Files are replaced whole or not at all.\n\n" +
			"The flags of 'sloth generate' are taken with the same meaning.",
		Example: "  nines slo generate -i slos/ -o rules/\n  nines slo generate -i shop.yaml --format prometheusrule --namespace monitoring | kubectl apply -f -\n" +
			"  nines slo generate -i slos/ --ruler-url https://mimir.example --ruler-tenant acme --dry-run",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := g.check(c.Flags().Changed); err != nil {
				return usageError{err}
			}
			return a.generate(c.Context(), g)
		},
	}
	g.register(c.Flags())
	needs(c, "input")
	return c
}

func (g *generateFlags) register(f *pflag.FlagSet) {
	f.StringSliceVarP(&g.inputs, "input", "i", nil, "file or folder of SLOs; - for standard input (can be repeated)")
	f.StringVarP(&g.out, "out", "o", "-", "file or folder to write to (a folder exists or ends with /); - prints")
	f.StringVar(&g.format, "format", "", "prometheus (a rule file) or prometheusrule (Kubernetes objects); unset: as the input, PrometheusServiceLevels become objects")
	f.StringVar(&g.namespace, "namespace", "", "Kubernetes namespace of the PrometheusRule objects; unset keeps that of the input")
	f.StringVar(&g.runbooks, "runbook-url", "", "base URL of runbooks, such as http://127.0.0.1:9990/runbooks")
	f.BoolVar(&g.strict, "strict", false, "write nothing where any SLO has a problem")
	f.StringArrayVarP(&g.extra, "extra-labels", "l", nil, "label for every SLO, name=value (can be repeated); it stands where the SLO's own do: on sloth_slo_info and alerts")
	f.BoolVar(&g.noRecordings, "disable-recordings", false, "write no recording rules; the alerts need them from elsewhere")
	f.BoolVar(&g.noAlerts, "disable-alerts", false, "write no alerting rules")
	f.StringVarP(&g.exclude, "fs-exclude", "e", "", "regular expression of file paths in input folders to pass over")
	f.StringVarP(&g.include, "fs-include", "n", "", "regular expression of file paths in input folders to read, and no others; --fs-exclude wins")
	f.StringVar(&g.period, "default-slo-period", "30d", "period of SLOs in Sloth's formats, which cannot name one")
	f.StringVar(&g.windows, "slo-period-windows-path", "", "folder of Sloth's AlertWindows documents: the burn alerts of SLOs by their period, in place of the usual ones")
	f.StringArrayVarP(&g.plugins[0], "sli-plugins-path", "p", nil, "folder of Sloth's SLI plugins; they are programs, which are not run: one found there is an error")
	f.StringArrayVarP(&g.plugins[1], "slo-plugins-path", "m", nil, "likewise for SLO plugins")
	f.StringArrayVar(&g.plugins[2], "plugins-path", nil, "likewise for both")
	f.BoolVar(&g.unoptimized, "disable-optimized-rules", false, "no effect: every window is summed from exact increments, there is nothing less exact to turn off")
	f.BoolVar(&g.quiet, "no-log", false, "leave notes on how SLOs are read off standard error")
	f.BoolVar(&g.debug, "debug", false, "no effect, for Sloth's command lines")
	f.BoolVar(&g.noColor, "no-color", false, "no effect: nothing is coloured")
	f.StringVar(&g.logger, "logger", "default", "no effect, for Sloth's command lines: default or json")
	g.ruler.register(f)
}

// check reads what flags mean; its errors are of usage.
func (g *generateFlags) check(set func(string) bool) (err error) {
	switch {
	case g.format != "" && g.format != formatGroups && g.format != formatObject:
		return fmt.Errorf("--format %q is not known; write prometheus or prometheusrule", g.format)
	case g.format == formatGroups && g.namespace != "":
		return errors.New("--namespace is for --format prometheusrule")
	case g.logger != "default" && g.logger != "json":
		return fmt.Errorf("--logger %q is not known; write default or json", g.logger)
	}
	if g.excluded, err = expression("fs-exclude", g.exclude); err != nil {
		return err
	}
	if g.included, err = expression("fs-include", g.include); err != nil {
		return err
	}
	period, err := model.ParseDuration(g.period)
	if g.rolling = time.Duration(period); err != nil || g.rolling < 24*time.Hour || g.rolling > 366*24*time.Hour {
		return fmt.Errorf("--default-slo-period %q is not a length from 1d to 366d, such as 28d", g.period)
	}
	g.labels = map[string]string{}
	for _, text := range g.extra {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--extra-labels %q is not name=value", text)
		}
		g.labels[name] = value
	}
	if _, err := (slo.SLO{}).WithLabels(g.labels); err != nil {
		return fmt.Errorf("--extra-labels: %s", fault.Public(err).Message)
	}
	if g.out == "-" {
		g.out = ""
	}
	if err := g.ruler.check(set); err != nil {
		return err
	}
	return g.apart()
}

func expression(flag, text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return re, nil
}

// apart refuses to write rules over the definitions they are made of.
func (g *generateFlags) apart() error {
	if g.out == "" {
		return nil
	}
	for _, in := range g.inputs {
		if in != "-" && resolved(in) == resolved(g.out) {
			return fmt.Errorf("%s is input and output; write the rules somewhere else", in)
		}
	}
	return nil
}

func resolved(path string) string {
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		path = followed
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

func (a *cli) generate(ctx context.Context, g generateFlags) error {
	if err := noPlugins(slices.Concat(g.plugins[:]...)); err != nil {
		return err
	}
	made, err := a.load(g)
	if err != nil {
		return err
	}
	if len(made.slos) == 0 && len(made.problems) == 0 {
		return fault.New(fault.Invalid, "there is no SLO in %s", strings.Join(g.inputs, ", "))
	}
	if !g.quiet && !a.json {
		for _, n := range made.notes {
			fmt.Fprintf(a.err, "note: %s\n", printable(n.String()))
		}
	}
	if g.ruler.url != "" {
		return a.keepRuler(ctx, g, made)
	}
	return a.writeRules(g, made)
}

// noPlugins refuses folders with plugins: whoever names one expects it to do something.
func noPlugins(folders []string) error {
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(d.Name(), "plugin.go") {
				return fault.New(fault.Invalid, "%s is a plugin, a program that Nines does not run; leave the plugins path out, and write under events the queries that an SLI plugin makes", path)
			}
			return err
		})
		if fault.Is(err, fault.Invalid) {
			return err
		}
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "read the plugins path %s", folder)
		}
	}
	return nil
}

// generated is what was read and may be written: SLOs without problems.
type generated struct {
	slos     []definitions.Placed
	names    map[string]string // of files from input folders: their names below the folder
	notes    slo.Notes
	problems manifest.Problems
}

// without takes an SLO's problem down.
func (m *generated) without(p definitions.Placed, err error) {
	m.problems = append(m.problems, p.Problem(message(faultOf(err))))
}

func faultOf(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.Wrap(fault.Internal, err, "it did not work")
}

func (a *cli) load(g generateFlags) (generated, error) {
	made := generated{names: map[string]string{}}
	files := a.readInputs(g, &made)
	if len(files) > 0 {
		slos, notes, problems := definitions.LoadEach(files, g.outputs(&made))
		made.slos, made.notes, made.problems = slos, notes, append(made.problems, problems...)
	}
	catalog, err := alertWindows(g.windows)
	if err != nil {
		return made, err
	}
	slos := made.slos
	made.slos = nil
	for _, p := range slos {
		s, err := g.adjust(p.SLO, catalog, &made)
		if err != nil {
			made.without(p, err)
			continue
		}
		p.SLO = s
		made.slos = append(made.slos, p)
	}
	return made, nil
}

// outputs returns which files make one output: ids are to be unique in it. Rules of an input folder that go to a folder
// stay apart file by file, as they may be for different places.
func (g *generateFlags) outputs(made *generated) func(file string) string {
	apart := isFolder(g.out) && g.ruler.url == ""
	return func(file string) string {
		if apart {
			return made.names[file]
		}
		return ""
	}
}

// readInputs reads the files; one that cannot be read is a problem.
func (a *cli) readInputs(g generateFlags, made *generated) []manifest.File {
	keep := func(path string) bool {
		return (g.excluded == nil || !g.excluded.MatchString(path)) && (g.included == nil || g.included.MatchString(path))
	}
	var files []manifest.File
	for _, in := range g.inputs {
		var (
			some     []manifest.File
			problems manifest.Problems
			err      error
		)
		if in != "-" && isFolder(in) {
			some, problems, err = definitions.Discover(in, keep)
			for _, f := range some {
				if name, err := filepath.Rel(in, f.Name); err == nil {
					made.names[f.Name] = name
				}
			}
		} else {
			some, err = definitions.Files([]string{in}, a.in)
		}
		if err != nil {
			problems = append(problems, manifest.Problem{File: in, Message: message(faultOf(err))})
		}
		made.problems = append(made.problems, problems...)
		files = append(files, some...)
	}
	return files
}

func alertWindows(folder string) ([]slo.AlertWindows, error) {
	if folder == "" {
		return nil, nil
	}
	catalog, problems, err := definitions.AlertWindows(folder)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, &fault.Error{Kind: fault.Invalid, Message: "the catalog of windows has problems; nothing was written", Details: details(problems)}
	}
	return catalog, nil
}

// adjust gives the SLO what the command line says of all.
func (g *generateFlags) adjust(s slo.SLO, catalog []slo.AlertWindows, made *generated) (slo.SLO, error) {
	if s.Spec == slo.SlothVersion || s.Spec == slo.ServiceLevelVersion {
		s.Window = slo.Window{Rolling: g.rolling}
	}
	if at := slices.IndexFunc(catalog, func(w slo.AlertWindows) bool { return w.Fits(s) }); at >= 0 {
		var err error
		if s, err = catalog[at].On(s); err != nil {
			return s, err
		}
	} else if len(catalog) > 0 && len(s.Alerting.Tiers) == 0 {
		made.noteOnce(manifest.Problem{File: g.windows, Message: fmt.Sprintf("has no windows for %s; SLOs of that period have the usual ones, scaled", periodOf(s))})
	}
	return s.WithLabels(g.labels)
}

func periodOf(s slo.SLO) string {
	if s.Window.Calendar != "" {
		return "calendar windows"
	}
	return model.Duration(s.Window.Rolling).String()
}

func (m *generated) noteOnce(p manifest.Problem) {
	if !slices.ContainsFunc(m.notes, func(n slo.Note) bool { return n.Problem == p }) {
		m.notes = append(m.notes, slo.Note{Problem: p})
	}
}

// details returns the problems for an error.
func details(problems manifest.Problems) []fault.Detail {
	var f *fault.Error
	if errors.As(problems.Err(), &f) {
		return f.Details
	}
	return nil
}

func (g *generateFlags) options() slo.RuleOptions {
	return slo.RuleOptions{NoRecordings: g.noRecordings, NoAlerts: g.noAlerts, RunbookURL: func(s slo.SLO) string {
		if g.runbooks == "" || s.Alerting.Runbook == "" {
			return ""
		}
		return strings.TrimRight(g.runbooks, "/") + "/" + s.Alerting.Runbook
	}}
}
