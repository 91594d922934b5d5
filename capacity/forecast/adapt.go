package forecast

// Adapt returns the level to ask for so that intervals hold as often as wanted, from how the last ones held: the share of
// what came that lay within, the oldest first (1 or 0 where each is of one value). It is adaptive conformal inference (Gibbs
// and Candes 2021): after intervals that held too little the next is a little wider, after those that held too much a little
// narrower, so that over time the share within tends to the level whatever the series does. Level is in (0, 1); the answer
// is too.
func Adapt(level float64, within []float64) float64 {
	const (
		pace  = 0.01
		least = 0.001 // the miss rate never goes below, or above half
	)
	miss := 1 - level
	for _, w := range within {
		miss += pace * ((1 - level) - (1 - w))
		miss = min(max(miss, least), max(0.5, 1-level))
	}
	return 1 - miss
}
