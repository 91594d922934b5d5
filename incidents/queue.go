package incidents

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Limit is how many messages may be sent within a time.
type Limit struct {
	Most int
	Per  time.Duration
}

// limits are what providers, or the people behind them, take: for each target, over all replicas.
var limits = map[string][]Limit{
	"pagerduty":  {{120, time.Minute}}, // a routing key's events
	"slack":      {{1, time.Second}},   // a channel's messages
	"googlechat": {{1, time.Second}},   // a space's messages
	"opsgenie":   {{120, time.Minute}},
	"webhook":    {{100, time.Second}}, // a machine, which is told of each incident
	"sms":        {{1, time.Minute}, {5, 15 * time.Minute}, {11, time.Hour}, {21, 3 * time.Hour}},
	"voice":      {{1, time.Minute}, {3, 15 * time.Minute}, {7, time.Hour}, {15, 3 * time.Hour}},

	otherProviders: {{5, 5 * time.Second}},
}

// otherProviders stands for all providers that have no limits of their own.
const otherProviders = ""

// Limits returns the limits of all providers; those of "" hold for the others.
func Limits() map[string][]Limit { return maps.Clone(limits) }

// LimitsOf returns how many messages a target of the provider gets; all of the limits hold at once.
func LimitsOf(provider string) []Limit {
	if l, ok := limits[provider]; ok {
		return l
	}
	return limits[otherProviders]
}

// Bundling of a storm: where more pages than bundleOver wait for a target, or more than it may get now, they go as one
// message, at most bundleMost at a time.
const (
	bundleOver = 4
	bundleMost = 50
)

// Bundles reports whether several incidents may go to the target as one message. Where each incident has an identity of
// its own at the provider, such as an alert of PagerDuty's or a thread, they never do.
func (t Target) Bundles() bool {
	switch t.Provider() {
	case "pagerduty", "opsgenie", "webhook":
		return false
	}
	return !t.KeepsThread()
}

// The retry budget of a provider: a fifth of what is sent within a minute, beyond a floor that a restart with all sends
// in flight needs.
const (
	retryShare = 0.2
	retryFloor = 30
)

// RetryBudget returns how many retries a provider may get now, given what it got within the last minute: all attempts,
// and the retries among them. Trouble of a provider is not made worse by everybody trying again.
func RetryBudget(attempts, retries int) int {
	return max(0, retryFloor+int(retryShare*float64(attempts-retries))-retries)
}

// Due is a page that may be sent now: the one at the head of its incident's queue for its target.
type Due struct {
	ID       int64
	Tenant   string
	Service  string
	Target   string // key
	Provider string
	Action   Action
	Priority int
	NextAt   time.Time
	Retry    bool // it failed before; a dead sender's page is no retry
	Bundles  bool
}

// Queue is what decides which pages go next.
type Queue struct {
	Due     []Due
	Targets map[string]Standing // by key; pages of other targets stay where they are
	Retries map[string]int      // by provider, see RetryBudget
}

// Next chooses at most so many messages; each is one page or a bundle. Urgent ones go first, and of one priority the
// tenants and services take turns.
func (q Queue) Next(most int) [][]Due {
	var (
		out     [][]Due
		free    = map[string]int{}
		retries = map[string]int{}
		bundles = q.bundles()
		bundled = map[string]bool{}
	)
	for _, d := range inTurns(q.Due) {
		standing, ok := q.Targets[d.Target]
		if len(out) >= most {
			break
		}
		if !ok || (d.bundled(bundles) && bundled[d.Target]) {
			continue
		}
		ends := standing.Ends && d.Action != ActionTrigger
		if (free[d.Target] >= standing.Free && !ends) || (d.Retry && retries[d.Provider] >= q.Retries[d.Provider]) {
			continue
		}
		if !ends {
			free[d.Target]++
		}
		message := []Due{d}
		if d.bundled(bundles) && !standing.Probe {
			message, bundled[d.Target] = bundles[d.Target], true
		}
		if d.Retry {
			retries[d.Provider]++
		}
		out = append(out, message)
	}
	return out
}

// bundles returns the pages of the targets at which a storm waits, in turns.
func (q Queue) bundles() map[string][]Due {
	waiting := map[string][]Due{}
	for _, d := range inTurns(q.Due) {
		if d.Bundles && d.Action == ActionTrigger && d.Priority != PriorityUrgent {
			waiting[d.Target] = append(waiting[d.Target], d)
		}
	}
	for target, pages := range waiting {
		if len(pages) <= max(1, min(bundleOver, q.Targets[target].Free)) {
			delete(waiting, target)
			continue
		}
		waiting[target] = pages[:min(len(pages), bundleMost)]
	}
	return waiting
}

// bundled reports whether the page belongs to a storm.
func (d Due) bundled(bundles map[string][]Due) bool {
	return len(bundles[d.Target]) > 0 && d.Action == ActionTrigger && d.Priority != PriorityUrgent
}

// inTurns sorts by priority, then so that each tenant's service has its first page before any has its second.
func inTurns(due []Due) []Due {
	due = slices.Clone(due)
	slices.SortStableFunc(due, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.NextAt.Compare(b.NextAt), cmp.Compare(a.ID, b.ID))
	})
	type party struct {
		priority        int
		tenant, service string
	}
	had, turn := map[party]int{}, make(map[int64]int, len(due))
	for _, d := range due {
		p := party{d.Priority, d.Tenant, d.Service}
		turn[d.ID] = had[p]
		had[p]++
	}
	slices.SortStableFunc(due, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(turn[a.ID], turn[b.ID]))
	})
	return due
}
