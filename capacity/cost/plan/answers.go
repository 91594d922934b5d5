package plan

import (
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
)

// OutlookRequest asks what is ahead. Growth nil asks for the month's end alone.
type OutlookRequest struct {
	Growth *Growth
	Users  int64 // now; 0 is not known
	Months int
}

// Outlook is where costs are going.
type Outlook struct {
	Currency string     `json:"currency"`
	MonthEnd MonthEnd   `json:"monthEnd"`
	Today    cost.Money `json:"today"`    // spent today so far; not in MonthEnd.Spent
	Fixed    cost.Money `json:"fixed"`    // of a month of 30 days: amounts that do not grow with users
	Variable cost.Money `json:"variable"` // of a month of 30 days: the rest
	Days     int        `json:"days"`     // whole days that Fixed and Variable were made of
	Growth   *Growth    `json:"growth"`
	Path     []Ahead    `json:"path"`
	Missing  []string   `json:"missing"`
}

// AnomalyReport are the days of the past that stand out, by service and tenant, those that cost most first.
type AnomalyReport struct {
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Level     float64   `json:"level"`
	Series    int       `json:"series"` // pairs of service and tenant that were looked at
	Anomalies []Anomaly `json:"anomalies"`
	Missing   []string  `json:"missing"`
}

// SavingsReport is what could be smaller.
type SavingsReport struct {
	From     time.Time             `json:"from"`
	To       time.Time             `json:"to"`
	Currency string                `json:"currency"`
	Monthly  cost.Money            `json:"monthly"` // of all together; those of nodes come after those of requests are made
	Savings  []Saving              `json:"savings"`
	Coverage []allocation.Coverage `json:"coverage"`
}
