package packs

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Parameter is one thing that people may set. Its kind says what values it takes:
//
//	name      a service's name: lower-case letters, digits and dashes
//	metric    a metric's name
//	label     a label's name
//	match     a label's value, or ~ and a regular expression that it matches
//	percent   a share strictly between 0 and 100
//	duration  a Prometheus duration from Min to Max
//	bounds    ascending durations with commas between: a histogram's bucket boundaries
//	number    from Min to Max
//	switch    true or false
//	choice    one of Options
type Parameter struct {
	Name    string   `yaml:"name" json:"name"`
	Kind    string   `yaml:"kind" json:"kind"`
	Default string   `yaml:"default" json:"default"` // "" where the exporter sets it
	Unit    string   `yaml:"unit" json:"unit,omitempty"`
	About   string   `yaml:"about" json:"about"`
	Min     string   `yaml:"min" json:"min,omitempty"`
	Max     string   `yaml:"max" json:"max,omitempty"`
	Options []string `yaml:"options" json:"options,omitempty"`
	Among   string   `yaml:"among" json:"among,omitempty"` // a bounds parameter: the duration must be one of its boundaries
	Needs   []string `yaml:"needs" json:"needs,omitempty"` // exporters whose documents use it; all unless set
}

// maxText bounds a value, far above honest use.
const maxText = 500 // bytes

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	metricPattern = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelPattern  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

// canonical checks a value and returns how it is written into documents: a text of letters, digits and a few signs for
// every kind but match, whose text is quoted where it is used. The error says what to write instead.
func (p Parameter) canonical(value string) (string, error) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return "", fmt.Errorf("is empty; %s", p.hint())
	case len(value) > maxText:
		return "", fmt.Errorf("has %d bytes; the most is %d", len(value), maxText)
	case !utf8.ValidString(value):
		return "", fmt.Errorf("is not UTF-8 text; %s", p.hint())
	}
	check, known := kinds[p.Kind]
	if !known {
		return "", fmt.Errorf("has the unknown kind %q", p.Kind)
	}
	out, ok := check(p, value)
	if !ok {
		return "", fmt.Errorf("%q does not do; %s", clip(value), p.hint())
	}
	return out, nil
}

var kinds = map[string]func(p Parameter, value string) (string, bool){
	"name":   pattern(namePattern),
	"metric": pattern(metricPattern),
	"label":  pattern(labelPattern),
	"match": func(_ Parameter, value string) (string, bool) {
		_, err := matcher("x", value)
		return value, err == nil
	},
	"percent":  percent,
	"duration": Parameter.duration,
	"bounds":   Parameter.bounds,
	"number":   Parameter.number,
	"switch":   func(_ Parameter, value string) (string, bool) { return value, value == "true" || value == "false" },
	"choice":   func(p Parameter, value string) (string, bool) { return value, slices.Contains(p.Options, value) },
}

func pattern(re *regexp.Regexp) func(Parameter, string) (string, bool) {
	return func(_ Parameter, value string) (string, bool) { return value, re.MatchString(value) }
}

// percent takes plain decimals only: 1e1 and 0x1p3 are numbers that nobody means.
var plainNumber = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,15})?$`)

func percent(_ Parameter, value string) (string, bool) {
	x, err := strconv.ParseFloat(value, 64)
	return decimal(x), err == nil && plainNumber.MatchString(value) && x > 0 && x < 100
}

func (p Parameter) number(value string) (string, bool) {
	x, err := strconv.ParseFloat(value, 64)
	low, high := 0.0, math.MaxFloat64
	if p.Min != "" {
		low, _ = strconv.ParseFloat(p.Min, 64)
	}
	if p.Max != "" {
		high, _ = strconv.ParseFloat(p.Max, 64)
	}
	return decimal(x), err == nil && plainNumber.MatchString(value) && x >= low && x <= high
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (p Parameter) duration(value string) (string, bool) {
	d, err := model.ParseDuration(value)
	low, high := model.Duration(time.Millisecond), model.Duration(math.MaxInt64)
	if p.Min != "" {
		low, _ = model.ParseDuration(p.Min)
	}
	if p.Max != "" {
		high, _ = model.ParseDuration(p.Max)
	}
	return value, err == nil && d >= low && d <= high // as written: 28d stays 28d
}

func (p Parameter) bounds(value string) (string, bool) {
	var out []string
	last := model.Duration(0)
	for _, text := range strings.Split(value, ",") {
		d, err := model.ParseDuration(strings.TrimSpace(text))
		if err != nil || d <= last {
			return "", false
		}
		out, last = append(out, strings.TrimSpace(text)), d
	}
	return strings.Join(out, ", "), true
}

// matcher makes the matcher of a label: of a value, or of ~ and a regular expression.
func matcher(label, value string) (*labels.Matcher, error) {
	if re, ok := strings.CutPrefix(value, "~"); ok {
		return labels.NewMatcher(labels.MatchRegexp, label, re)
	}
	return labels.NewMatcher(labels.MatchEqual, label, value)
}

// hint says what to write.
func (p Parameter) hint() string {
	switch p.Kind {
	case "name":
		return "write lower-case letters, digits and dashes, at most 63, such as " + p.example("shop")
	case "metric":
		return "write a metric's name, such as " + p.example("http_requests_total")
	case "label":
		return "write a label's name, such as " + p.example("code")
	case "match":
		return "write the label's value, or ~ and a regular expression, such as ~" + "shop-.*"
	case "percent":
		return "write per cent strictly between 0 and 100 without a sign, such as " + p.example("99.9")
	case "duration":
		return "write a duration" + p.bounded() + ", such as " + p.example("5m")
	case "bounds":
		return "write ascending durations with commas between, such as 100ms,250ms,1s"
	case "number":
		return "write a number" + p.bounded() + ", such as " + p.example("100")
	case "switch":
		return "write true or false"
	default:
		return "write one of " + strings.Join(p.Options, ", ")
	}
}

func (p Parameter) example(otherwise string) string {
	if p.Default != "" {
		return p.Default
	}
	return otherwise
}

func (p Parameter) bounded() string {
	switch {
	case p.Min != "" && p.Max != "":
		return " from " + p.Min + " to " + p.Max
	case p.Min != "":
		return " of at least " + p.Min
	case p.Max != "":
		return " of at most " + p.Max
	}
	return ""
}
