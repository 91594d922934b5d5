package incidents

import "time"

// Urgency is how soon somebody has to look: high wakes people, low may wait for the morning.
type Urgency string

// The urgencies.
const (
	HighUrgency Urgency = "high"
	LowUrgency  Urgency = "low"
)

// Person is somebody who can be called: an account and how its owner wants to be reached.
type Person struct {
	ID      string   `json:"id"`    // the account's
	Email   string   `json:"email"` // lower case; schedules and policies name people by it
	Zone    string   `json:"zone"`  // IANA; "" is UTC
	Methods []Method `json:"methods"`
	Rules   []Rule   `json:"rules"` // of both urgencies, the shortest delay first
	Quiet   []Quiet  `json:"quiet"` // while one of them lasts, pages of low urgency wait
}

// Method is one way to reach a person.
type Method struct {
	ID     string `json:"id"` // UUID
	Name   string `json:"name"`
	Target Target `json:"target"` // with the channel's account filled in, ready to be sent to
}

// Rule says that a method is used so long after the person was paged, unless somebody has acknowledged by then.
type Rule struct {
	Urgency Urgency       `json:"urgency"`
	Delay   time.Duration `json:"delay"`
	Method  string        `json:"method"` // Method.ID
}

// Quiet is a part of each week, in the person's zone: on the days it begins at From and ends at To, both as time since
// midnight by the clock on the wall; a To at or before From is on the next day.
type Quiet struct {
	Days []time.Weekday `json:"days"` // empty is every day
	From time.Duration  `json:"from"`
	To   time.Duration  `json:"to"`
}

// Bounds of what a person may choose.
const (
	MaxMethods   = 20
	MaxRules     = 30
	MaxRuleDelay = 24 * time.Hour
	MaxQuiet     = 10
)

// Notice is one page to a person that is to be sent at a time.
type Notice struct {
	At     time.Time
	Target Target
	Method string // Method.Name
	Number int    // 1-based place among the person's notices of one step
}

// Roster is who can be called at a moment. Storage resolves it before a transition, which so stays pure.
type Roster struct {
	People map[string]Person   // by Email; an address that is not in it has no account, or a disabled one
	OnCall map[string][]string // who is on call now, by schedule; a schedule that is not in it does not exist
	Turns  map[TurnOf]int      // which target's turn it is in steps with the strategy RoundRobin, counting up; storage locks them
}
