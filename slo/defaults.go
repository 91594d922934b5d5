package slo

import (
	"slices"
	"strings"
	"time"
)

// Limits and defaults of a definition.
const (
	DefaultInterval = time.Minute     // of the exact increments
	MinInterval     = time.Second     // below 15 s only for trials: every increment is one evaluation
	MaxInterval     = 5 * time.Minute // a ledger bucket must hold at least one
	minWindow       = 1440            // base intervals in a compliance window: a day at one minute
	maxWindow       = 366 * 24 * time.Hour
	bucketWidth     = 5 * time.Minute // every interval must divide it
)

// SettleFor returns the settle time of an SLO that names none: ten seconds for intervals of a minute or more, else a
// sixth of the interval but at least half a second.
func SettleFor(interval time.Duration) time.Duration {
	if interval >= time.Minute {
		return 10 * time.Second
	}
	return max(interval/6, 500*time.Millisecond).Round(time.Millisecond)
}

// withDefaults fills what a definition may leave out, so that an SLO made in code behaves like one that was read.
func (s SLO) withDefaults() SLO {
	if s.Interval <= 0 {
		s.Interval = DefaultInterval
	}
	if s.Settle <= 0 {
		s.Settle = SettleFor(s.Interval)
	}
	if s.Window.Calendar == "" && s.Window.Rolling <= 0 {
		s.Window.Rolling = DefaultRolling
	}
	if slices.ContainsFunc(s.Alerting.Tiers, func(t Tier) bool { return t.Name == "" }) {
		s.Alerting.Tiers = slices.Clone(s.Alerting.Tiers)
		nameTiers(s.Alerting.Tiers)
	}
	if s.Alerting.Name == "" {
		s.Alerting.Name = alertName(s.ID)
	}
	return s
}

// alertName makes "ShopAvailabilityBurn" of "shop-availability".
func alertName(id string) string {
	words := strings.FieldsFunc(id, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == ' ' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "") + "Burn"
}

// withoutRegion is the default of BudgetBy: one budget a customer, wherever they are served.
func withoutRegion(groupBy []string) []string {
	var out []string
	for _, l := range groupBy {
		if l != "region" {
			out = append(out, l)
		}
	}
	return out
}

func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
