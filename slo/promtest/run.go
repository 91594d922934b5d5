package promtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// Result is what became of a check.
type Result struct {
	Check
	Outcome string `json:"outcome"`          // Passed, Failed, LeftOut or NotRun
	Detail  string `json:"detail,omitempty"` // what promtool had instead
}

// The outcomes.
const (
	Passed  = "passed"
	Failed  = "failed"
	LeftOut = "left out"
	NotRun  = "not run" // the files are written and nothing was there to run them
)

// Write puts the suite's files into the folder, which must be there. The error is fault.Invalid.
func (s Suite) Write(dir string) error {
	files := map[string][]byte{s.RuleFile(): s.Rules}
	if s.Unit != nil {
		files[s.UnitFile()] = s.Unit
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fault.Wrap(fault.Invalid, err, "write the unit test of %s", s.SLO)
		}
	}
	return nil
}

// Unrun returns the checks' results where nothing runs them.
func (s Suite) Unrun() []Result { return s.results(NotRun, "") }

// Run runs the suite's unit test in the folder that Write put it into. The error is fault.Unavailable where promtool
// cannot be started, and context's where it ended first.
func (s Suite) Run(ctx context.Context, promtool, dir string) ([]Result, error) {
	if s.Unit == nil {
		return s.Unrun(), nil
	}
	cmd := exec.CommandContext(ctx, promtool, "test", "rules", s.UnitFile())
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
		return s.results(Passed, ""), nil
	case !errors.As(err, &exit):
		return nil, fault.Wrap(fault.Unavailable, err, "start %s", promtool)
	}
	return s.results(Failed, string(said)), nil
}

// results gives every check that was tried the outcome, but where promtool named some that failed, only those.
func (s Suite) results(outcome, said string) []Result {
	named := false
	var out []Result
	for _, c := range s.Checks {
		r := Result{Check: c, Outcome: outcome}
		switch detail, failed := failure(said, c); {
		case c.LeftOut != "":
			r.Outcome, r.Detail = LeftOut, c.LeftOut
		case failed:
			named, r.Detail = true, detail
		}
		out = append(out, r)
	}
	for i, r := range out {
		if outcome != Failed || r.Outcome != Failed || r.Detail != "" {
			continue
		}
		if named {
			out[i].Outcome = Passed
		} else {
			out[i].Detail = brief(said)
		}
	}
	return out
}

// failure finds the check in what promtool printed, by the mark at its expression's end, and what was there instead.
func failure(said string, c Check) (detail string, failed bool) {
	_, after, found := strings.Cut(said, "# "+c.id()+`"`)
	if !found {
		return "", false
	}
	for _, line := range strings.SplitN(after, "\n", 6) {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "got:"); ok {
			return "want " + decimal(c.Want) + ", got " + strings.TrimSpace(what), true
		}
	}
	return "want " + decimal(c.Want), true
}

// brief is the end of a text, which is where the reason stands, on one line.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[max(0, len(text)-300):]
}
