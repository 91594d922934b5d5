package definitions

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

type askFunc func(expr string) ([]slo.Answer, error)

func (f askFunc) Ask(_ context.Context, expr string) ([]slo.Answer, error) { return f(expr) }

type keptStore struct{ applied []manifest.Record }

func (k *keptStore) ApplyDefinitions(_ context.Context, _ access.Principal, docs []manifest.Record, _, _ bool) ([]manifest.Outcome, error) {
	k.applied = append(k.applied, docs...)
	return nil, nil
}

func (k *keptStore) Definitions(context.Context) ([]manifest.Record, error) { return k.applied, nil }

const slowText = `apiVersion: nines/v1
kind: Service
metadata: {name: shop}
spec: {owner: shop}
---
apiVersion: nines/v1
kind: SLO
metadata: {name: latency}
spec:
  service: shop
  objective: 99
  sli:
    latency: {histogram: h_seconds, selector: '{job="shop"}', threshold: 300ms}
`

// TestABoundBetweenBucketsIsRefusedByWhatTheEngineHas: applying asks the engine, names file and line, and goes on where
// it does not answer.
func TestABoundBetweenBucketsIsRefusedByWhatTheEngineHas(t *testing.T) {
	t.Parallel()
	admin := access.System("test")
	files := []manifest.File{{Name: "slo.yaml", Text: slowText}}
	buckets := askFunc(func(expr string) ([]slo.Answer, error) {
		if strings.Contains(expr, "by (le)") {
			return []slo.Answer{{Labels: map[string]string{"le": "0.25"}, Value: 1}, {Labels: map[string]string{"le": "0.5"}, Value: 1}}, nil
		}
		return nil, nil
	})
	store := &keptStore{}
	s := New(store, ships)
	s.Ask(buckets)
	_, err := s.Apply(t.Context(), admin, files, false)
	if f := fault.Public(err); f.Kind != fault.Invalid || len(f.Details) != 1 || !strings.Contains(f.Details[0].Where, "slo.yaml:13") ||
		!strings.Contains(f.Details[0].Message, "take 250ms or 500ms") || len(store.applied) != 0 {
		t.Errorf("%+v, applied %d", f, len(store.applied))
	}
	s.Ask(askFunc(func(string) ([]slo.Answer, error) { return nil, errors.New("away") }))
	if _, err := s.Apply(t.Context(), admin, files, false); err != nil || len(store.applied) != 2 {
		t.Errorf("an engine that is away keeps definitions from being applied: %v", err)
	}
}
