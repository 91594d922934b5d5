package telemetry

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestRunsOfRunbooksAreCountedByWhatBeganThem(t *testing.T) {
	t.Parallel()
	m := NewRunMetrics(prometheus.NewRegistry())
	if n := testutil.CollectAndCount(m.runs); n != 4 {
		t.Errorf("%d series are there before the first run, want 4", n)
	}
	m.Ended(true, "failed")
	m.Ended(false, "ok")
	for _, want := range [][2]string{{"incident", "failed"}, {"person", "ok"}} {
		if got := testutil.ToFloat64(m.runs.WithLabelValues(want[0], want[1])); got != 1 {
			t.Errorf("%v: %v, want 1", want, got)
		}
	}
	if got := testutil.ToFloat64(m.runs.WithLabelValues("person", "failed")); got != 0 {
		t.Errorf("%v runs of people failed, want none", got)
	}
}
