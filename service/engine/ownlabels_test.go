package engine

import (
	"fmt"
	"testing"
)

// TestScrapedLabelsStayWhatTheyWere scrapes protobuf answers that change in length, so that a label that still pointed
// into a scrape's buffer would change with it.
func TestScrapedLabelsStayWhatTheyWere(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr)})
	tenant := func(i int) string { return fmt.Sprintf("customer-%d-%0*d", i, i%7+1, i) }
	const rounds = 8
	for i := range rounds {
		s.requests.WithLabelValues(tenant(i), "200").Add(float64(i + 1))
		e.eventually("the new series is found", func() bool {
			v, ok := e.value(fmt.Sprintf(`shop_requests_total{tenant=%q,code="200",job="shop"}`, tenant(i)))
			return ok && v == float64(i+1)
		})
	}
	for i := range rounds {
		if v, ok := e.value(fmt.Sprintf(`shop_requests_total{tenant=%q}`, tenant(i))); !ok || v != float64(i+1) {
			t.Errorf("%s: %v, %v", tenant(i), v, ok)
		}
	}
	if v, _ := e.value(`count(count by (tenant) ({tenant!=""}))`); v != rounds {
		t.Errorf("want %d tenants, got %v", rounds, v)
	}
	s.requests.Reset()
	e.eventually("the series have ended", func() bool { _, ok := e.value(`count({tenant!=""})`); return !ok })
}
