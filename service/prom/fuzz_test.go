package prom

import (
	"strings"
	"testing"
	"time"
)

// FuzzDecode holds the decoder to this: whatever an endpoint answers, it gives an error or samples with plausible times,
// and never panics.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1793620800.123,"0.25"]}]}}`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"NaN"],[3,"+Inf"]]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1793620800,"1"]}}`,
		`{"status":"error","errorType":"bad_data","error":"no"}`, `{"status":"success","data":{"resultType":"vector","result":null}}`,
		`{"data":{"resultType":"vector","result":[{"value":[1e300,"1"]}]}}`, `{"data":{"resultType":"vector","result":[{"value":[[[,"1"]}]}}`,
		`{"data":{"resultType":"matrix","result":[{"values":[[NaN,"1"]]}]}}`, `[]`, ``, `{"data":{"resultType":"scalar","result":"x,\"1\""}}`,
		`{"data":{"resultType":"matrix","result":[{"histograms":[[1,{}]]}]}}`, `{"data":{"resultType":"vector","result":[{"value":null}]}}`,
	} {
		f.Add(seed)
	}
	bound := time.Date(33660, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := decode(strings.NewReader(text))
		if err != nil {
			return
		}
		check := func(at time.Time) {
			if at.After(bound) || at.Before(bound.AddDate(-70000, 0, 0)) {
				t.Fatalf("a sample at %v", at)
			}
		}
		samples, _ := a.Data.samples()
		for _, s := range samples {
			check(s.At)
			if s.Labels == nil {
				t.Fatal("a sample without a label map")
			}
		}
		series, _ := a.Data.series()
		for _, s := range series {
			if len(s.Points) == 0 {
				t.Fatal("a series without points")
			}
			for _, p := range s.Points {
				check(p.At)
			}
		}
	})
}
