package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

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
			if err := db.ReceiveAlerts(context.Background(), responder, alerts, routing); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(64*n)/b.Elapsed().Seconds(), "alerts/s")
	}
	same := batch(0)
	b.Run("told again", func(b *testing.B) { run(b, func(int) []alerting.Alert { return same }) })
	b.Run("new", func(b *testing.B) { run(b, batch) })
}

// BenchmarkAccept makes batches of 64 ever new alerts of eight sources durable at once, without working them off.
func BenchmarkAccept(b *testing.B) {
	db := open(b)
	began, n := time.Now(), atomic.Int64{}
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k := n.Add(1)
			alerts := make([]alerting.Alert, 64)
			for i := range alerts {
				alerts[i] = alert("Down", "warning", "service", fmt.Sprint(k%100), "pod", fmt.Sprint(k, "-", i))
			}
			if err := db.AcceptAlerts(context.Background(), responder, alerts); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(64*n.Load())/time.Since(began).Seconds(), "alerts/s")
}

// BenchmarkJudgedIntake tells batches of 64 alerts that a rule may inhibit while 10,000 others fire, a tenth of which may
// inhibit, and a hundred silences are in force.
func BenchmarkJudgedIntake(b *testing.B) {
	db := open(b)
	for n := range 20 {
		var alerts []alerting.Alert
		for i := range 500 {
			severity := "warning"
			if i%10 == 0 {
				severity = "critical"
			}
			alerts = append(alerts, alert("Down", severity, "service", fmt.Sprint("s", n), "pod", fmt.Sprint(i)))
		}
		receive(b, db, alerts...)
	}
	for n := range 100 {
		put(b, db, silence(fmt.Sprint("elsewhere", n)))
	}
	alerts := make([]alerting.Alert, 64)
	for i := range alerts {
		alerts[i] = alert("Slow", "error", "service", fmt.Sprint("s", i%40), "pod", fmt.Sprint(i))
	}
	receiveBy(b, db, inhibiting, alerts...)
	for b.Loop() {
		for i := range alerts {
			alerts[i] = again(alerts[i])
		}
		receiveBy(b, db, inhibiting, alerts...)
	}
	b.ReportMetric(float64(64*b.N)/b.Elapsed().Seconds(), "alerts/s")
	for n := range 3 {
		began := time.Now()
		rejudge(b, db, inhibiting)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), fmt.Sprintf("ms-look%d", n))
	}
}
