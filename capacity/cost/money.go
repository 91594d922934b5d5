package cost

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
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

// Equal reports whether both are the same amount.
func (m Money) Equal(other Money) bool { return m.Minor().Cmp(other.Minor()) == 0 }

// String returns the amount with its fraction, such as "12.40".
func (m Money) String() string {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(m.digits)), nil)
	return new(big.Rat).SetFrac(m.Minor(), unit).FloatString(m.digits)
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
