package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/nines-sre/nines/alerting"
)

// BenchmarkIntake tells batches of 64 alerts: again and again the same that fire, and ever new ones.
func BenchmarkIntake(b *testing.B) {
	batch := func(n int) []alerting.Alert {
		alerts := make([]alerting.Alert, 64)
		for i := range alerts {
			alerts[i] = alert("Down", "warning", "service", fmt.Sprint(n), "pod", fmt.Sprint(i))
		}
		return alerts
	}
	run := func(b *testing.B, of func(n int) []alerting.Alert) {
		db := open(b)
		receive(b, db, of(0)...)
		n := 0
		for b.Loop() {
			n++
			alerts := of(n)
			for i := range alerts {
				alerts[i] = again(alerts[i])
			}
			if err := db.ReceiveAlerts(context.Background(), responder, alerts, router); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(64*n)/b.Elapsed().Seconds(), "alerts/s")
	}
	same := batch(0)
	b.Run("told again", func(b *testing.B) { run(b, func(int) []alerting.Alert { return same }) })
	b.Run("new", func(b *testing.B) { run(b, batch) })
}
