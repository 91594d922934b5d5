package cost

import (
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Limits on the rates of one sheet.
const (
	maxRates  = 2000
	maxShared = 100
)

// rateSpecs is the part of a document that allocation needs.
type rateSpecs struct {
	Source      string             `yaml:"source"`
	Rates       []rateSpec         `yaml:"rates"`
	Discounts   []discountSpec     `yaml:"discounts"`
	Commitments []commitmentSpec   `yaml:"commitments"`
	Shared      []sharedSpec       `yaml:"shared"`
	Overhead    []sharedSpec       `yaml:"overhead"`
	Idle        string             `yaml:"idle"`
	Fees        map[string]Decimal `yaml:"fees"`
}

func (s rateSpecs) empty() bool { return len(s.Rates)+len(s.Shared)+len(s.Overhead) == 0 }

type rateSpec struct {
	Resource     string   `yaml:"resource"`
	Class        string   `yaml:"class"`
	Provider     string   `yaml:"provider"`
	Region       string   `yaml:"region"`
	InstanceType string   `yaml:"instanceType"`
	Negotiated   bool     `yaml:"negotiated"`
	Price        *Decimal `yaml:"price"`
	Per          *Decimal `yaml:"per"`
	Source       string   `yaml:"source"`
	From         string   `yaml:"effectiveFrom"`
	To           string   `yaml:"effectiveTo"`
}

type discountSpec struct {
	Provider  string   `yaml:"provider"`
	Resources []string `yaml:"resources"`
	Percent   *Decimal `yaml:"percent"`
	From      string   `yaml:"effectiveFrom"`
	To        string   `yaml:"effectiveTo"`
}

type commitmentSpec struct {
	Name         string   `yaml:"name"`
	Resource     string   `yaml:"resource"`
	Provider     string   `yaml:"provider"`
	Region       string   `yaml:"region"`
	InstanceType string   `yaml:"instanceType"`
	Quantity     *Decimal `yaml:"quantity"`
	Upfront      Decimal  `yaml:"upfront"`
	Hourly       Decimal  `yaml:"hourly"`
	From         string   `yaml:"effectiveFrom"`
	To           string   `yaml:"effectiveTo"`
}

type sharedSpec struct {
	Name       string             `yaml:"name"`
	Monthly    Decimal            `yaml:"monthly"`
	Namespaces []string           `yaml:"namespaces"`
	Split      string             `yaml:"split"`
	Weights    map[string]Decimal `yaml:"weights"`
	Query      string             `yaml:"query"`
	From       string             `yaml:"effectiveFrom"`
	To         string             `yaml:"effectiveTo"`
}

func (r *sheetReader) rates(sheet *PriceSheet, s rateSpecs) {
	if n := len(s.Rates) + len(s.Discounts) + len(s.Commitments); n > maxRates {
		r.bad("spec.rates", "has %d rates, discounts and commitments; the most is %d", n, maxRates)
		return
	}
	if n := len(s.Shared) + len(s.Overhead); n > maxShared {
		r.bad("spec.shared", "has %d shared and overhead costs; the most is %d", n, maxShared)
		return
	}
	sheet.Source = r.source("spec.source", s.Source)
	for i, spec := range s.Rates {
		sheet.Rates = append(sheet.Rates, r.rate(fmt.Sprintf("spec.rates.%d", i), spec))
	}
	for i, spec := range s.Discounts {
		sheet.Discounts = append(sheet.Discounts, r.discount(fmt.Sprintf("spec.discounts.%d", i), spec))
	}
	for i, spec := range s.Commitments {
		sheet.Commitments = append(sheet.Commitments, r.commitment(fmt.Sprintf("spec.commitments.%d", i), spec))
	}
	names := map[string]bool{}
	for i, spec := range s.Shared {
		sheet.Shared = append(sheet.Shared, r.shared(fmt.Sprintf("spec.shared.%d", i), spec, names))
	}
	for i, spec := range s.Overhead {
		o := r.shared(fmt.Sprintf("spec.overhead.%d", i), spec, names)
		if len(o.Namespaces) > 0 {
			r.bad(fmt.Sprintf("spec.overhead.%d.namespaces", i), "belongs to spec.shared; what runs in a namespace is no overhead")
		}
		sheet.Overhead = append(sheet.Overhead, o)
	}
	r.idle(sheet, s.Idle)
	r.fees(sheet, s.Fees)
	for _, c := range conflicts(*sheet) {
		r.bad(c.path, "%s and %s are for the same (%s) and in force at the same time; end one where the other begins", at(c.first), at(c.second), c.what)
	}
}

func at(line int) string { return fmt.Sprintf("line %d", line) }

func (r *sheetReader) idle(sheet *PriceSheet, text string) {
	switch sheet.Idle = SplitBy(text); sheet.Idle {
	case "", Nobody, Proportional:
	default:
		r.bad("spec.idle", "%q is not known; write none, which shows idle cost for itself, or proportional, which gives it to the tenants", clip(text))
	}
}

func (r *sheetReader) fees(sheet *PriceSheet, fees map[string]Decimal) {
	for tenant, fee := range fees {
		if fee.Sign() < 0 {
			r.bad("spec.fees."+tenant, "%s is negative", fee)
		}
	}
	sheet.Fees = fees
}

func (r *sheetReader) rate(path string, s rateSpec) Rate {
	one, _ := ParseDecimal("1")
	rate := Rate{Resource: Resource(s.Resource), Class: s.Class, Place: Place{s.Provider, s.Region, s.InstanceType}, Negotiated: s.Negotiated,
		Per: one, Source: r.source(path+".source", s.Source), Effective: r.effective(path, s.From, s.To), line: r.doc.LineOf(path)}
	r.name(path+".resource", s.Resource)
	switch {
	case s.Class != "" && rate.Resource != Egress:
		r.bad(path+".class", "is only for egress")
	case !slices.Contains([]string{"", CrossZone, CrossRegion, Internet}, s.Class):
		r.bad(path+".class", "%q is not known; the classes of egress are zone, region and internet", clip(s.Class))
	}
	if rate.Resource == Node && s.InstanceType == "" {
		r.bad(path+".instanceType", "is missing; a node's price is that of an instance type")
	}
	switch {
	case s.Price == nil:
		r.bad(path+".price", "is missing; write it as a decimal, such as 0.031611")
	case s.Price.Sign() < 0:
		r.bad(path+".price", "%s is negative", s.Price)
	default:
		rate.Price = *s.Price
	}
	if s.Per != nil {
		rate.Per = *s.Per
	}
	if rate.Per.Sign() <= 0 {
		r.bad(path+".per", "%s is not positive; write how many units the price is for", rate.Per)
	}
	return rate
}

func (r *sheetReader) discount(path string, s discountSpec) Discount {
	d := Discount{Provider: s.Provider, Effective: r.effective(path, s.From, s.To), line: r.doc.LineOf(path)}
	for i, name := range s.Resources {
		r.name(fmt.Sprintf("%s.resources.%d", path, i), name)
		d.Resources = append(d.Resources, Resource(name))
	}
	switch {
	case s.Percent == nil:
		r.bad(path+".percent", "is missing; write how much is taken off, such as 12.5")
	case s.Percent.Sign() < 0 || s.Percent.Rat().Cmp(big.NewRat(100, 1)) > 0:
		r.bad(path+".percent", "%s is not between 0 and 100", s.Percent)
	default:
		d.Percent = *s.Percent
	}
	return d
}

func (r *sheetReader) commitment(path string, s commitmentSpec) Commitment {
	c := Commitment{Name: s.Name, Resource: Resource(s.Resource), Place: Place{s.Provider, s.Region, s.InstanceType},
		Upfront: s.Upfront, Hourly: s.Hourly, Effective: r.effective(path, s.From, s.To), line: r.doc.LineOf(path)}
	r.name(path+".name", s.Name)
	if !slices.Contains([]Resource{CPU, RAM, GPU, Node}, c.Resource) {
		r.bad(path+".resource", "%q cannot be committed to; write cpu, ram, gpu or node", clip(s.Resource))
	}
	if c.From.IsZero() || c.To.IsZero() {
		r.bad(path, "needs effectiveFrom and effectiveTo; a commitment has a term")
	}
	switch {
	case s.Quantity == nil:
		r.bad(path+".quantity", "is missing; write how much is committed to at any time, such as 40 vCPUs")
	case s.Quantity.Sign() <= 0:
		r.bad(path+".quantity", "%s is not positive", s.Quantity)
	default:
		c.Quantity = *s.Quantity
	}
	if s.Upfront.Sign() < 0 || s.Hourly.Sign() < 0 {
		r.bad(path, "upfront and hourly must not be negative")
	}
	return c
}

func (r *sheetReader) shared(path string, s sharedSpec, names map[string]bool) Shared {
	out := Shared{Name: s.Name, Monthly: s.Monthly, Namespaces: s.Namespaces, Split: SplitBy(s.Split), Weights: s.Weights,
		Query: strings.TrimSpace(s.Query), Effective: r.effective(path, s.From, s.To)}
	r.name(path+".name", s.Name)
	if names[s.Name] {
		r.bad(path+".name", "%q is already the name of another shared or overhead cost; rename it", clip(s.Name))
	}
	names[s.Name] = true
	if s.Monthly.Sign() < 0 {
		r.bad(path+".monthly", "%s is negative", s.Monthly)
	}
	for tenant, w := range s.Weights {
		if w.Sign() < 0 {
			r.bad(path+".weights."+tenant, "%s is negative", w)
		}
	}
	switch custom := len(s.Weights) > 0 || out.Query != ""; out.Split {
	case "":
		out.Split = Nobody
		if custom {
			out.Split = Custom
		}
	case Even, Proportional, Nobody:
		if custom {
			r.bad(path+".split", "%q does not use weights; write custom", s.Split)
		}
	case Custom:
		if !custom {
			r.bad(path+".weights", "is missing; custom needs weights by tenant or a query")
		}
	default:
		r.bad(path+".split", "%q is not known; write even, proportional, custom or none", clip(s.Split))
	}
	if out.Query != "" {
		r.query(path+".query", out.Query)
	}
	return out
}

func (r *sheetReader) name(path, name string) {
	if !itemName.MatchString(name) {
		r.bad(path, "%q must be lower-case letters, digits and dashes, at most 63", clip(name))
	}
}

func (r *sheetReader) source(path, text string) string {
	if text == "" {
		return ""
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(text) > 500 {
		r.bad(path, "%q is not a web address", clip(text))
	}
	return text
}

func (r *sheetReader) effective(path, from, to string) Effective {
	e := Effective{From: r.time(path+".effectiveFrom", from), To: r.time(path+".effectiveTo", to)}
	if !e.From.IsZero() && !e.To.IsZero() && !e.From.Before(e.To) {
		r.bad(path+".effectiveTo", "must lie after effectiveFrom; the end is not included")
	}
	return e
}

// time reads a day, which begins at midnight UTC, or an RFC 3339 time.
func (r *sheetReader) time(path, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
			return t.UTC()
		}
	}
	r.bad(path, "%q is no time; write a day such as 2026-01-01, or RFC 3339", clip(text))
	return time.Time{}
}

// conflict is two entries of which it cannot be told which is in force.
type conflict struct {
	path, what    string
	first, second int // lines
}

// conflicts finds rates and discounts with the same scope whose times overlap.
func conflicts(s PriceSheet) []conflict {
	var out []conflict
	for i, r := range s.Rates {
		for _, earlier := range s.Rates[:i] {
			if r.sameScope(earlier) && r.overlaps(earlier.Effective) {
				out = append(out, conflict{fmt.Sprintf("spec.rates.%d", i), describe(r.Resource, r.Class) + ", " + r.Place.String(), earlier.line, r.line})
				break
			}
		}
	}
	for i, d := range s.Discounts {
		for _, earlier := range s.Discounts[:i] {
			if (d.Provider == earlier.Provider || d.Provider == "" || earlier.Provider == "") && d.overlaps(earlier.Effective) && meet(d.Resources, earlier.Resources) {
				out = append(out, conflict{fmt.Sprintf("spec.discounts.%d", i), "discounts of " + d.Provider, earlier.line, d.line})
				break
			}
		}
	}
	return out
}

func meet(a, b []Resource) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(r Resource) bool { return slices.Contains(b, r) })
}

// join adds the rates of another sheet.
func (s *PriceSheet) join(other PriceSheet) error {
	s.Rates, s.Discounts = append(s.Rates, other.Rates...), append(s.Discounts, other.Discounts...)
	s.Commitments, s.Shared, s.Overhead = append(s.Commitments, other.Commitments...), append(s.Shared, other.Shared...), append(s.Overhead, other.Overhead...)
	for tenant, fee := range other.Fees {
		if s.Fees == nil {
			s.Fees = map[string]Decimal{}
		}
		s.Fees[tenant] = fee
	}
	if found := conflicts(*s); len(found) > 0 {
		return fault.New(fault.Invalid, "the price sheet %s has a price for %s that another sheet has too, at the same time; keep one", other.Name, found[0].what)
	}
	return nil
}
