package cost

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
)

// BudgetKind is the kind of documents that ReadBudget reads.
const BudgetKind = "CostBudget"

// What a budget's alert compares with the amount.
const (
	Actual   = "actual"   // what was spent in the month so far
	Forecast = "forecast" // what the month is expected to come to
)

// Budget is what something may cost in a calendar month (UTC).
type Budget struct {
	Name     string        `json:"name"`
	Scope    Scope         `json:"scope"`
	Monthly  Decimal       `json:"monthly"`
	Currency string        `json:"currency,omitempty"` // "" is the price sheet's
	Alerts   []BudgetAlert `json:"alerts"`
}

// Scope says whose costs count. "" is everybody's.
type Scope struct {
	Tenant    string `json:"tenant,omitempty" yaml:"tenant"`
	Team      string `json:"team,omitempty" yaml:"team"`
	Service   string `json:"service,omitempty" yaml:"service"`
	Namespace string `json:"namespace,omitempty" yaml:"namespace"`
	Region    string `json:"region,omitempty" yaml:"region"`
}

// Covers reports whether a cost of that tenant, team, service, namespace and region counts.
func (s Scope) Covers(other Scope) bool {
	for _, pair := range [][2]string{{s.Tenant, other.Tenant}, {s.Team, other.Team}, {s.Service, other.Service}, {s.Namespace, other.Namespace}, {s.Region, other.Region}} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return true
}

// String is the scope for people, such as "tenant acme, service shop".
func (s Scope) String() string {
	var parts []string
	for _, pair := range [][2]string{{"tenant", s.Tenant}, {"team", s.Team}, {"service", s.Service}, {"namespace", s.Namespace}, {"region", s.Region}} {
		if pair[1] != "" {
			parts = append(parts, pair[0]+" "+pair[1])
		}
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// BudgetAlert is told when At per cent of the amount are reached by what was spent or is expected.
type BudgetAlert struct {
	At Decimal `json:"at"` // per cent of the amount
	Of string  `json:"of"` // Actual or Forecast
}

type budgetSpec struct {
	Scope    Scope       `yaml:"scope"`
	Monthly  *Decimal    `yaml:"monthly"`
	Currency string      `yaml:"currency"`
	Alerts   []alertSpec `yaml:"alerts"`
}

type alertSpec struct {
	At Decimal `yaml:"at"`
	Of string  `yaml:"of"`
}

// DefaultAlerts are 50, 80 and 100 per cent of what was spent, and 100 per cent of what is expected.
func DefaultAlerts() []BudgetAlert {
	var out []BudgetAlert
	for _, a := range []struct{ at, of string }{{"50", Actual}, {"80", Actual}, {"100", Actual}, {"100", Forecast}} {
		at, _ := ParseDecimal(a.at)
		out = append(out, BudgetAlert{at, a.of})
	}
	return out
}

// maxAlerts bounds the alerts of one budget.
const maxAlerts = 20

// ReadBudget reads a CostBudget document and names every problem in it with its line. Alerts are DefaultAlerts where none
// are given.
func ReadBudget(d manifest.Document) (Budget, manifest.Problems) {
	var spec budgetSpec
	problems := d.DecodeSpec(&spec)
	bad := func(path, format string, args ...any) { problems = append(problems, d.Problem(path, format, args...)) }
	b := Budget{Name: d.Metadata.Name, Scope: spec.Scope, Currency: spec.Currency, Alerts: DefaultAlerts()}
	switch {
	case spec.Monthly == nil:
		bad("spec.monthly", "is missing; write the amount of a month, such as 12000")
	case spec.Monthly.Sign() <= 0:
		bad("spec.monthly", "%s is not positive", spec.Monthly)
	default:
		b.Monthly = *spec.Monthly
	}
	if spec.Currency != "" && !currencyCode.MatchString(spec.Currency) {
		bad("spec.currency", "%q is not a currency code of three capital letters, such as EUR", clip(spec.Currency))
	}
	if len(spec.Alerts) > maxAlerts {
		bad("spec.alerts", "has %d alerts; the most is %d", len(spec.Alerts), maxAlerts)
		return b, problems
	}
	if len(spec.Alerts) > 0 {
		b.Alerts = nil
	}
	for i, a := range spec.Alerts {
		path := fmt.Sprintf("spec.alerts.%d", i)
		if a.Of == "" {
			a.Of = Actual
		}
		if a.At.Sign() <= 0 || a.At.Rat().Cmp(big.NewRat(1000, 1)) > 0 {
			bad(path+".at", "%s is not a percentage between 0 and 1000", a.At)
		}
		if a.Of != Actual && a.Of != Forecast {
			bad(path+".of", "%q is not known; write actual or forecast", clip(a.Of))
		}
		if slices.ContainsFunc(b.Alerts, func(o BudgetAlert) bool { return o.Of == a.Of && o.At.Rat().Cmp(a.At.Rat()) == 0 }) {
			bad(path, "is there twice")
		}
		b.Alerts = append(b.Alerts, BudgetAlert{a.At, a.Of})
	}
	return b, problems
}

// BudgetState is how a budget stands.
type BudgetState struct {
	Budget   Budget       `json:"budget"`
	Spent    Money        `json:"spent"`    // in the month so far
	Expected *Money       `json:"expected"` // at its end; null where there is too little to forecast from
	Lower    *Money       `json:"lower"`    // of the forecast's interval
	Upper    *Money       `json:"upper"`
	Share    float64      `json:"share"`         // spent of the amount, 0 and more
	Ahead    *float64     `json:"expectedShare"` // expected of the amount
	Alerts   []AlertState `json:"alerts"`
}

// AlertState is whether one alert of a budget is reached.
type AlertState struct {
	BudgetAlert
	Reached bool `json:"reached"`
}

// Evaluate says how the budget stands. An alert of a forecast is not reached where there is no forecast.
func (b Budget) Evaluate(spent Money, expected, lower, upper *Money) BudgetState {
	s := BudgetState{Budget: b, Spent: spent, Expected: expected, Lower: lower, Upper: upper, Share: share(spent.Rat(), b.Monthly.Rat())}
	if expected != nil {
		ahead := share(expected.Rat(), b.Monthly.Rat())
		s.Ahead = &ahead
	}
	for _, a := range b.Alerts {
		limit := new(big.Rat).Mul(a.At.Rat(), b.Monthly.Rat())
		limit.Quo(limit, big.NewRat(100, 1))
		reached := a.Of == Actual && spent.Rat().Cmp(limit) >= 0 || a.Of == Forecast && expected != nil && expected.Rat().Cmp(limit) >= 0
		s.Alerts = append(s.Alerts, AlertState{a, reached})
	}
	return s
}
