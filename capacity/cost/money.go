package cost

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Decimal is an exact decimal number, as written in a price sheet. The zero value is 0.
type Decimal struct{ rat *big.Rat }

// decimalText bounds what is read, so that no exponent makes a number that fills the memory.
var decimalText = regexp.MustCompile(`^-?[0-9]{1,18}(\.[0-9]{1,18})?$`)

// ParseDecimal reads a number such as 0.40: at most 18 digits before and after the point, no exponent.
func ParseDecimal(text string) (Decimal, bool) {
	if !decimalText.MatchString(text) {
		return Decimal{}, false
	}
	rat, ok := new(big.Rat).SetString(text)
	return Decimal{rat}, ok
}

// Rat returns the number as a fraction of its own.
func (d Decimal) Rat() *big.Rat {
	if d.rat == nil {
		return new(big.Rat)
	}
	return new(big.Rat).Set(d.rat)
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int { return d.Rat().Sign() }

// String returns the number in full, without trailing zeros.
func (d Decimal) String() string {
	text := d.Rat().FloatString(18)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// UnmarshalYAML reads the number from its text, so that no float comes between.
func (d *Decimal) UnmarshalYAML(n *yaml.Node) error {
	parsed, ok := ParseDecimal(n.Value)
	if n.Kind != yaml.ScalarNode || !ok {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a decimal number; write digits with a point, such as 0.40", n.Line, clip(n.Value))}}
	}
	*d = parsed
	return nil
}

// MarshalJSON writes the number as a string, because JSON readers make floats of numbers.
func (d Decimal) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Decimal) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	parsed, ok := ParseDecimal(s)
	if !ok {
		return fmt.Errorf("%q is not a decimal number", clip(s))
	}
	*d = parsed
	return nil
}

// Money is an amount in whole smallest units of its currency, such as cents. The zero value is 0.
type Money struct {
	minor  *big.Int
	digits int // of the currency's fraction: 2 for cents
}

// Minor returns the amount in the smallest unit.
func (m Money) Minor() *big.Int {
	if m.minor == nil {
		return new(big.Int)
	}
	return new(big.Int).Set(m.minor)
}

// Add returns the sum of two amounts of one currency.
func (m Money) Add(other Money) Money {
	return Money{minor: new(big.Int).Add(m.Minor(), other.Minor()), digits: max(m.digits, other.digits)}
}

// Sub returns the difference of two amounts of one currency; it may be negative.
func (m Money) Sub(other Money) Money {
	return Money{minor: new(big.Int).Sub(m.Minor(), other.Minor()), digits: max(m.digits, other.digits)}
}

// Rat returns the amount in whole units of its currency, such as euros.
func (m Money) Rat() *big.Rat { return new(big.Rat).SetFrac(m.Minor(), scaleOf(m.digits)) }

// Sign returns -1, 0 or 1.
func (m Money) Sign() int { return m.Minor().Sign() }

// Equal reports whether both are the same amount.
func (m Money) Equal(other Money) bool { return m.Minor().Cmp(other.Minor()) == 0 }

// String returns the amount with its fraction, such as "12.40".
func (m Money) String() string {
	return m.Rat().FloatString(m.digits)
}

// MarshalJSON writes the amount as a string, such as "12.40".
func (m Money) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Money) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if !decimalText.MatchString(s) {
		return fmt.Errorf("%q is not an amount", clip(s))
	}
	_, fraction, _ := strings.Cut(s, ".")
	minor, ok := new(big.Int).SetString(strings.Replace(s, ".", "", 1), 10)
	if !ok {
		return fmt.Errorf("%q is not an amount", clip(s))
	}
	*m = Money{minor: minor, digits: len(fraction)}
	return nil
}

// fractionDigits has the currencies whose smallest unit is not a hundredth (ISO 4217).
var fractionDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0,
	"VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

func digitsOf(currency string) int {
	if n, other := fractionDigits[currency]; other {
		return n
	}
	return 2
}

func scaleOf(digits int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
}

// Round returns the amount, given in whole units of the currency, in its smallest unit; exactly half goes to the even
// neighbour.
func Round(amount *big.Rat, currency string) Money {
	digits := digitsOf(currency)
	return Money{halfEven(new(big.Rat).Mul(amount, new(big.Rat).SetInt(scaleOf(digits)))), digits}
}

// Settle rounds amounts, given in whole units of the currency, so that they add up to their rounded sum: all down, then
// those with the largest fractions up by one smallest unit until the sum is reached (the method of the largest
// remainder; of equal fractions the first). No amount is off by a whole smallest unit.
func Settle(amounts []*big.Rat, currency string) (rounded []Money, total Money) {
	digits := digitsOf(currency)
	scale, sum := new(big.Rat).SetInt(scaleOf(digits)), new(big.Rat)
	minor := make([]*big.Rat, len(amounts))
	for i, a := range amounts {
		minor[i] = new(big.Rat).Mul(a, scale)
		sum.Add(sum, minor[i])
	}
	whole := halfEven(sum)
	for _, n := range largestRemainder(minor, whole) {
		rounded = append(rounded, Money{n, digits})
	}
	return rounded, Money{whole, digits}
}

// Split divides the amount by the weights, so that the parts add up to it exactly. Weights must not be negative; where
// all are zero the parts are even.
func Split(amount Money, weights []*big.Rat) []Money {
	parts := make([]Money, 0, len(weights))
	for _, n := range largestRemainder(shares(new(big.Rat).SetInt(amount.Minor()), weights), amount.Minor()) {
		parts = append(parts, Money{n, amount.digits})
	}
	return parts
}

// grain is how finely SplitFine cuts: trillionths of the currency's unit.
var grain = new(big.Rat).SetInt(scaleOf(12))

// SplitFine divides an amount, in whole units of a currency, by the weights into whole trillionths that add up to the
// amount rounded to trillionths. It keeps the denominators of sums over thousands of assets small; amounts in money are
// made of the parts' sums, with Settle. Where all weights are zero the parts are even.
func SplitFine(amount *big.Rat, weights []*big.Rat) []*big.Rat {
	fine := new(big.Rat).Mul(amount, grain)
	parts := make([]*big.Rat, 0, len(weights))
	for _, n := range largestRemainder(shares(fine, weights), halfEven(fine)) {
		parts = append(parts, new(big.Rat).Quo(new(big.Rat).SetInt(n), grain))
	}
	return parts
}

// shares are the parts before any rounding.
func shares(amount *big.Rat, weights []*big.Rat) []*big.Rat {
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, w)
	}
	out := make([]*big.Rat, len(weights))
	for i, w := range weights {
		if sum.Sign() == 0 {
			out[i] = new(big.Rat).Quo(amount, big.NewRat(int64(len(weights)), 1))
			continue
		}
		out[i] = new(big.Rat).Quo(new(big.Rat).Mul(amount, w), sum)
	}
	return out
}

// largestRemainder rounds numbers down, and then those with the largest rests up by one until their sum is whole, which
// is their sum rounded.
func largestRemainder(exact []*big.Rat, whole *big.Int) []*big.Int {
	left := new(big.Int).Set(whole)
	out, rests, order := make([]*big.Int, len(exact)), make([]*big.Rat, len(exact)), make([]int, len(exact))
	for i, e := range exact {
		out[i], rests[i] = floor(e)
		order[i] = i
		left.Sub(left, out[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return rests[b].Cmp(rests[a]) })
	for _, i := range order {
		if left.Sign() <= 0 {
			break
		}
		out[i].Add(out[i], big.NewInt(1))
		left.Sub(left, big.NewInt(1))
	}
	return out
}

// halfEven rounds to a whole number; exactly half goes to the even neighbour, so that many roundings lean to no side.
func halfEven(r *big.Rat) *big.Int {
	whole, rest := floor(r)
	switch rest.Cmp(big.NewRat(1, 2)) {
	case 1:
		return whole.Add(whole, big.NewInt(1))
	case 0:
		if whole.Bit(0) == 1 {
			return whole.Add(whole, big.NewInt(1))
		}
	}
	return whole
}

// floor splits a number into the whole number at or below it and the rest in [0, 1).
func floor(r *big.Rat) (*big.Int, *big.Rat) {
	whole := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: the denominator is positive, so this rounds down
	return whole, new(big.Rat).Sub(r, new(big.Rat).SetInt(whole))
}

func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "..."
}
