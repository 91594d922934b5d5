package postgres_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/postgres"
)

// outlook is a forecast of an hour that was made at a time.
func outlook(subject string, at time.Time) forecast.Kept {
	f := forecast.Forecast{At: at, Last: 5, Step: manifest.Duration(time.Minute), Level: 0.9, Coverage: 1, History: 100,
		Points: []forecast.Predicted{{At: at.Add(time.Hour), Mean: 6, Lower: 5, Upper: 7}}}
	k := forecast.NewKept(f, at)
	k.By, k.Subject, k.Query, k.Labels = "workload:"+subject, subject, "load", map[string]string{"job": "shop"}
	k.Inputs = forecast.Inputs{Step: manifest.Duration(time.Minute), Horizon: manifest.Duration(time.Hour), Level: 0.9, Adapted: 0.92}
	return k
}

func keep(t *testing.T, db *postgres.DB, k forecast.Kept) forecast.Kept {
	t.Helper()
	id, err := db.KeepForecast(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	k.ID = id
	return k
}

func TestAForecastIsKeptUntilItIsJudgedOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	at := time.Now().UTC().Truncate(time.Second).Add(-3 * time.Hour)
	kept := keep(t, db, outlook("shop", at))
	keep(t, db, outlook("shop", at.Add(2*time.Hour))) // not due yet
	due, err := db.DueForecasts(t.Context(), at.Add(2*time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]forecast.Kept{kept}, due, cmpopts.IgnoreUnexported(forecast.Forecast{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
	for _, e := range []float64{2, 99} { // the second time comes too late
		if err := db.JudgeForecast(t.Context(), kept.ID, at.Add(2*time.Hour), &forecast.Score{Seen: 1, Of: 1, Error: e, Naive: 4, Within: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if due, err = db.DueForecasts(t.Context(), at.Add(2*time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("still due: %v %v", due, err)
	}
	judged, err := db.Forecasts(t.Context(), access.Operator(), postgres.ForecastFilter{Subject: "shop", Query: "load", Step: time.Minute, Judged: true})
	if err != nil || len(judged) != 1 || judged[0].Score == nil || judged[0].Score.Error != 2 {
		t.Errorf("judged: %+v %v", judged, err)
	}
	for what, f := range map[string]postgres.ForecastFilter{"another subject": {Subject: "x"}, "another query": {Query: "x"}, "another step": {Step: time.Hour}} {
		if found, err := db.Forecasts(t.Context(), access.Operator(), f); err != nil || len(found) != 0 {
			t.Errorf("%s: %v %v", what, found, err)
		}
	}
	if found, err := db.Forecasts(t.Context(), access.Tenant("acme"), postgres.ForecastFilter{}); err != nil || len(found) != 0 {
		t.Errorf("a tenant sees %v %v", found, err)
	}
}

func TestAForecastNobodyCanJudgeIsGivenUp(t *testing.T) {
	t.Parallel()
	db := open(t)
	at := time.Now().UTC().Truncate(time.Second).Add(-3 * time.Hour)
	kept := keep(t, db, outlook("shop", at))
	now := at.Add(2 * time.Hour)
	tries := 0
	for ; tries < 20; tries++ {
		due, err := db.DueForecasts(t.Context(), now, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			break
		}
		again := now.Add(time.Minute)
		if err := db.PutOffForecast(t.Context(), kept.ID, now, again); err != nil {
			t.Fatal(err)
		}
		if due, err := db.DueForecasts(t.Context(), now, 10); err != nil || len(due) != 0 {
			t.Fatalf("due before its time: %v %v", due, err)
		}
		now = again
	}
	if tries != 5 {
		t.Errorf("given up after %d tries", tries)
	}
}

func TestAccuracyIsOfTheLastForecastsOfEachSubject(t *testing.T) {
	t.Parallel()
	db := open(t)
	begin := time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)
	judge := func(subject string, age int, score forecast.Score) {
		k := keep(t, db, outlook(subject, begin.Add(time.Duration(age)*time.Minute)))
		if err := db.JudgeForecast(t.Context(), k.ID, begin.Add(24*time.Hour), &score); err != nil {
			t.Fatal(err)
		}
	}
	judge("shop", 0, forecast.Score{Error: 100, Naive: 1, Within: 0}) // too long ago to count
	judge("shop", 1, forecast.Score{Error: 1, Naive: 2, Within: 1, Bias: 1})
	judge("shop", 2, forecast.Score{Error: 2, Naive: 6, Within: 0.5, Bias: -1})
	judge("exact", 1, forecast.Score{Error: 0, Naive: 0, Within: 1})
	keep(t, db, outlook("unjudged", begin))
	got, err := db.ForecastAccuracy(t.Context(), begin.Add(-time.Hour), 2)
	if err != nil {
		t.Fatal(err)
	}
	ratio := 3. / 8
	want := []postgres.ForecastAccuracy{{Subject: "exact", Forecasts: 1, Within: 1, Level: 0.9}, {Subject: "shop", Forecasts: 2, Ratio: &ratio, Within: 0.75, Level: 0.9}}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
	gone, err := db.ForgetForecasts(t.Context(), begin.Add(90*time.Second), 100)
	if err != nil || gone != 4 {
		t.Errorf("%d forgotten, %v", gone, err)
	}
}
