package intelligence

import (
	"fmt"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
)

// A month of fifty customers of one promise: 432,000 buckets, without the database's part.
func BenchmarkStatusesOfAMonth(b *testing.B) {
	w := newWorld()
	w.slos = []slo.Versioned{shop}
	for n := range 50 {
		w.fill(shop, fmt.Sprintf("tenant-%d", n), "eu", ago(30*24*time.Hour), ago(5*time.Minute), 1, 1000)
	}
	for b.Loop() {
		if _, err := w.service().Statuses(bg, operator, StatusFilter{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.buckets)), "buckets")
}
