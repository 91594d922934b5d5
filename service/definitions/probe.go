package definitions

import (
	"context"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"golang.org/x/sync/errgroup"
)

// Probed is what a metrics engine said of the SLOs in a set of files.
type Probed struct {
	SLO      string
	Findings []slo.Finding
	Document manifest.Document
}

// probesAtOnce bounds the questions asked at the same time.
const probesAtOnce = 4

// Probe asks a metrics engine about every SLO of the files, in order of id.
func (s Set) Probe(ctx context.Context, ask slo.Asker) ([]Probed, error) {
	var out []Probed
	for _, v := range s.Catalog.SLOs() {
		if v.Version == 0 && v.SLO.Of == "" { // not what is applied already, and each SLI once
			out = append(out, Probed{SLO: v.SLO.ID, Document: s.places[v.SLO.ID]})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for i := range out {
		v, _ := s.Catalog.SLO(out[i].SLO)
		g.Go(func() (err error) {
			out[i].Findings, err = slo.Probe(ctx, ask, v.SLO)
			return err
		})
	}
	return out, g.Wait()
}

// probeTime is how long applying waits for the metrics engine's word.
const probeTime = 3 * time.Second

// contradicted returns what the metrics engine knows better than the files: a latency bound between buckets, groups
// beyond their bound. What is not there yet is no reason to refuse, and neither is an engine that does not answer.
func (s *Service) contradicted(ctx context.Context, set Set) manifest.Problems {
	if s.ask == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	probed, err := set.Probe(ctx, s.ask)
	if err != nil {
		return nil
	}
	var problems manifest.Problems
	for _, p := range probed {
		for _, f := range p.Findings {
			if f.Weight == slo.Wrong {
				problems = append(problems, p.Problem(f))
			}
		}
	}
	return problems
}

// Problem places a finding in its file. A format other than ours names the document alone.
func (p Probed) Problem(f slo.Finding) manifest.Problem {
	if p.Document.Kind == KindSLO && p.Document.APIVersion == manifest.APIVersion {
		return p.Document.Problem(f.Field, "%s", f.Message)
	}
	return p.Document.Problem("", "%s: %s", p.SLO, f.Message)
}
