package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/ruler"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/pflag"
)

// rulerFlags name the ruler whose rules are to be kept.
type rulerFlags struct {
	url, api, namespace, tenant string
	dry                         bool
}

func (r *rulerFlags) register(f *pflag.FlagSet) {
	f.StringVar(&r.url, "ruler-url", "", "Mimir or Cortex whose rules are kept as the files say (NINES_RULER_TOKEN, or NINES_RULER_USER and NINES_RULER_PASSWORD)")
	f.StringVar(&r.api, "ruler-api", ruler.Mimir, "its API: mimir or cortex")
	f.StringVar(&r.namespace, "ruler-namespace", "nines", "rule namespace to keep; groups in it that no SLO has any more are deleted")
	f.StringVar(&r.tenant, "ruler-tenant", "", "tenant, sent as X-Scope-OrgID")
	f.BoolVar(&r.dry, "dry-run", false, "say what would change in the ruler, and change nothing")
}

func (r *rulerFlags) check(set func(string) bool) error {
	if r.url == "" {
		for _, name := range []string{"ruler-api", "ruler-namespace", "ruler-tenant", "dry-run", "ruler-url"} {
			if set(name) {
				return fmt.Errorf("--%s is for a ruler; name it with --ruler-url", name)
			}
		}
		return nil
	}
	for _, name := range []string{"out", "format", "namespace"} {
		if set(name) {
			return fmt.Errorf("--%s is for files and does not go with --ruler-url", name)
		}
	}
	if _, err := r.client(); err != nil {
		return errors.New(fault.Public(err).Message)
	}
	return nil
}

func (r *rulerFlags) client() (*ruler.Client, error) {
	return ruler.New(ruler.Options{
		URL: r.url, API: r.api, Namespace: r.namespace, Tenant: r.tenant,
		User: os.Getenv("NINES_RULER_USER"), Password: os.Getenv("NINES_RULER_PASSWORD"), Token: os.Getenv("NINES_RULER_TOKEN"),
	})
}

// rulerChanges is what becomes of the namespace, for --json.
type rulerChanges struct {
	Namespace string         `json:"namespace"`
	DryRun    bool           `json:"dryRun"`
	Groups    int            `json:"groups"` // that are wanted
	Changes   []ruler.Change `json:"changes"`
	Kept      int            `json:"kept"` // groups that stay only because of SLOs with problems
	Problems  []fault.Detail `json:"problems"`
	Notes     []noteBody     `json:"notes"`
}

// keepRuler makes the namespace what the SLOs say. Where some have problems nothing is deleted: their groups would be
// among it, and the promises unwatched.
func (a *cli) keepRuler(ctx context.Context, g generateFlags, made generated) error {
	wanted := wantedGroups(g, &made)
	if g.strict && len(made.problems) > 0 {
		return made.failure("nothing was pushed, since --strict was asked for")
	}
	client, err := g.ruler.client()
	if err != nil {
		return err
	}
	changes, err := client.Plan(ctx, wanted)
	if err != nil {
		return err
	}
	done := rulerChanges{Namespace: g.ruler.namespace, DryRun: g.ruler.dry, Groups: len(wanted), Problems: append([]fault.Detail{}, details(made.problems)...), Notes: noteBodies(made.notes)}
	done.Changes = append([]ruler.Change{}, changes...)
	if len(made.problems) > 0 {
		done.Changes = slices.DeleteFunc(done.Changes, func(c ruler.Change) bool { return c.Action == ruler.Delete })
		done.Kept = len(changes) - len(done.Changes)
	}
	if !g.ruler.dry {
		bar := newProgress(a.err)
		err := client.Apply(ctx, done.Changes, func(n, total int) { bar.show(n, total, "pushing rules") })
		bar.clear()
		if err != nil {
			return made.joined(err)
		}
	}
	if err := a.show(done, func() { a.printRuler(done) }); err != nil {
		return err
	}
	if len(made.problems) > 0 {
		return made.failure("they are left out, and nothing is deleted from the ruler")
	}
	return nil
}

// joined adds the problems of definitions to those of the ruler, so that one run tells all.
func (m *generated) joined(err error) error {
	var f *fault.Error
	if len(m.problems) == 0 || !errors.As(err, &f) {
		return err
	}
	more := *f
	more.Details = append(details(m.problems), f.Details...)
	return &more
}

func wantedGroups(g generateFlags, made *generated) []slo.RuleGroup {
	var wanted []slo.RuleGroup
	for _, p := range made.slos {
		groups, err := p.RulesWith(g.options())
		if err != nil {
			made.without(p, err)
			continue
		}
		wanted = append(wanted, groups.Groups...)
	}
	return wanted
}

func (a *cli) printRuler(done rulerChanges) {
	count := map[string]int{}
	var rows [][]string
	for _, c := range done.Changes {
		count[c.Action]++
		rows = append(rows, []string{c.Group, c.Action})
	}
	if done.DryRun && len(rows) > 0 {
		a.table([]string{"group", "action"}, rows)
		a.printf("\n")
	}
	would := "namespace %s: %d groups created, %d updated, %d deleted, %d as they were\n"
	if done.DryRun {
		would = "namespace %s: %d groups to create, %d to update, %d to delete, %d as they are; nothing was changed\n"
	}
	a.printf(would, done.Namespace, count[ruler.Create], count[ruler.Update], count[ruler.Delete], done.Groups-count[ruler.Create]-count[ruler.Update])
	if done.Kept > 0 {
		a.printf("%d groups that no SLO has now stay until all SLOs can be read\n", done.Kept)
	}
}
