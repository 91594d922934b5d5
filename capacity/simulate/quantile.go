package simulate

import (
	"math"
	"slices"
)

// quantile is the smallest value that at least a share of the values does not exceed; 0 where there are none. It sorts
// the values.
func quantile(values []float64, share float64) float64 {
	slices.Sort(values)
	return sortedQuantile(values, share)
}

func sortedQuantile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[max(0, min(i, len(sorted)-1))]
}
