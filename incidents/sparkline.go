package incidents

import (
	"math"
	"strings"
	"time"
)

// sparkSteps are the heights of a word-sized plot, the lowest first.
var sparkSteps = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws the budget left over the span in a word of at most width characters, as █ for the most that was left in
// it and ▁ for the least; a space is a time that was not seen. Without a point it is "".
func Sparkline(points []SLOPoint, from, to time.Time, width int) string {
	if len(points) == 0 || width < 1 || !to.After(from) {
		return ""
	}
	columns := make([]float64, width)
	for n := range columns {
		columns[n] = math.NaN()
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		if p.Remaining == nil {
			continue
		}
		at := int(float64(width) * float64(p.At.Sub(from)) / float64(to.Sub(from)))
		columns[min(max(at, 0), width-1)] = *p.Remaining
		low, high = min(low, *p.Remaining), max(high, *p.Remaining)
	}
	if low > high {
		return ""
	}
	var b strings.Builder
	for _, value := range columns {
		switch {
		case math.IsNaN(value):
			b.WriteRune(' ')
		case high == low:
			b.WriteRune(sparkSteps[len(sparkSteps)-1])
		default:
			b.WriteRune(sparkSteps[int(math.Round((value-low)/(high-low)*float64(len(sparkSteps)-1)))])
		}
	}
	return b.String()
}
