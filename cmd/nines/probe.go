package main

import (
	"context"
	"os"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/slo"
)

// findingBody is what a metrics engine says of a definition, as JSON.
type findingBody struct {
	SLO     string `json:"slo"`
	Weight  string `json:"weight"` // "remark", "missing" or "wrong"
	Where   string `json:"where"`
	Message string `json:"message"`
}

var weights = map[slo.Weight]string{slo.Remark: "remark", slo.Missing: "missing", slo.Wrong: "wrong"}

// probe asks a metrics engine about the SLOs. What contradicts a definition, and what it reads and is not there, is a
// problem; the rest is worth knowing.
func (a *cli) probe(ctx context.Context, set definitions.Set, engine string, files int) error {
	client, err := prom.New(engine, prom.Options{Token: a.engineToken(engine)})
	if err != nil {
		return err
	}
	probed, err := set.Probe(ctx, client)
	if err != nil {
		return err
	}
	var problems manifest.Problems
	findings := []findingBody{}
	for _, p := range probed {
		for _, f := range p.Findings {
			place := p.Problem(f)
			findings = append(findings, findingBody{p.SLO, weights[f.Weight], place.Where(), f.Message})
			if f.Weight != slo.Remark {
				problems = append(problems, place)
			}
		}
	}
	if err := a.show(map[string]any{"documents": len(set.Records), "findings": findings, "notes": noteBodies(set.Notes)}, func() {
		var rows [][]string
		for _, f := range findings {
			if f.Weight == "remark" {
				rows = append(rows, []string{f.SLO, f.Message})
			}
		}
		a.table([]string{"SLO", "what is there"}, rows)
		a.printf("%d documents in %d files, %d SLOs asked about\n", len(set.Records), files, len(probed))
	}); err != nil {
		return err
	}
	return problems.Err()
}

// engineToken is the token for a Prometheus: the one in the environment, and our own for the control plane's proxy.
func (a *cli) engineToken(engine string) string {
	if t := os.Getenv("NINES_PROMETHEUS_TOKEN"); t != "" || !strings.HasPrefix(engine, a.server) {
		return t
	}
	token, _ := a.findToken() // without one the proxy says what is missing
	return token
}
