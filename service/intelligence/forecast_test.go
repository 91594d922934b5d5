package intelligence

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// keptStore keeps forecasts in memory.
type keptStore struct {
	kept   []forecast.Kept
	putOff []string
}

func (k *keptStore) KeepForecast(_ context.Context, one forecast.Kept) (string, error) {
	one.ID = fmt.Sprint(len(k.kept) + 1)
	k.kept = append(k.kept, one)
	return one.ID, nil
}

func (k *keptStore) Judged(_ context.Context, query string, step time.Duration, most int) ([]forecast.Kept, error) {
	var out []forecast.Kept
	for _, one := range slices.Backward(k.kept) {
		if one.Score != nil && one.Query == query && one.Inputs.Step.Std() == step && len(out) < most {
			out = append(out, one)
		}
	}
	return out, nil
}

func (k *keptStore) Due(_ context.Context, at time.Time, _ int) ([]forecast.Kept, error) {
	var out []forecast.Kept
	for _, one := range k.kept {
		if one.Score == nil && !one.Due.After(at) {
			out = append(out, one)
		}
	}
	return out, nil
}

func (k *keptStore) Judge(_ context.Context, id string, _ time.Time, score *forecast.Score) error {
	for i := range k.kept {
		if k.kept[i].ID == id {
			k.kept[i].Score = score
		}
	}
	return nil
}

func (k *keptStore) PutOff(_ context.Context, id string, _, _ time.Time) error {
	k.putOff = append(k.putOff, id)
	return nil
}

func TestAForecastIsKeptAndJudgedWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	w, store := newWorld(), &keptStore{}
	w.ranged["disk"] = []Series{rising(4*96, 15*time.Minute)}
	s := w.service()
	s.Forecasts = store
	clock := now
	s.Now = func() time.Time { return clock }
	limit := 1000.0
	got := must[ForecastAnswer](t)(s.Forecast(bg, ForecastRequest{Query: "disk", Horizon: time.Hour, Limit: &limit, Tiers: []float64{100, 400, 800}, By: "user:ann"}))
	if got.ID != "1" || got.Held != nil || got.Tier == nil || got.Tier.Limit != 400 || len(got.Observed) == 0 {
		t.Fatalf("%+v", got)
	}
	if k := store.kept[0]; k.By != "user:ann" || k.Query != "disk" || len(k.Forecast.Points) != 4 || k.Inputs.Level != 0.9 || len(k.Forecast.Models) == 0 {
		t.Errorf("kept: %+v", k)
	}
	if n, err := s.JudgeForecasts(bg); n != 0 || err != nil {
		t.Errorf("judged before its time: %d %v", n, err)
	}
	clock = now.Add(3 * time.Hour)
	later := rising(4*96, 15*time.Minute)
	for i := range 12 {
		later.Points = append(later.Points, forecast.Point{At: now.Add(time.Duration(i+1) * 15 * time.Minute), Value: float64(4*96 + i)})
	}
	w.ranged["disk"] = []Series{later}
	if n, err := s.JudgeForecasts(bg); n != 1 || err != nil {
		t.Fatalf("judged %d, %v", n, err)
	}
	score := store.kept[0].Score
	if score == nil || score.Seen != 4 || score.Error > 0.5 || score.Naive != 2.5 {
		t.Fatalf("the score is %+v", score)
	}
	again := must[ForecastAnswer](t)(s.Forecast(bg, ForecastRequest{Query: "disk", Horizon: time.Hour}))
	if again.Held == nil || again.Held.Forecasts != 1 || again.Held.Ratio == nil || *again.Held.Ratio > 0.2 || again.Adapted == 0.9 {
		t.Errorf("the next one says %+v of the last, at the level %v", again.Held, again.Adapted)
	}
}

func TestAForecastWhoseSeriesCannotBeAskedForHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w, store := newWorld(), &keptStore{}
	w.ranged["disk"] = []Series{rising(4*96, 15*time.Minute)}
	s := w.service()
	s.Forecasts = store
	for range 2 {
		must[ForecastAnswer](t)(s.Forecast(bg, ForecastRequest{Query: "disk", Horizon: time.Hour}))
	}
	s.Now = func() time.Time { return now.Add(3 * time.Hour) }
	w.metricsErr = fault.New(fault.Invalid, "the query is wrong by now")
	if n, err := s.JudgeForecasts(bg); n != 0 || err != nil || len(store.putOff) != 2 {
		t.Errorf("judged %d, put off %v, %v", n, store.putOff, err)
	}
	w.metricsErr = fault.New(fault.Unavailable, "the engine is away")
	if _, err := s.JudgeForecasts(bg); !fault.Is(err, fault.Unavailable) || len(store.putOff) != 2 {
		t.Errorf("with the engine away: put off %v, %v", store.putOff, err)
	}
	w.metricsErr = nil
	if n, err := s.JudgeForecasts(bg); n != 2 || err != nil {
		t.Errorf("judged %d, %v", n, err)
	}
}

func TestAWorkloadsForecastIsKeptOnceInHalfOfItsHorizon(t *testing.T) {
	t.Parallel()
	w, store := newWorld(), &keptStore{}
	w.workloads["shop"] = autoscale.Workload{Name: "shop", Service: "shop", Load: "load", Replicas: "replicas", PerReplica: 10, Min: 1, Max: 20, Level: 0.9,
		Horizon: manifest.Duration(time.Hour), History: manifest.Duration(24 * time.Hour)}
	w.ranged["load"] = []Series{rising(24*60, time.Minute)}
	s := w.service()
	s.Forecasts = store
	clock := now
	s.Now = func() time.Time { return clock }
	for range 4 {
		must[autoscale.Decision](t)(s.Recommend(bg, "shop"))
		clock = clock.Add(20 * time.Minute)
	}
	if len(store.kept) != 2 || store.kept[0].Subject != "shop" {
		t.Errorf("%d forecasts are kept of an hour's recommendations: %+v", len(store.kept), store.kept)
	}
}
