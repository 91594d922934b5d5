// Package scaler has the words that the drivers below it share: each carries a wish for replicas to one kind of target. It
// leaves out the drivers themselves, and the deciding.
package scaler

// State is a target as it is now.
type State struct {
	Replicas int    `json:"replicas"` // that the target was last told to have
	Ready    int    `json:"ready"`    // that are there; -1 where the target does not say
	Min      int    `json:"min"`      // the target's own bound; 0 for none
	Max      int    `json:"max"`      // the target's own bound; 0 for none
	Paused   string `json:"paused"`   // what on the target asks to leave it alone; "" for nothing
	Through  string `json:"through"`  // what the wish is given to where that is not the target itself, such as its HPA
}

// Wish is a number of replicas to have.
type Wish struct {
	Key      string // of the decision, the same at every try
	Workload string
	From     int // replicas that the decision saw; where there are others by now it must be made again
	Replicas int
	Reason   string
	DryRun   bool // the target checks the wish as far as it can and changes nothing
}

// Outcome is what became of a wish.
type Outcome struct {
	Before int    `json:"before"`
	After  int    `json:"after"`
	What   string `json:"what"` // what was changed, for people
	DryRun bool   `json:"dryRun"`
}
