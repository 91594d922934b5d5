package focus

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Problem is something that the specification does not allow. Line is that of a CSV file or the row's number, 0 for the
// file as a whole; Column is "" for a row as a whole.
type Problem struct {
	Line    int    `json:"line"`
	Column  string `json:"column"`
	Message string `json:"message"`
}

// String is the problem as one line for people.
func (p Problem) String() string {
	switch {
	case p.Line == 0:
		return p.Column + ": " + p.Message
	case p.Column == "":
		return fmt.Sprintf("line %d: %s", p.Line, p.Message)
	}
	return fmt.Sprintf("line %d, %s: %s", p.Line, p.Column, p.Message)
}

// Options say how strict Validate is.
type Options struct {
	Excerpt bool // not all mandatory columns need be there, as in an example that shows only some
	Most    int  // problems that are returned; 0 is all
}

// Validate checks the table against version 1.2: which columns there are, what is in them, and how the costs of a row hang
// together. It returns the problems in order of line, and how many there are in all.
func (t Table) Validate(o Options) (problems []Problem, all int) {
	v := &validator{table: t, most: o.Most, at: map[string]int{}}
	for i, name := range t.Columns {
		v.at[name] = i
	}
	v.header(o.Excerpt)
	for i := range t.Rows {
		v.row = i
		v.cells()
		v.periods()
		v.costs()
		v.pricing()
		v.commitment()
		v.pairs()
	}
	return v.problems, v.all
}

type validator struct {
	table    Table
	row      int
	at       map[string]int
	most     int
	all      int
	problems []Problem
}

func (v *validator) add(p Problem) {
	v.all++
	if v.most == 0 || len(v.problems) < v.most {
		v.problems = append(v.problems, p)
	}
}

func (v *validator) bad(column, format string, args ...any) {
	v.add(Problem{v.table.line(v.row), column, fmt.Sprintf(format, args...)})
}

func (v *validator) has(column string) bool { _, ok := v.at[column]; return ok }

func (v *validator) cell(column string) Cell {
	i, ok := v.at[column]
	if !ok {
		return Null
	}
	return v.table.Rows[v.row][i]
}

func (v *validator) null(column string) bool { return v.cell(column).Null }

func (v *validator) header(excerpt bool) {
	for _, c := range columns {
		if c.level == mandatory && !excerpt && !v.has(c.name) {
			v.add(Problem{0, c.name, "is missing; it is mandatory in version " + Version})
		}
	}
	for _, name := range v.table.Columns {
		if _, known := byName[name]; !known && !strings.HasPrefix(name, "x_") {
			v.add(Problem{0, name, "is not a column of version " + Version + didYouMean(name) + "; columns of your own begin with x_"})
		}
	}
}

func didYouMean(name string) string {
	for _, c := range columns {
		if strings.EqualFold(c.name, name) {
			return "; did you mean " + c.name + "?"
		}
	}
	return ""
}

// cells checks each value by itself.
func (v *validator) cells() {
	for i, name := range v.table.Columns {
		c, known := byName[name]
		cell := v.table.Rows[v.row][i]
		switch {
		case !known:
		case cell.Null && !c.nullable:
			v.bad(name, "is null; it must have a value")
		case !cell.Null:
			if err := c.check(cell.Text); err != nil {
				v.bad(name, "%s", err)
			}
		}
	}
}

func (c column) check(value string) error {
	var err error
	switch c.kind {
	case number:
		_, err = parseNumber(value)
	case moment:
		_, err = parseMoment(value)
	case currency:
		if !currencyCode.MatchString(value) {
			err = fmt.Errorf("%q is not a currency code of three capital letters, such as EUR", clip(value))
		}
	case object:
		err = checkObject(value)
	}
	if err == nil && c.allowed != nil && !slices.Contains(c.allowed, value) {
		err = fmt.Errorf("%q is not allowed; write one of: %s", clip(value), strings.Join(c.allowed, ", "))
	}
	return err
}

var (
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	numberForm   = regexp.MustCompile(`^[+-]?[0-9]{1,60}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?$`)
)

const momentForm = "2006-01-02T15:04:05Z"

// parseNumber reads a number in the specification's numeric format: digits with a point and an exponent, no signs of
// currency and no separators of thousands.
func parseNumber(value string) (*big.Rat, error) {
	if !numberForm.MatchString(value) {
		return nil, fmt.Errorf("%q is not a number; write digits with a point, such as 12.34", clip(value))
	}
	r, ok := new(big.Rat).SetString(value)
	if !ok {
		return nil, fmt.Errorf("%q is not a number", clip(value))
	}
	return r, nil
}

func parseMoment(value string) (time.Time, error) {
	t, err := time.Parse(momentForm, value)
	if err != nil || t.Format(momentForm) != value {
		return time.Time{}, fmt.Errorf("%q is not a time in UTC; write it as 2026-11-01T00:00:00Z", clip(value))
	}
	return t, nil
}

// checkObject accepts a JSON object whose values are no objects and no lists.
func checkObject(value string) error {
	var pairs map[string]any
	if err := json.Unmarshal([]byte(value), &pairs); err != nil || pairs == nil {
		return fmt.Errorf(`%q is not a JSON object, such as {"team":"shop"}`, clip(value))
	}
	for key, one := range pairs {
		switch one.(type) {
		case map[string]any, []any:
			return fmt.Errorf("the value of %q is nested; keys have plain values", clip(key))
		}
	}
	return nil
}

func (v *validator) periods() {
	billed := v.span("BillingPeriodStart", "BillingPeriodEnd")
	v.span("ChargePeriodStart", "ChargePeriodEnd")
	if billed && v.null("ChargePeriodStart") != v.null("ChargePeriodEnd") && v.has("ChargePeriodStart") && v.has("ChargePeriodEnd") {
		v.bad("ChargePeriodEnd", "a charge period needs both its start and its end")
	}
}

// span checks that a period ends after its start, since the end is not part of it.
func (v *validator) span(start, end string) bool {
	from, err1 := parseMoment(v.cell(start).Text)
	to, err2 := parseMoment(v.cell(end).Text)
	if err1 != nil || err2 != nil {
		return false
	}
	if !from.Before(to) {
		v.bad(end, "is not after %s; the end is not part of the period", start)
	}
	return true
}

func (v *validator) number(column string) (*big.Rat, bool) {
	c := v.cell(column)
	if c.Null {
		return nil, false
	}
	r, err := parseNumber(c.Text)
	return r, err == nil
}

// costs checks that unit prices times the quantity are the costs.
func (v *validator) costs() {
	if v.cell("ChargeClass").Text == "Correction" {
		return
	}
	for _, c := range []struct{ price, cost string }{{"ListUnitPrice", "ListCost"}, {"ContractedUnitPrice", "ContractedCost"}} {
		price, ok1 := v.number(c.price)
		quantity, ok2 := v.number("PricingQuantity")
		cost, ok3 := v.number(c.cost)
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		product := new(big.Rat).Mul(price, quantity)
		if off := new(big.Rat).Sub(product, cost); off.Abs(off).Cmp(v.tolerance(c.price, quantity)) > 0 {
			v.bad(c.cost, "is %s, and %s times PricingQuantity is %s", v.cell(c.cost).Text, c.price, trim(product.FloatString(10)))
		}
	}
	if billed, ok := v.number("BilledCost"); ok && v.cell("CommitmentDiscountStatus").Text != "" && v.cell("ChargeCategory").Text == "Usage" && billed.Sign() != 0 {
		v.bad("BilledCost", "is %s; usage that a commitment covers was billed with its purchase and costs 0 here", v.cell("BilledCost").Text)
	}
}

// tolerance is how far rounding may take a cost from the product: a hundredth, since costs are rounded to add up, and what
// the unit price's last digit leaves open.
func (v *validator) tolerance(price string, quantity *big.Rat) *big.Rat {
	_, fraction, _ := strings.Cut(v.cell(price).Text, ".")
	open := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Mul(big.NewInt(2), power(min(len(fraction), 60))))
	if len(fraction) < 6 {
		open.SetInt64(0) // a price of few digits is meant as written
	}
	open.Mul(open, new(big.Rat).Abs(quantity))
	return open.Add(open, big.NewRat(1, 100))
}

func trim(decimal string) string { return strings.TrimRight(strings.TrimRight(decimal, "0"), ".") }

// pricing checks what a charge's category asks of the pricing columns.
func (v *validator) pricing() {
	category := v.cell("ChargeCategory").Text
	correction := v.cell("ChargeClass").Text == "Correction"
	for _, name := range []string{"PricingCategory", "PricingQuantity", "PricingUnit"} {
		switch {
		case !v.has(name):
		case category == "Tax" && !v.null(name):
			v.bad(name, "must be null for a tax")
		case (category == "Usage" || category == "Purchase") && !correction && v.null(name):
			v.bad(name, "is null; a charge for usage or a purchase needs it")
		}
	}
	if category == "Tax" {
		for _, name := range []string{"ListUnitPrice", "ContractedUnitPrice"} {
			if !v.null(name) {
				v.bad(name, "must be null for a tax")
			}
		}
	}
	if category != "Usage" && category != "" && !v.null("ConsumedQuantity") {
		v.bad("ConsumedQuantity", "must be null where the ChargeCategory is %s", category)
	}
	if v.cell("CommitmentDiscountStatus").Text == "Unused" && !v.null("ConsumedQuantity") {
		v.bad("ConsumedQuantity", "must be null for the unused part of a commitment")
	}
}

// commitment checks the columns of commitment discounts.
func (v *validator) commitment() {
	if v.has("CommitmentDiscountId") && v.null("CommitmentDiscountId") {
		for _, name := range []string{"CommitmentDiscountCategory", "CommitmentDiscountName", "CommitmentDiscountQuantity",
			"CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit"} {
			if !v.null(name) {
				v.bad(name, "must be null where CommitmentDiscountId is")
			}
		}
		if v.cell("PricingCategory").Text == "Committed" {
			v.bad("PricingCategory", "is Committed, and CommitmentDiscountId is null")
		}
		return
	}
	if !v.has("CommitmentDiscountId") || !v.has("CommitmentDiscountStatus") {
		return
	}
	switch usage := v.cell("ChargeCategory").Text == "Usage"; {
	case usage && v.null("CommitmentDiscountStatus"):
		v.bad("CommitmentDiscountStatus", "is null; usage of a commitment is Used or Unused")
	case !usage && !v.null("CommitmentDiscountStatus"):
		v.bad("CommitmentDiscountStatus", "must be null where the ChargeCategory is %s", v.cell("ChargeCategory").Text)
	}
}

// pairs checks columns of which one means nothing without the other.
func (v *validator) pairs() {
	for _, p := range [][2]string{{"ConsumedUnit", "ConsumedQuantity"}, {"PricingUnit", "PricingQuantity"}} {
		if v.has(p[0]) && v.has(p[1]) && v.null(p[0]) != v.null(p[1]) {
			v.bad(p[0], "and %s are both null or neither", p[1])
		}
	}
	for _, p := range [][2]string{{"RegionName", "RegionId"}, {"SubAccountName", "SubAccountId"}, {"ResourceName", "ResourceId"}, {"ResourceType", "ResourceId"},
		{"CapacityReservationStatus", "CapacityReservationId"}} {
		if v.has(p[1]) && v.null(p[1]) && !v.null(p[0]) {
			v.bad(p[0], "must be null where %s is", p[1])
		}
	}
}
