package slo_test

import (
	"fmt"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

func ExampleObjective_BurnRate() {
	var promised slo.Objective = 99.9
	fmt.Printf("%.1f\n", promised.BurnRate(slo.Counts{Good: 999, Total: 1000}))   // exactly on budget
	fmt.Printf("%.1f\n", promised.BurnRate(slo.Counts{Good: 9856, Total: 10000})) // worth a page
	fmt.Printf("%.1f\n", promised.BurnRate(slo.Counts{}))                         // no traffic spends nothing
	// Output:
	// 1.0
	// 14.4
	// 0.0
}

func ExampleReadSLO() {
	docs, _ := manifest.Read(manifest.File{Name: "shop.yaml", Text: `
apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  objective: 99.9
  sli:
    events: {errors: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  groupBy: [tenant, region]
`})
	promise, problems := slo.ReadSLO(docs[0])
	fmt.Println(promise.ID, promise.Objective, promise.BudgetBy, len(problems))
	for _, t := range promise.Tiers() {
		fmt.Println(t.Name, t.Factor, t.Long, t.Short)
	}
	// Output:
	// shop-availability 99.9 [tenant] 0
	// page-fast 14.4 1h0m0s 5m0s
	// page-slow 6 6h0m0s 30m0s
	// ticket-fast 3 24h0m0s 2h0m0s
	// ticket-slow 1 72h0m0s 6h0m0s
}
