package engine

import (
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
)

func TestTheEnginePointsOutTracesByExemplars(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e := startEngine(t, Config{ConfigFile: scraping(t, "shop", s.addr)})
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	began := time.Now().Add(-time.Minute)
	e.eventually("the exemplar is kept", func() bool {
		s.requests.WithLabelValues("acme", "500").(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": id})
		found, err := e.client.Exemplars(t.Context(), `sum(rate(shop_requests_total{code="500"}[5m]))`, began, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return len(found) > 0 && found[0].Labels["trace_id"] == id && found[0].Series["tenant"] == "acme" && found[0].Value == 1
	})
	if found, err := e.client.Exemplars(t.Context(), "shop_requests_total", began.Add(-time.Hour), began); err != nil || len(found) != 0 {
		t.Errorf("before: %v, %v", found, err)
	}
	if _, err := e.client.Exemplars(t.Context(), "sum(", began, time.Now()); !fault.Is(err, fault.Invalid) {
		t.Errorf("no PromQL: %v", err)
	}
}
