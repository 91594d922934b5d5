package incidents

import "time"

// Filter narrows a list of incidents. The zero Filter is all of them, newest first.
type Filter struct {
	States  []State   // any of these; none means all
	Service string    // "" means all
	SLO     string    // "" means all
	Since   time.Time // opened at or after; zero means ever
	Limit   int       // 1 to 500; 0 means 50
	Before  int64     // only numbers below this one: the cursor of the next page; 0 means from the newest
}
