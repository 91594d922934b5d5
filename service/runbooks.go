package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
)

// runbookText returns the Markdown of the runbook of that name: the team's, else the one that ships.
func (p *plane) runbookText(name string) (string, bool) {
	page, err := p.definitions.Catalog().RunbookPage(name)
	return page.Text, err == nil
}

// runner runs steps of runbooks. It is the operator's own.
type runner struct{ *plane }

// Pages returns every runbook in force.
func (r runner) Pages() []runbooks.Page { return r.definitions.Catalog().RunbookPages() }

// Page returns the runbook of that name.
func (r runner) Page(name string) (runbooks.Page, error) {
	return r.definitions.Catalog().RunbookPage(name)
}

// Runs returns what was run, the newest first.
func (r runner) Runs(ctx context.Context, who access.Principal, incident, runbook string, limit int) ([]runbooks.Run, error) {
	if incident != "" {
		i, err := r.db.Incident(ctx, who.Scope(), incident)
		if err != nil {
			return nil, err
		}
		incident = i.ID
	}
	return r.db.Runs(ctx, who.Scope(), incident, runbook, limit)
}

// Run runs one step. That the step fails is no error: its outcome says so. A step that changes something needs confirm, and
// then waits for somebody else's approval unless it says that its own will do; one that runs a command needs the role admin.
func (r runner) Run(ctx context.Context, who access.Principal, wish httpapi.RunWish) (runbooks.Run, error) {
	page, err := r.Page(wish.Runbook)
	if err != nil {
		return runbooks.Run{}, err
	}
	step, ok := page.Step(wish.Step)
	if !ok {
		return runbooks.Run{}, fault.New(fault.NotFound, "the runbook %s has no step %q", wish.Runbook, wish.Step)
	}
	run := runbooks.Run{Runbook: page.Name, Step: step.Name, Language: step.Language, Confirmed: step.Changes && wish.Confirm}
	values := runbooks.Values{}
	if wish.Incident != "" {
		i, err := r.db.Incident(ctx, who.Scope(), wish.Incident)
		if err != nil {
			return run, err
		}
		run.Incident, run.IncidentTenant, values = i.ID, i.Tenant, valuesOf(i)
	}
	filled, err := step.Fill(values)
	if err != nil {
		return r.unfilled(ctx, who, run, fault.New(fault.Invalid, "%v", err))
	}
	run.Asked = filled.Text()
	if err := r.allowed(who, filled); err != nil || wish.DryRun {
		return run, err
	}
	if step.Changes && !wish.Confirm {
		return run, fault.New(fault.Conflict, "the step %s changes something; confirm it to run it", step.Name)
	}
	if step.Changes && !step.Alone {
		return r.db.AskRun(ctx, who, run)
	}
	run, first, err := r.db.BeginRun(ctx, who, run)
	if err != nil || !first {
		return run, err
	}
	return r.finish(ctx, run, filled)
}

// finish runs a step that is on record and keeps how it ended.
func (r runner) finish(ctx context.Context, run runbooks.Run, filled runbooks.Filled) (runbooks.Run, error) {
	began := time.Now()
	output, more, err := r.do(ctx, filled)
	run.Took, run.Outcome = time.Since(began), runbooks.OK
	if err != nil {
		run.Outcome, run.Error = runbooks.Failed, said(err)
	}
	run.Output, run.Truncated = runbooks.Bound(output, filled.MaxBytes)
	run.Truncated = run.Truncated || more
	r.metrics.runs.Ended(run.By == diagnostics.ID, string(run.Outcome))
	return run, r.db.EndRun(context.WithoutCancel(ctx), run)
}

// Approve runs a step that somebody else has asked for, exactly as it was asked: where runbook or incident say otherwise by now,
// that is a fault.Conflict and nothing runs. For other errors see postgres.DB.ApproveRun.
func (r runner) Approve(ctx context.Context, who access.Principal, id string) (runbooks.Run, error) {
	run, err := r.db.Run(ctx, who.Scope(), id)
	if err != nil {
		return run, err
	}
	filled, err := r.again(ctx, who, run)
	if err != nil {
		return run, err
	}
	if err := r.allowed(who, filled); err != nil {
		return run, err
	}
	if run, err = r.db.ApproveRun(ctx, who, id); err != nil {
		return run, err
	}
	return r.finish(ctx, run, filled)
}

// again fills in the step of a run, and finds it as it was.
func (r runner) again(ctx context.Context, who access.Principal, run runbooks.Run) (runbooks.Filled, error) {
	values := runbooks.Values{}
	if run.Incident != "" {
		i, err := r.db.Incident(ctx, who.Scope(), run.Incident)
		if err != nil {
			return runbooks.Filled{}, err
		}
		values = valuesOf(i)
	}
	page, err := r.Page(run.Runbook)
	if err != nil {
		return runbooks.Filled{}, err
	}
	step, _ := page.Step(run.Step)
	filled, err := step.Fill(values)
	if err != nil || filled.Text() != run.Asked || string(step.Language) != string(run.Language) {
		return filled, fault.New(fault.Conflict, "the step %s of the runbook %s has been changed since it was asked for; ask anew", run.Step, run.Runbook)
	}
	return filled, nil
}

// Deny ends a run that waits for an approval.
func (r runner) Deny(ctx context.Context, who access.Principal, id, reason string) (runbooks.Run, error) {
	return r.db.DenyRun(ctx, who, id, reason)
}

// unfilled puts on record that a step which should run by itself has no value for a variable; people are told at once.
func (r runner) unfilled(ctx context.Context, who access.Principal, run runbooks.Run, why error) (runbooks.Run, error) {
	if who.ID != diagnostics.ID {
		return run, why
	}
	run, first, err := r.db.BeginRun(ctx, who, run)
	if err != nil || !first {
		return run, err
	}
	run.Outcome, run.Error = runbooks.Failed, said(why)
	r.metrics.runs.Ended(true, string(run.Outcome))
	return run, r.db.EndRun(ctx, run)
}

// valuesOf is what steps may know of an incident.
func valuesOf(i incidents.Incident) runbooks.Values {
	v := runbooks.Values{
		"incident.number": strconv.FormatInt(int64(i.Number), 10), "incident.id": i.ID, "incident.service": i.Service, "incident.slo": i.SLO,
		"incident.severity": string(i.Severity), "incident.title": i.Title,
	}
	for name, value := range i.Labels {
		v["labels."+name] = value
	}
	return v
}

func (r runner) allowed(who access.Principal, f runbooks.Filled) error {
	if who.Tenant != "" {
		return fault.New(fault.Forbidden, "runbooks are run by the operator's people")
	}
	if f.Language != runbooks.Shell {
		return who.Require(access.Responder)
	}
	if err := who.Require(access.Admin); err != nil {
		return err
	}
	if !slices.Contains(strings.Split(r.config.RunbookShell, ","), f.Args[0]) || !strings.HasPrefix(f.Args[0], "/") {
		return fault.New(fault.Forbidden, "the command %s is not allowed here; name its absolute path in --runbook-shell", f.Args[0])
	}
	return nil
}

// do asks what the step asks, within its timeout.
func (r runner) do(ctx context.Context, f runbooks.Filled) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	if f.Language == runbooks.Shell {
		return runCommand(ctx, f)
	}
	source, token, err := r.source(f.Step)
	if err != nil {
		return "", false, err
	}
	allowed, err := r.reachable(source)
	if err != nil {
		return "", false, err
	}
	if f.Language == runbooks.SQL {
		out, more, err := postgres.AskReadOnly(ctx, postgres.Question{URL: source.URL, Password: token, Secrets: r.secretDir(), Dial: allowed.dial,
			SQL: f.Query, Args: f.Args, Timeout: f.Timeout, Size: f.MaxBytes})
		if errors.Is(err, errHostNotAllowed) {
			err = notAllowed(source)
		}
		return out, more, err
	}
	return askHTTP(ctx, allowed.client(), source, token, f)
}

// reachable is which hosts a step may reach: those that the operator allows, and our own metrics engine for what is
// asked of it, which is only read.
func (r runner) reachable(s runbooks.Source) (hosts, error) {
	allowed, err := readHosts(r.config.RunbookHosts)
	if err != nil || s.Type != "prometheus" {
		return allowed, err
	}
	return allowed.with(r.ownMetrics()), nil
}

func (r runner) ownMetrics() string {
	return cmp.Or(r.config.PrometheusURL, "http://"+loopback(r.config.EngineListen))
}

// source returns what the step asks, and its secret. Without a name that is the control plane's own metrics engine.
func (r runner) source(s runbooks.Step) (runbooks.Source, string, error) {
	if s.Source == "" {
		own := runbooks.Source{Name: "of the control plane", Type: "prometheus", URL: strings.TrimRight(r.ownMetrics(), "/")}
		if r.config.PrometheusURL != "" {
			return own, "", nil
		}
		return own, r.engineToken, nil
	}
	source, err := r.definitions.Catalog().DataSource(s.Source)
	if err != nil {
		return source, "", err
	}
	if source.Language() != s.Language {
		return source, "", fault.New(fault.Invalid, "the step %s is %s, and the data source %s is of type %s", s.Name, s.Language, source.Name, source.Type)
	}
	if source.TokenFile == "" && source.TokenEnv == "" {
		return source, "", nil
	}
	token, err := notify.Resolve(incidents.Secret{File: source.TokenFile, Env: source.TokenEnv}, r.secretDir())
	return source, token, err
}

// How incidents that open are diagnosed.
const (
	jobDiagnose   = "run-diagnostics"
	diagnoseEvery = 2 * time.Second
	diagnoseFor   = time.Hour // after which what a step finds tells no more of the opening
)

var diagnostics = access.System("diagnostics")

// diagnose runs the steps with on=open of incidents that opened lately, each once whichever replica does it. It stands
// apart from paging, which never waits for it.
func (p *plane) diagnose(ctx context.Context) error {
	if _, err := p.db.FailLostRuns(ctx); err != nil {
		return err
	}
	if _, err := p.db.ExpireRuns(ctx); err != nil {
		return err
	}
	due, err := p.db.Undiagnosed(ctx, diagnoseFor, mostAtOnce)
	if err != nil {
		return err
	}
	var failed []error
	var without []string // incidents that have nothing to run, which are told of together
	for _, i := range due {
		steps, page := p.stepsOnOpen(i)
		if len(steps) == 0 {
			without = append(without, i.ID)
			continue
		}
		if err := p.diagnoseOne(ctx, i, page, steps); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, p.db.Diagnosed(ctx, without))...)
}

// diagnoseOne runs the steps of one incident; where one cannot even be begun the incident stays due.
func (p *plane) diagnoseOne(ctx context.Context, i incidents.Incident, page string, steps []string) error {
	for _, step := range steps {
		if _, err := (runner{p}).Run(ctx, diagnostics, httpapi.RunWish{Runbook: page, Step: step, Incident: i.ID}); err != nil {
			return fmt.Errorf("diagnose the incident %d: %w", i.Number, err)
		}
	}
	return p.db.Diagnosed(ctx, []string{i.ID})
}

// stepsOnOpen returns the names of the steps that run when the incident opens, and of their runbook.
func (p *plane) stepsOnOpen(i incidents.Incident) (steps []string, runbook string) {
	page, _ := p.runbookOf(i)
	for _, s := range page.Steps {
		if s.OnOpen {
			steps = append(steps, s.Name)
		}
	}
	return steps, page.Name
}

// runbookOf returns the runbook of an incident: by the name of its alert, by its link, else by its service.
func (p *plane) runbookOf(i incidents.Incident) (runbooks.Page, bool) {
	catalog := p.definitions.Catalog()
	if page, ok := catalog.RunbookOf(i.Labels["alertname"], ""); ok {
		return page, true
	}
	if name, ours := strings.CutPrefix(i.RunbookURL, runbooks.URL(p.config.PublicURL(), "")); ours {
		if page, err := catalog.RunbookPage(name); err == nil {
			return page, true
		}
	}
	return catalog.RunbookOf("", i.Service)
}

// environment is all that a command sees of ours.
func environment() []string {
	vars := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
	out := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		out = append(out, name+"="+vars[name])
	}
	return out
}

// webRunbooks is what pages do with runbooks.
type webRunbooks struct{ runner }

// RunbookOf returns the runbook of an incident.
func (w webRunbooks) RunbookOf(i incidents.Incident) (runbooks.Page, bool) { return w.runbookOf(i) }

// RunStep runs a step for an incident, or asks for the approval that it needs. Who presses the button confirms.
func (w webRunbooks) RunStep(ctx context.Context, who access.Principal, runbook, step, incident string) (runbooks.Run, error) {
	return w.Run(ctx, who, httpapi.RunWish{Runbook: runbook, Step: step, Incident: incident, Confirm: true})
}
