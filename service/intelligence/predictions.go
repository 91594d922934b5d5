package intelligence

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

const (
	// predictionKept is how long a prediction serves while the ledger closes no new bucket.
	predictionKept = 5 * time.Minute
	// predictionStale is how old a prediction may be that stands in until the next one is made.
	predictionStale = 30 * time.Minute
	// predictionPatience is the time that one answer about many promises spends on new predictions. What is left over
	// comes with the next answers.
	predictionPatience = 100 * time.Millisecond
	// predictedAtLeast are made for every answer, however long they take.
	predictedAtLeast = 8
)

// predictionKey names a budget as one asker sees it.
type predictionKey struct {
	scope   access.Scope
	slo     string
	version int
	labels  string
}

func predictionKeyOf(scope access.Scope, v slo.Versioned, labels map[string]string) predictionKey {
	text := ""
	if len(labels) > 0 {
		written, _ := json.Marshal(labels) // a map of strings; its keys come out sorted
		text = string(written)
	}
	return predictionKey{scope, v.SLO.ID, v.Version, text}
}

// predictions keeps what was predicted. Making one takes milliseconds, and its input changes when a bucket is closed or a correction
// made.
type predictions struct {
	mu   sync.Mutex
	kept map[predictionKey]prediction
}

type prediction struct {
	slo.Prediction
	basis string
}

// basisOf says what a prediction stands on: how far the ledger is closed, and which corrections are in force.
func basisOf(closed time.Time, of slo.SLO, corrections []slo.Correction) string {
	text := closed.UTC().Format(time.RFC3339)
	for _, c := range slo.CorrectionsOf(of, corrections) {
		text += " " + c.ID
	}
	return text
}

// get returns the prediction of a budget, and whether it is as new as can be; false and a zero one for none.
func (p *predictions) get(key predictionKey, basis string, now time.Time) (found prediction, fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found = p.kept[key]
	age := now.Sub(found.At)
	if age >= predictionStale {
		return prediction{}, false
	}
	return found, age < predictionKept && found.basis == basis
}

// put keeps a prediction and forgets those that are too old to be of use.
func (p *predictions) put(key predictionKey, made prediction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		p.kept = map[predictionKey]prediction{}
	}
	if _, had := p.kept[key]; !had {
		for k, old := range p.kept {
			if made.At.Sub(old.At) >= predictionStale {
				delete(p.kept, k)
			}
		}
	}
	p.kept[key] = made
}

// Prediction says whether a promise's budget lasts, with the fan of what is left on the way. tenant "" is everybody in
// scope together.
func (s *Service) Prediction(ctx context.Context, scope access.Scope, sloID, tenant string) (slo.Prediction, error) {
	return ask(ctx, s, Query, "prediction", func(ctx context.Context) (slo.Prediction, error) {
		last := func(_, to time.Time) Span { return Span{From: to.Add(-time.Minute), To: to, Points: 2} }
		p, err := s.asked(scope, sloID, tenant, last)
		if err != nil {
			return slo.Prediction{}, err
		}
		closed, err := s.Ledger.ClosedUntil(ctx, sloID)
		if err != nil {
			return slo.Prediction{}, err
		}
		corrections, err := s.corrections(ctx, p.now.Add(-slo.PredictHistory))
		if err != nil {
			return slo.Prediction{}, err
		}
		basis := basisOf(closed, p.of.SLO, corrections)
		if found, fresh := s.predictions.get(predictionKeyOf(scope, p.of, p.labels), basis, p.now); fresh {
			return found.Prediction, nil // a page that showed the status has it already
		}
		if p, err = s.read(ctx, scope, p); err != nil {
			return slo.Prediction{}, err
		}
		return s.predictionOf(scope, p), nil
	})
}

// predictionOf returns the prediction of one budget from evidence that reaches back as far as one needs.
func (s *Service) predictionOf(scope access.Scope, p past) slo.Prediction {
	key, basis := predictionKeyOf(scope, p.of, p.labels), basisOf(p.closed, p.of.SLO, p.corrections)
	if found, fresh := s.predictions.get(key, basis, p.now); fresh {
		return found.Prediction
	}
	made := slo.Predict(p.of.SLO, p.labels, p.counted(), p.now)
	s.predictions.put(key, prediction{made, basis})
	return made
}

// judged is a standing with the evidence that it was judged by.
type judged struct {
	*Standing
	of     slo.Versioned
	budget *budget
}

// predict adds predictions to standings: those that are kept, and new ones for as many others as patience allows, those
// of budgets that burn first. A standing without one has to do with the straight line.
func (s *Service) predict(ctx context.Context, scope access.Scope, e evidence, all []judged) {
	var due []judged
	for _, j := range all {
		found, fresh := s.predictions.get(predictionKeyOf(scope, j.of, j.budget.labels), basisOf(e.closed[j.of.SLO.ID], j.of.SLO, e.corrections), e.to)
		if !found.At.IsZero() {
			j.show(found.Prediction)
		}
		if !fresh {
			due = append(due, j)
		}
	}
	slices.SortStableFunc(due, func(a, b judged) int {
		return cmp.Or(known(a)-known(b), cmp.Compare(b.Burn, a.Burn))
	})
	began, longer := time.Now(), map[string][]*budget{}
	for i, j := range due {
		if i >= predictedAtLeast && time.Since(began) > predictionPatience || ctx.Err() != nil {
			return
		}
		evidence, err := s.longer(ctx, scope, e, j, longer)
		if err != nil {
			s.Log.WarnContext(ctx, "a prediction is missing", "slo", j.of.SLO.ID, "error", err)
			continue
		}
		j.show(s.predictionOf(scope, past{of: j.of, labels: j.budget.labels, buckets: evidence.buckets, live: j.budget.live,
			closed: e.closed[j.of.SLO.ID], now: e.to, corrections: e.corrections}))
	}
}

func known(j judged) int {
	if j.Prediction != nil {
		return 1
	}
	return 0
}

func (j judged) show(p slo.Prediction) {
	brief := p.Brief()
	j.Prediction = &brief
}

// longer returns evidence of the budget that reaches back as far as a prediction looks, asking the ledger once for each
// SLO whose window is too short for that.
func (s *Service) longer(ctx context.Context, scope access.Scope, e evidence, j judged, read map[string][]*budget) (*budget, error) {
	begin, from := e.from, e.to.Add(-slo.PredictHistory)
	if !begin.After(from) {
		return j.budget, nil
	}
	budgets, ok := read[j.of.SLO.ID]
	if !ok {
		found, err := s.buckets(ctx, scope, []slo.Versioned{j.of}, from, e.to)
		if err != nil {
			return nil, err
		}
		budgets = budgetsOf(j.of.SLO, found[j.of.SLO.ID], nil)
		read[j.of.SLO.ID] = budgets
	}
	key := predictionKeyOf(scope, j.of, j.budget.labels)
	for _, b := range budgets {
		if predictionKeyOf(scope, j.of, b.labels) == key {
			return b, nil
		}
	}
	return j.budget, nil
}
