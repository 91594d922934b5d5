package allocation_test

import (
	"fmt"
	"testing"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
)

// BenchmarkAMonthOfAFleet allocates 720 hours of 1000 containers on 100 nodes.
func BenchmarkAMonthOfAFleet(b *testing.B) {
	sheet := cost.PriceSheet{Currency: "EUR", Rates: []cost.Rate{rate(cost.CPU, "0.031611", cost.Place{}), rate(cost.RAM, "0.004237", cost.Place{}),
		rate(cost.Node, "0.178", cost.Place{InstanceType: "n2"})},
		Shared: []cost.Shared{{Name: "platform", Namespaces: []string{"system"}, Split: cost.Proportional}}}
	in := allocation.Input{Sheet: sheet, From: from, To: from.AddDate(0, 1, 0), Steps: hours(720, func(hour int, s *allocation.Step) {
		for n := range 100 {
			s.Nodes = append(s.Nodes, allocation.Node{Name: fmt.Sprint("n", n), CPU: 8, RAM: 31.2 + float64(n)/1000, Place: cost.Place{Region: "eu", InstanceType: "n2"}})
		}
		for c := range 1000 {
			s.Containers = append(s.Containers, allocation.Container{Node: fmt.Sprint("n", c%100), Owner: allocation.Owner{Tenant: fmt.Sprint("t", c%20), Service: fmt.Sprint("s", c%50),
				Namespace: []string{"shop", "system"}[c%2]}, CPU: allocation.Need{Request: 0.5, Usage: float64((c*31+hour)%9) / 10}, RAM: allocation.Need{Request: 2, Usage: 1.5}})
		}
	})}
	b.ResetTimer()
	for b.Loop() {
		allocation.Make(in)
	}
	b.ReportMetric(float64(b.N)*720*1000/b.Elapsed().Seconds(), "container-hours/s")
}
