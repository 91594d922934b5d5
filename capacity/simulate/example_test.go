package simulate_test

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/simulate"
	"github.com/nines-sre/nines/capacity/trace"
)

// Ten days of a service that fills within a quarter of an hour every morning: would a forecast have helped?
func ExamplePlan_Run() {
	var csv strings.Builder
	for i := range 10 * 1440 {
		minute := float64(i % 1440)
		load := 300 + 2400/(1+math.Exp(-(minute-480)/4)) - 2400/(1+math.Exp(-(minute-1080)/12))
		fmt.Fprintf(&csv, "%d,%.1f\n", 1793491200+60*i, load)
	}
	recorded, err := trace.Read("load.csv", strings.NewReader(csv.String()), trace.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	load, err := simulate.NewLoad(recorded, simulate.DefaultTick, simulate.Hold)
	if err != nil {
		fmt.Println(err)
		return
	}
	setup := simulate.DefaultSetup(5 * time.Minute)
	setup.PerReplica, setup.WarmUp = setup.ForPeak(load, 40), simulate.WarmUpFor(load.Length())
	study, err := simulate.Plan{
		Setup: setup, HPA: simulate.DefaultHPA(0.7, 1, 1000), Target: 0.7,
		Specs: []simulate.Spec{{Kind: simulate.KindHPA}, {Kind: simulate.KindPredictive}},
	}.Run(load)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range study.Outcomes {
		fmt.Printf("%s: %.1f %% missing\n", o.Policy, o.Under)
	}
	fmt.Println(study.Judged[0].Verdict.Mode)
	// Output:
	// hpa: 0.4 % missing
	// predictive: 0.0 % missing
	// predictive
}
