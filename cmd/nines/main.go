// Command nines is the whole product in one binary: the control plane (serve), its metrics engine (engine) and the
// command line for people and pipelines. It turns flags and the environment into calls, and answers into tables, JSON
// and exit codes; it has no rules of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// version is set at build time with -ldflags "-X main.version=...".
var version = "dev"

// Exit codes, stable for scripts.
const (
	exitOK      = 0
	exitFailed  = 1 // it did not work; the reason is on standard error
	exitUsage   = 2 // the command line is wrong
	exitInvalid = 3 // definitions or input have problems, which are listed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program as a function, so that tests can start it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	app := &cli{in: in, out: out, err: errOut}
	root := app.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	return app.exit(err)
}

// cli is what every command shares.
type cli struct {
	in       io.Reader
	out, err io.Writer
	server   string
	token    string
	dataDir  string
	json     bool
}

// usageError is a wrong command line.
type usageError struct{ error }

func (a *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nines",
		Short: "Keep services within their promises",
		Long: "nines turns SLOs into exact error budgets and burn alerts, alerts into incidents that page the right person,\n" +
			"and a ledger of what really happened into SLA reports that anyone can recompute.\n\n" +
			"Start everything with 'nines serve', then 'nines apply -f DIR' and 'nines slo status'.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          args(cobra.NoArgs), // an unknown command is a wrong command line
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", envOr("NINES_SERVER", "http://127.0.0.1:9990"), "control plane to talk to (NINES_SERVER)")
	f.StringVar(&a.token, "token", "", "API token (NINES_TOKEN); unset: the file cli-token in the data folder")
	f.StringVar(&a.dataDir, "data", envOr("NINES_DATA", "data"), "data folder (NINES_DATA)")
	f.BoolVar(&a.json, "json", false, "print JSON instead of tables")
	root.AddCommand(
		a.serveCommand(), a.engineCommand(),
		a.applyCommand(), a.validateCommand(), a.diffCommand(), a.exportCommand(),
		a.sloCommand(), a.alertCommand(), a.silenceCommand(), a.heartbeatCommand(), a.contactCommand(), a.onCallCommand(), a.meCommand(), a.runbookCommand(), a.incidentsCommand(), a.reportCommand(), a.postureCommand(),
		a.capacityCommand(), a.costCommand(), a.gateCommand(), a.changesCommand(), a.tokensCommand(), a.usersCommand(),
		a.importCommand(), a.figuresCommand(),
		a.postmortemCommand(), a.actionCommand(), a.trackerCommand(),
	)
	return root
}

// exit prints the error for people and returns the exit code.
func (a *cli) exit(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(a.err, "nines: %v\nSee 'nines --help'.\n", err)
		return exitUsage
	}
	var refused notAllowed
	if errors.As(err, &refused) {
		return refused.code // it is shown already
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintf(a.err, "nines: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(a.err, "nines: %s\n", message(f))
	for _, d := range f.Details {
		fmt.Fprintf(a.err, "  %s: %s\n", d.Where, d.Message)
	}
	if f.Kind == fault.Invalid {
		return exitInvalid
	}
	return exitFailed
}

// message adds the cause: whoever runs the command line may see it.
func message(f *fault.Error) string {
	if f.Cause == nil {
		return f.Message
	}
	return f.Message + ": " + f.Cause.Error()
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// group makes a command that only has subcommands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(subs...)
	return c
}

// args turns cobra's argument errors into usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// needs makes flags required. Cobra's own check cannot be told from a failure of the command.
func needs(c *cobra.Command, flags ...string) {
	check := c.Args
	c.Args = func(c *cobra.Command, a []string) error {
		for _, name := range flags {
			if !c.Flags().Changed(name) {
				return usageError{fmt.Errorf("--%s is missing", name)}
			}
		}
		return check(c, a)
	}
}
