package slo

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"
)

func TestDurationsAreWrittenAsPrometheusWritesThem(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		30 * day: "30d", 28 * day: "4w", 365 * day: "1y", 90 * time.Minute: "1h30m", 4*time.Minute + 59*time.Second + 999*time.Millisecond: "4m59s999ms",
		0: "0s", time.Microsecond: "0s", 372 * day: "372d",
	} {
		if got := promDuration(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(1, int64(3*365*day/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		if got, want := promDuration(d), model.Duration(d).String(); got != want {
			t.Fatalf("%s, Prometheus writes %s", got, want)
		}
	})
}
