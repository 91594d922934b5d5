package trace_test

import (
	"fmt"
	"strings"

	"github.com/nines-sre/nines/capacity/trace"
)

func ExampleRead() {
	t, err := trace.Read("load.csv", strings.NewReader(`timestamp,value
2026-11-01 09:00:00,412
2026-11-01 09:01:00,398
2026-11-01 09:02:00,405
2026-11-01 09:05:00,431
`), trace.Options{})
	fmt.Println(len(t.Points), "points", t.Step, "apart", err)
	for _, note := range t.Notes() {
		fmt.Println(note)
	}
	// Output:
	// 4 points 1m0s apart <nil>
	// 1 gaps, 2m of 6m without a value: 2m after 2026-11-01T09:02:00Z.
}
