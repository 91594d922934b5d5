// Package cost turns measured usage and a price sheet into who used what for how much, exact to the cent. It leaves out
// how usage is measured: the queries stand in the sheet, and somebody else asks them.
package cost

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// Kind is the kind of documents that ReadPriceSheet reads.
const Kind = "PriceSheet"

// PriceSheet says what usage costs: items, which are queries with a price, and rates of resources, by which the cost of a
// fleet is allocated.
type PriceSheet struct {
	Name     string `json:"name"`     // metadata.name
	Currency string `json:"currency"` // ISO 4217, such as EUR
	Items    []Item `json:"items"`

	Source      string             `json:"source,omitempty"` // where the prices were read
	Rates       []Rate             `json:"rates,omitempty"`
	Discounts   []Discount         `json:"discounts,omitempty"`
	Commitments []Commitment       `json:"commitments,omitempty"`
	Shared      []Shared           `json:"shared,omitempty"`
	Overhead    []Shared           `json:"overhead,omitempty"`
	Idle        SplitBy            `json:"idle,omitempty"` // Nobody, unless Proportional
	Fees        map[string]Decimal `json:"fees,omitempty"` // what each tenant pays a month, of which SLA credits are a share
}

// Item is one thing that is paid for: Price for each Per units of what Query counts.
type Item struct {
	Name  string  `json:"name"`
	Query string  `json:"query"` // PromQL whose result has a tenant label; {{.window}} stands for the period's length
	Per   Decimal `json:"per"`   // 1000000: the price is for a million
	Unit  string  `json:"unit"`  // for people, such as "requests"
	Price Decimal `json:"price"`
}

// maxItems bounds one sheet.
const maxItems = 100

var window = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// QueryOver returns the item's query for a period of that length; it is to be asked at the period's end.
func (i Item) QueryOver(period time.Duration) string {
	return window.ReplaceAllLiteralString(i.Query, model.Duration(period).String())
}

type sheetSpec struct {
	Currency  string     `yaml:"currency"`
	Items     []itemSpec `yaml:"items"`
	rateSpecs `yaml:",inline"`
}

type itemSpec struct {
	Name  string   `yaml:"name"`
	Query string   `yaml:"query"`
	Per   *Decimal `yaml:"per"`
	Unit  string   `yaml:"unit"`
	Price *Decimal `yaml:"price"`
}

var (
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	itemName     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// ReadPriceSheet reads a PriceSheet document and names every problem in it with its line. Per is 1 where it is left out.
func ReadPriceSheet(d manifest.Document) (PriceSheet, manifest.Problems) {
	var spec sheetSpec
	r := sheetReader{doc: d, problems: d.DecodeSpec(&spec), first: map[string]int{}}
	if !currencyCode.MatchString(spec.Currency) {
		r.bad("spec.currency", "%q is not a currency code of three capital letters, such as EUR", clip(spec.Currency))
	}
	switch n := len(spec.Items); {
	case n == 0 && spec.empty():
		r.bad("spec.items", "is missing; a price sheet needs at least one item or rate")
	case n > maxItems:
		r.bad("spec.items", "has %d items; the most is %d", n, maxItems)
		return PriceSheet{}, r.problems
	}
	sheet := PriceSheet{Name: d.Metadata.Name, Currency: spec.Currency, Items: []Item{}}
	for i, item := range spec.Items {
		sheet.Items = append(sheet.Items, r.item(i, item))
	}
	r.rates(&sheet, spec.rateSpecs)
	return sheet, r.problems
}

// sheetReader collects the problems of one document.
type sheetReader struct {
	doc      manifest.Document
	problems manifest.Problems
	first    map[string]int // where each item's name was used
}

func (r *sheetReader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

func (r *sheetReader) item(i int, s itemSpec) Item {
	path := fmt.Sprintf("spec.items.%d", i)
	one, _ := ParseDecimal("1")
	item := Item{Name: s.Name, Query: strings.TrimSpace(s.Query), Per: one, Unit: strings.TrimSpace(s.Unit)}
	switch at, again := r.first[s.Name]; {
	case !itemName.MatchString(s.Name):
		r.bad(path+".name", "%q must be lower-case letters, digits and dashes, at most 63", clip(s.Name))
	case again:
		r.bad(path+".name", "%q is already the name of items.%d; keep one or rename it", s.Name, at)
	default:
		r.first[s.Name] = i
	}
	r.query(path+".query", item.Query)
	if s.Per != nil {
		item.Per = *s.Per
	}
	if item.Per.Sign() <= 0 {
		r.bad(path+".per", "%s is not positive; write how many units the price is for, such as 1000000", item.Per)
	}
	if len(item.Unit) > 40 {
		r.bad(path+".unit", "has %d characters; the most is 40", len(item.Unit))
	}
	switch {
	case s.Price == nil:
		r.bad(path+".price", "is missing; write it as a decimal, such as 0.40")
	case s.Price.Sign() < 0:
		r.bad(path+".price", "%s is negative", s.Price)
	default:
		item.Price = *s.Price
	}
	return item
}

func (r *sheetReader) query(path, text string) {
	switch {
	case text == "":
		r.bad(path, "is missing; write PromQL with a tenant label, such as sum by (tenant) (increase(x_total[{{.window}}]))")
		return
	case !window.MatchString(text):
		r.bad(path, "does not use {{.window}}; without it the usage does not depend on the period")
	}
	expr, err := promguard.Parse(Item{Query: text}.QueryOver(time.Hour))
	if err != nil {
		r.bad(path, "%s", reason(err))
		return
	}
	if t := expr.Type(); t != parser.ValueTypeVector {
		r.bad(path, "is a %s; usage needs an instant vector with a tenant label", parser.DocumentedType(t))
	}
}

func reason(err error) string {
	shown := fault.Public(err)
	if len(shown.Details) > 0 {
		return "is not PromQL: " + shown.Details[0].Message
	}
	return shown.Message
}

// Combine makes one sheet of several, so that one report can be made of all. The names of items get the sheet's name
// before them where there is more than one. Sheets in different currencies are a fault.Invalid: what they come to cannot
// be added up. So are rates or discounts of two sheets that are in force for the same at the same time.
func Combine(sheets []PriceSheet) (PriceSheet, error) {
	if len(sheets) == 0 {
		return PriceSheet{}, fault.New(fault.NotFound, "no price sheet is defined; apply one of kind %s", Kind)
	}
	if len(sheets) == 1 {
		return sheets[0], nil
	}
	all := PriceSheet{Name: "all", Currency: sheets[0].Currency, Idle: sheets[0].Idle}
	for _, s := range sheets {
		if s.Currency != all.Currency {
			return PriceSheet{}, fault.New(fault.Invalid, "the price sheet %s is in %s and %s in %s; amounts in different currencies cannot be added up", sheets[0].Name, all.Currency, s.Name, s.Currency)
		}
		for _, item := range s.Items {
			item.Name = s.Name + "/" + item.Name
			all.Items = append(all.Items, item)
		}
		if err := all.join(s); err != nil {
			return PriceSheet{}, err
		}
	}
	return all, nil
}
