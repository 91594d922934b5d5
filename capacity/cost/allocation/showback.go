package allocation

// Showback is what a period cost, whose it is, and what one request cost.
type Showback struct {
	Allocation
	By       By         `json:"by"`
	Sums     []Sum      `json:"sums"`  // by By, the dearest first
	Units    []UnitCost `json:"units"` // by tenant and service
	Coverage []Coverage `json:"coverage"`
	Missing  []string   `json:"missing"` // what the figures lack, one sentence each
}

// Coverage says how much of a period a figure was made of.
type Coverage struct {
	Source string  `json:"source"`
	Hours  int     `json:"hours"` // in which there was anything
	Of     int     `json:"of"`
	Share  float64 `json:"share"` // Hours of Of, 0..1
}
