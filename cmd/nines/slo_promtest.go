package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/promtest"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// ruleTests is the outcome of slo test, for --json.
type ruleTests struct {
	SLOs    int               `json:"slos"`
	Passed  int               `json:"passed"`
	Failed  int               `json:"failed"`
	LeftOut int               `json:"leftOut"`
	NotRun  int               `json:"notRun"`
	Folder  string            `json:"folder,omitempty"` // where the files are
	Checks  []promtest.Result `json:"checks"`
}

func (a *cli) sloTest() *cobra.Command {
	var inputs []string
	var dir, promtool string
	c := &cobra.Command{
		Use: "test -i FILE [-o DIR]", Short: "Unit-test the rules of SLO files in promtool; needs no server", Args: args(cobra.NoArgs),
		Long: "Write the rules of each SLO and a promtool unit test of them, and run it. Input series are made up from the SLO's\n" +
			"own selectors: a healthy service must be silent, a total outage must page by the time computed from the definition,\n" +
			"with its labels, and the page must end; no traffic is silent, lost targets are told, and the recorded error ratio is\n" +
			"right. What no series can be made up for is left out, and why is said. Without promtool the files are written only.",
		Example: "  nines slo test -i slos/\n  nines slo test -i slos/shop.yaml -o rules-under-test/ --promtool ./promtool",
		RunE: func(c *cobra.Command, _ []string) error {
			files, err := definitions.Files(inputs, a.in)
			if err != nil {
				return err
			}
			set, problems := definitions.LoadSLOs(files)
			if err := problems.Err(); err != nil {
				return err
			}
			if len(set) == 0 {
				return fault.New(fault.Invalid, "there is no SLO in %s", strings.Join(inputs, ", "))
			}
			return a.testRules(c.Context(), set, dir, promtool)
		},
	}
	f := c.Flags()
	f.StringSliceVarP(&inputs, "input", "i", nil, "file or folder of SLOs; - for standard input")
	f.StringVarP(&dir, "out", "o", "", "folder to keep the rules and unit tests in; unset leaves none")
	f.StringVar(&promtool, "promtool", "", "promtool to run; unset: the one in PATH")
	needs(c, "input")
	return c
}

func (a *cli) testRules(ctx context.Context, set []slo.SLO, dir, promtool string) error {
	tool, err := findPromtool(promtool)
	if err != nil && (promtool != "" || dir == "") {
		return err
	}
	keep := dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "nines-slo-test-"); err != nil {
			return fault.Wrap(fault.Invalid, err, "make a folder for the unit tests")
		}
		defer os.RemoveAll(dir)
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Invalid, err, "make the folder %s", dir)
	}
	results, err := a.runSuites(ctx, set, dir, tool)
	if err != nil {
		return err
	}
	told := ruleTests{SLOs: len(set), Folder: keep}
	for _, some := range results {
		told.Checks = append(told.Checks, some...)
	}
	told.count()
	if err := a.show(told, func() { a.printRuleTests(told) }); err != nil {
		return err
	}
	if told.Failed > 0 {
		return fmt.Errorf("%d of %d checks failed", told.Failed, told.Failed+told.Passed)
	}
	return nil
}

// findPromtool returns an absolute path, because the tests run in a folder of their own.
func findPromtool(named string) (string, error) {
	name := named
	if name == "" {
		name = "promtool"
	}
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	switch {
	case err == nil:
		return path, nil
	case named != "":
		return "", fault.Wrap(fault.Unavailable, err, "find --promtool %s", named)
	}
	return "", fault.New(fault.Unavailable, "promtool, which comes with Prometheus, is not in PATH; name it by --promtool, or write the files with -o DIR and run them elsewhere")
}

// runSuites writes and runs every SLO's unit test, a few at a time.
func (a *cli) runSuites(ctx context.Context, set []slo.SLO, dir, tool string) ([][]promtest.Result, error) {
	results := make([][]promtest.Result, len(set))
	bar := newProgress(a.err)
	defer bar.clear()
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range set {
		g.Go(func() error {
			suite, err := promtest.Of(s, slo.RuleOptions{})
			if err != nil {
				return err
			}
			if err := suite.Write(dir); err != nil {
				return err
			}
			if results[i] = suite.Unrun(); tool != "" {
				results[i], err = suite.Run(ctx, tool, dir)
			}
			bar.show(int(done.Add(1)), len(set), "testing rules")
			return err
		})
	}
	return results, g.Wait()
}

func (t *ruleTests) count() {
	for _, r := range t.Checks {
		switch r.Outcome {
		case promtest.Passed:
			t.Passed++
		case promtest.Failed:
			t.Failed++
		case promtest.LeftOut:
			t.LeftOut++
		default:
			t.NotRun++
		}
	}
}

func (a *cli) printRuleTests(t ruleTests) {
	var rows [][]string
	for _, r := range shortened(t.Checks) {
		what := r.Means
		if r.Detail != "" {
			what = r.Detail
		}
		rows = append(rows, []string{r.SLO, r.Name, r.Outcome, what})
	}
	a.table([]string{"promise", "check", "outcome", "what"}, rows)
	a.printf("\n%d promises: %d checks passed, %d failed, %d left out", t.SLOs, t.Passed, t.Failed, t.LeftOut)
	if t.NotRun > 0 {
		a.printf(", %d not run, since promtool is not in PATH.\nRun them where it is: cd %s && promtool test rules *.test.yaml\n", t.NotRun, printable(t.Folder))
		return
	}
	a.printf(".\n")
	if t.Folder != "" {
		a.printf("The files are in %s; run them again with: cd %[1]s && promtool test rules *.test.yaml\n", printable(t.Folder))
	}
}

// shortened makes one line of all of a promise's checks where they are left out for one reason.
func shortened(checks []promtest.Result) []promtest.Result {
	var out []promtest.Result
	for i := 0; i < len(checks); {
		j := i
		for j < len(checks) && checks[j].SLO == checks[i].SLO && checks[j].LeftOut != "" && checks[j].LeftOut == checks[i].LeftOut {
			j++
		}
		one := checks[i]
		if j-i > 2 {
			one.Name = "all"
		} else {
			j = i + 1
		}
		out, i = append(out, one), j
	}
	return out
}
