package definitions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
)

// addPolicy takes an escalation policy in. The schedules it names have to be there; people need no account yet.
func (l *loader) addPolicy(d manifest.Document) manifest.Problems {
	p, problems := incidents.ReadPolicy(d)
	l.catalog.policies[d.Metadata.Name] = p
	for n, s := range p.Steps {
		l.refer(d, schedulesOf(fmt.Sprintf("spec.steps.%d.targets", n), s.Targets)...)
		if s.Fallback != nil {
			l.refer(d, schedulesOf(fmt.Sprintf("spec.steps.%d.fallback.targets", n), s.Fallback.Targets)...)
		}
	}
	return problems
}

func schedulesOf(path string, targets []incidents.Target) (refs []reference) {
	for n, t := range targets {
		if t.Schedule != "" {
			refs = append(refs, reference{fmt.Sprintf("%s.%d.schedule", path, n), KindSchedule, t.Schedule})
		}
	}
	return refs
}

// AskAccounts makes the service note which people of policies and schedules no account has; without returns those of the
// addresses.
func (s *Service) AskAccounts(without func(ctx context.Context, emails []string) ([]string, error)) {
	s.without = without
}

// noted adds to the outcomes of policies and schedules who of them cannot be called yet. Where that cannot be asked there
// is no note: it is found out again whenever somebody is paged.
func (s *Service) noted(ctx context.Context, c *Catalog, outcomes []manifest.Outcome) []manifest.Outcome {
	if s.without == nil {
		return outcomes
	}
	for n, o := range outcomes {
		called := c.called(o.Kind, o.Name)
		if o.Action == "delete" || len(called) == 0 {
			continue
		}
		without, err := s.without(ctx, called)
		if err != nil || len(without) == 0 {
			continue
		}
		outcomes[n].Notes = append(o.Notes, fmt.Sprintf("no account that is in use has %s: nobody is called there until somebody makes one",
			strings.Join(without, ", ")))
	}
	return outcomes
}

// called returns the addresses, in lower case and in order, of the people whom a policy or schedule names.
func (c *Catalog) called(kind, name string) []string {
	named := map[string]bool{}
	switch kind {
	case KindPolicy:
		for _, t := range c.policies[name].Everybody() {
			if t.User != "" {
				named[strings.ToLower(t.User)] = true
			}
		}
	case KindSchedule:
		for _, email := range c.schedules[name].People() {
			named[strings.ToLower(email)] = true
		}
	}
	return slices.Sorted(maps.Keys(named))
}
