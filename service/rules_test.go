package service

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/definitions"
)

// applied is a store that holds what was applied last.
type applied struct{ records []manifest.Record }

func (a *applied) ApplyDefinitions(_ context.Context, _ access.Principal, docs []manifest.Record, _, _ bool) ([]manifest.Outcome, error) {
	a.records = docs
	return nil, nil
}

func (a *applied) Definitions(context.Context) ([]manifest.Record, error) { return a.records, nil }

const twoSLOs = `apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {runbook: slo-burn}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec: {service: shop, objective: 99.9, sli: {events: {errors: 'e_total{job="shop"}', total: 't_total{job="shop"}'}}}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: checkout}
spec: {service: shop, objective: 99, alerting: {runbook: 'https://wiki.example.com/checkout'}, sli: {events: {errors: 'e_total{job="pay"}', total: 't_total{job="pay"}'}}}
`

// The engine's rule folder holds a file an SLO and our own alerts, each with its runbook, and nothing that is no longer
// defined.
func TestTheRuleFolderFollowsTheDefinitions(t *testing.T) {
	t.Parallel()
	store := &applied{}
	p := &plane{config: Config{DataDir: t.TempDir(), BaseURL: "https://nines.example.com"}, definitions: definitions.New(store, func(name string) bool {
		_, ok := runbooks.Read(name)
		return ok
	})}
	if err := os.MkdirAll(p.config.enginePath("rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	admin := access.Principal{ID: "user:1", Role: access.Admin}
	apply := func(text string) {
		t.Helper()
		if _, err := p.definitions.Apply(t.Context(), admin, []manifest.File{{Name: "a.yaml", Text: text}}, true); err != nil {
			t.Fatal(err)
		}
		if err := p.writeRules(); err != nil {
			t.Fatal(err)
		}
	}
	files := func() string {
		found, err := os.ReadDir(p.config.enginePath("rules"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range found {
			names = append(names, f.Name())
		}
		return strings.Join(names, " ")
	}
	apply(twoSLOs)
	if got := files(); got != "nines.yaml slo-shop-availability.yaml slo-shop-checkout.yaml" {
		t.Errorf("the folder holds %s", got)
	}
	for name, want := range map[string]string{
		"slo-shop-availability.yaml": `"https://nines.example.com/runbooks/slo-burn"`,
		"slo-shop-checkout.yaml":     `"https://wiki.example.com/checkout"`,
		"nines.yaml":                 `https://nines.example.com/runbooks/engine-down`,
	} {
		raw, err := os.ReadFile(p.config.enginePath("rules", name))
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%s does not lead to %s (%v)", name, want, err)
		}
		if strings.HasPrefix(name, "slo-") && !strings.Contains(string(raw), `"https://nines.example.com/runbooks/slo-no-data"`) {
			t.Errorf("%s does not lead to the runbook for lost targets", name)
		}
	}
	apply(twoSLOs[:strings.LastIndex(twoSLOs, "---\n")])
	if got := files(); got != "nines.yaml slo-shop-availability.yaml" {
		t.Errorf("after one SLO was removed the folder holds %s", got)
	}
}
