package main

import (
	"context"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
)

// policiesBody is the part of the API's policies that tests need.
type policiesBody struct {
	Policies []struct {
		Name  string `json:"name"`
		Steps []struct {
			Targets  []targetBody `json:"targets"`
			Fallback *struct {
				Targets []targetBody `json:"targets"`
			} `json:"fallback"`
		} `json:"steps"`
	} `json:"policies"`
}

type targetBody struct{ ID, Name string }

func appliedTargets(ctx context.Context, api *client, name string) ([]contactWish, error) {
	var answer policiesBody
	if err := api.get(ctx, "/policies", nil, &answer); err != nil {
		return nil, err
	}
	var wishes []contactWish
	var names []string
	for _, p := range answer.Policies {
		names = append(names, p.Name)
		if p.Name != name {
			continue
		}
		add := func(step int, fallback bool, targets []targetBody) {
			for n, t := range targets {
				wishes = append(wishes, contactWish{Policy: name, Step: step, Fallback: fallback, Index: n + 1, policy: name, id: t.ID, name: t.Name})
			}
		}
		for n, s := range p.Steps {
			add(n+1, false, s.Targets)
			if s.Fallback != nil {
				add(n+1, true, s.Fallback.Targets)
			}
		}
	}
	if len(wishes) == 0 {
		return nil, fault.New(fault.NotFound, "there is no escalation policy %q; applied are: %s", name, orMissing(strings.Join(names, ", ")))
	}
	return wishes, nil
}

// writtenTargets reads policies from files; name narrows it to one.
func (a *cli) writtenTargets(file, name string) ([]contactWish, error) {
	files, err := definitions.Files([]string{file}, a.in)
	if err != nil {
		return nil, err
	}
	var wishes []contactWish
	var problems manifest.Problems
	for _, f := range files {
		documents, wrong := manifest.Read(f)
		problems = append(problems, wrong...)
		for _, d := range documents {
			if d.Kind != incidents.PolicyKind || name != "" && d.Metadata.Name != name {
				continue
			}
			p, wrong := incidents.ReadPolicy(d)
			problems = append(problems, wrong...)
			wishes = append(wishes, targetsOf(p)...)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if len(wishes) == 0 {
		return nil, fault.New(fault.Invalid, "%s holds no %s%s", file, incidents.PolicyKind, strings.TrimSuffix(" "+name, " "))
	}
	return wishes, nil
}

func targetsOf(p incidents.Policy) []contactWish {
	var wishes []contactWish
	add := func(step int, fallback bool, targets []incidents.Target) {
		for _, t := range targets {
			wishes = append(wishes, contactWish{Target: &t, policy: p.Name, Step: step, Fallback: fallback, id: t.ID(), name: t.String()})
		}
	}
	for n, s := range p.Steps {
		add(n+1, false, s.Targets)
		if s.Fallback != nil {
			add(n+1, true, s.Fallback.Targets)
		}
	}
	return wishes
}

// asked is the wish as the API takes it: a target that is written out has no place in a policy.
func (w contactWish) asked() contactWish {
	if w.Target != nil {
		w.Step, w.Fallback = 0, false
	}
	return w
}
