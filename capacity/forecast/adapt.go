package forecast

// Adapt returns the level to ask for so that intervals hold as often as wanted, from how the last ones held (true: the
// value lay within), the oldest first: adaptive conformal inference (Gibbs and Candes 2021). After each miss the next
// interval is a little wider, after each hit a little narrower, so that over time the share within tends to the level
// whatever the series does. Level is in (0, 1); the answer is too.
func Adapt(level float64, held []bool) float64 {
	const (
		pace  = 0.01
		least = 0.001 // the miss rate never goes below, or above half
	)
	miss := 1 - level
	for _, h := range held {
		if h {
			miss += pace * (1 - level)
		} else {
			miss += pace * (1 - level - 1)
		}
		miss = min(max(miss, least), max(0.5, 1-level))
	}
	return 1 - miss
}
