package alerting

import "time"

// Matcher is one condition on a label, as Alertmanager's API v2 has it.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// Silence keeps alerts from paging for a while.
type Silence struct {
	ID        string    `json:"id"` // UUID
	Tenant    string    `json:"tenant,omitempty"`
	Matchers  []Matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
}

// Verdict says what keeps an alert from paging; all empty where nothing does.
type Verdict struct {
	SilencedBy  []string `json:"silencedBy"`  // ids of silences
	InhibitedBy []string `json:"inhibitedBy"` // fingerprints of the alerts that explain it
	MutedBy     []string `json:"mutedBy"`     // names of maintenance windows
}

// Suppressed reports whether something keeps the alert from paging.
func (v Verdict) Suppressed() bool {
	return len(v.SilencedBy) > 0 || len(v.InhibitedBy) > 0 || len(v.MutedBy) > 0
}
