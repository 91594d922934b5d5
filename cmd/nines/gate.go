package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes of the gate beside the usual ones.
const (
	exitRefused  = 4 // frozen
	exitApproval = 5 // a second person must approve it
)

// notAllowed is a verdict that is no error of ours: it was answered, and the exit code says what.
type notAllowed struct {
	code   int
	reason string
}

func (n notAllowed) Error() string { return n.reason }

// gateFlags is what one asks the gate.
type gateFlags struct {
	service, change, kind, author, description, environment string
	dryRun                                                  bool
	onError                                                 string
	wait                                                    time.Duration
}

// What the gate does when it cannot be asked.
const (
	onErrorRefuse = "refuse"
	onErrorAllow  = "allow"
)

// gateTimeout bounds one request: the gate answers within five seconds or says that it cannot.
const gateTimeout = 15 * time.Second

// approvalPoll is how often a waiting gate looks whether somebody approved.
const approvalPoll = 5 * time.Second

func (a *cli) gateCommand() *cobra.Command {
	var f gateFlags
	c := &cobra.Command{
		Use: "gate", Short: "May this change go? Asks the error-budget policies, for pipelines", Args: args(cobra.NoArgs),
		Long: "Asks whether a change to a service may go, by the error-budget policies, and records it, so that incidents that follow\n" +
			"show it. The same change asked for again within 24 hours is one change, until 'nines changes finish'.\n\n" +
			"Exit codes:\n" +
			"  0  it may go\n" +
			"  4  refused: changes of the service are frozen\n" +
			"  5  a second person must approve it: nines changes approve NUMBER\n" +
			"  1  the gate could not be asked (with --on-error allow: 0 and a warning; not where the request itself is wrong)\n" +
			"  2  the command line is wrong\n" +
			"  3  the change has problems, which are listed\n\n" +
			"In GitHub Actions the verdict is also written to the job's summary.",
		Example: "  nines gate --service shop --change \"$GITHUB_SHA\" --wait-approval 30m\n" +
			"  nines gate --service shop --change release-117 --kind rollback\n" +
			"  nines gate --service shop --change release-118 --dry-run --json",
		RunE: func(c *cobra.Command, _ []string) error {
			if f.onError != onErrorRefuse && f.onError != onErrorAllow {
				return usageError{fmt.Errorf("--on-error %q is neither refuse nor allow", f.onError)}
			}
			return a.gate(c.Context(), f)
		},
	}
	needs(c, "service", "change")
	s := c.Flags()
	s.StringVar(&f.service, "service", "", "service that changes, or all")
	s.StringVar(&f.change, "change", "", "what identifies the change: a commit, a release, a URL")
	s.StringVar(&f.kind, "kind", slo.DefaultChangeKind, "deploy, config, flag, rollback, security, fix or a word of your own")
	s.StringVar(&f.author, "author", pipelineAuthor(), "who made it (GITHUB_ACTOR, GITLAB_USER_LOGIN); authors cannot approve their own")
	s.StringVar(&f.description, "description", "", "what it does, for people")
	s.StringVar(&f.environment, "environment", "", "where it goes, such as production; the same change elsewhere is another one")
	s.BoolVar(&f.dryRun, "dry-run", false, "only ask; record nothing")
	s.DurationVar(&f.wait, "wait-approval", 0, "wait so long for an approval where one is needed, such as 30m")
	s.StringVar(&f.onError, "on-error", onErrorRefuse, "refuse or allow where the gate cannot be asked")
	return c
}

// pipelineAuthor is who a pipeline runs for.
func pipelineAuthor() string { return envOr("GITHUB_ACTOR", os.Getenv("GITLAB_USER_LOGIN")) }

// gate asks, shows and decides the exit code.
func (a *cli) gate(ctx context.Context, f gateFlags) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	api.http.Timeout = gateTimeout
	answer, err := a.askGate(ctx, api, f)
	if err != nil {
		return a.unanswered(ctx, f, err)
	}
	a.summarize(answer)
	if err := a.show(answer, func() { a.printGate(answer) }); err != nil {
		return err
	}
	switch {
	case answer.Allowed:
		return nil
	case answer.Action == slo.Approve:
		return notAllowed{exitApproval, answer.Headline}
	}
	return notAllowed{exitRefused, answer.Headline}
}

// askGate asks, and waits for an approval where that was wanted.
func (a *cli) askGate(ctx context.Context, api *client, f gateFlags) (httpapi.GateAnswer, error) {
	answer, err := askOnce(ctx, api, f)
	if err != nil || answer.Action != slo.Approve || f.wait <= 0 || f.dryRun {
		return answer, err
	}
	fmt.Fprintf(a.err, "%s\nWaiting up to %s for: nines changes approve %d\n", printable(answer.Headline), short(f.wait), answer.Change.Number)
	return waitApproval(ctx, api, f, answer, approvalPoll, progressOf(a.err))
}

func askOnce(ctx context.Context, api *client, f gateFlags) (answer httpapi.GateAnswer, err error) {
	err = api.post(ctx, "/gate", map[string]any{
		"service": f.service, "change": f.change, "kind": f.kind, "author": f.author, "description": f.description,
		"environment": f.environment, "dryRun": f.dryRun,
	}, &answer)
	return answer, err
}

// waitApproval looks every so often whether somebody approved, and then asks again, since budgets go on burning. A look
// that fails is tried again until the time is over; then the answer is the last one.
func waitApproval(ctx context.Context, api *client, f gateFlags, answer httpapi.GateAnswer, every time.Duration, progress func(left time.Duration)) (httpapi.GateAnswer, error) {
	until := time.Now().Add(f.wait)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for time.Now().Before(until) {
		select {
		case <-ctx.Done():
			return answer, ctx.Err()
		case <-tick.C:
		}
		progress(time.Until(until))
		var c httpapi.Change
		if err := api.get(ctx, changePath(answer.Change.ID), nil, &c); err != nil {
			if !unreachable(err) {
				return answer, err
			}
			continue
		}
		if c.Standing == slo.Allow {
			return askOnce(ctx, api, f)
		}
	}
	return answer, nil
}

// progressOf says on a terminal how long is left, in one line that overwrites itself.
func progressOf(w io.Writer) func(time.Duration) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(time.Duration) {}
	}
	return func(left time.Duration) {
		fmt.Fprintf(f, "\r%-40s\r", "  "+short(max(0, left))+" left")
	}
}

// unreachable reports whether the gate could not be asked through no fault of the request.
func unreachable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Timeout, fault.Limited, fault.Internal:
		return true
	}
	return false
}

// unanswered is what happens where the gate could not be asked: refused, unless the pipeline chose to go on.
func (a *cli) unanswered(ctx context.Context, f gateFlags, err error) error {
	if f.onError != onErrorAllow || !unreachable(err) || ctx.Err() != nil {
		return err
	}
	why := "the gate could not be asked: " + faultMessage(err)
	fmt.Fprintf(a.err, "WARNING: %s\nWARNING: the change goes UNCHECKED and UNRECORDED, because of --on-error allow\n", printable(why))
	writeSummary(a.err, fmt.Sprintf("### Nines gate: unchecked\n\n%s The change goes unchecked and unrecorded, because of `--on-error allow`.\n", markdownText(why+".")))
	return a.show(map[string]any{"allowed": true, "action": "unchecked", "headline": why, "error": why}, func() {
		a.printf("ALLOWED UNCHECKED: %s\n", printable(why))
	})
}

func faultMessage(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return strings.TrimSuffix(message(f), ".")
	}
	return err.Error()
}

var verdictWords = map[slo.Action]string{slo.Allow: "ALLOWED", slo.Approve: "NEEDS APPROVAL", slo.Freeze: "REFUSED"}

// printGate shows the verdict in one line, its reasons, and what to do.
func (a *cli) printGate(answer httpapi.GateAnswer) {
	a.printf("%s: %s\n", verdictWords[answer.Action], printable(answer.Headline))
	v := answer.Change.Verdict
	if len(v.Reasons) > 0 {
		a.printf("\n")
		a.table([]string{"asks", "promise", "for", "now", "bound", "policy", "rule"}, reasonRows(v.Reasons))
		a.printf("\n")
		for _, r := range v.Reasons {
			a.printf("- %s\n", printable(r.Text))
			if r.Words != "" {
				a.printf("  %s: %s\n", r.Policy, printable(r.Words))
			}
		}
	}
	for _, r := range v.Excused {
		a.printf("! excepted for %s: %s\n", printable(answer.Change.Kind), printable(r.Text))
	}
	if len(v.Reasons) == 0 && len(v.Budgets) > 0 {
		a.printf("\n")
		a.table([]string{"promise", "worst", "budget left", "burn", "coverage", "events"}, budgetRows(v.Budgets))
	}
	for _, m := range v.Missing {
		a.printf("! %s\n", printable(m))
	}
	a.printf("%s", nextStep(answer))
}

func reasonRows(reasons []slo.GateReason) [][]string {
	var rows [][]string
	for _, r := range reasons {
		rows = append(rows, []string{string(r.Action), orMissing(r.SLO), labelText(r.Labels), r.Figure, r.Bound, r.Policy, r.Rule})
	}
	return rows
}

// budgetRows shows those with least left, as many as fit on one screen.
func budgetRows(budgets []slo.GateBudget) [][]string {
	var rows [][]string
	worst := slices.SortedStableFunc(slices.Values(budgets), func(a, b slo.GateBudget) int { return cmp.Compare(a.Remaining, b.Remaining) })
	for n, b := range worst {
		if n == mostRows {
			return append(rows, []string{fmt.Sprintf("and %d more", len(worst)-n), "", "", "", "", ""})
		}
		if !b.Known {
			rows = append(rows, []string{b.SLO, labelText(b.Labels), "not known", missing, percent(b.Coverage), count(b.Events)})
			continue
		}
		rows = append(rows, []string{b.SLO, labelText(b.Labels), percent(b.Remaining), fmt.Sprintf("%.2f", b.Burn), percent(b.Coverage), count(b.Events)})
	}
	return rows
}

// nextStep is what whoever asked can do now.
func nextStep(answer httpapi.GateAnswer) string {
	n := answer.Change.Number
	switch {
	case answer.DryRun:
		return "\nA dry run: nothing was recorded.\n"
	case answer.Allowed:
		return fmt.Sprintf("\nRecorded as change %d. When it is done: nines changes finish %d succeeded\n", n, n)
	case answer.Action == slo.Approve:
		return fmt.Sprintf("\nRecorded as change %d. Somebody other than %s approves it with: nines changes approve %d\nThen run this again, or use --wait-approval.\n", n, printable(answer.Change.Author), n)
	}
	return fmt.Sprintf("\nRecorded as change %d. An admin can let it through all the same: nines changes approve %d --reason \"...\"\n", n, n)
}
