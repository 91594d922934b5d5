package promtest

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// unitFile is a test file as promtool reads it.
type unitFile struct {
	Rules []string    `yaml:"rule_files"`
	Every string      `yaml:"evaluation_interval"`
	Tests []testGroup `yaml:"tests"`
}

type testGroup struct {
	Name   string        `yaml:"name"`
	Every  string        `yaml:"interval"`
	Series []inputSeries `yaml:"input_series"`
	Exprs  []exprTest    `yaml:"promql_expr_test"`
}

type inputSeries struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type exprTest struct {
	Expr   string   `yaml:"expr"`
	At     string   `yaml:"eval_time"`
	Expect []sample `yaml:"exp_samples"`
}

type sample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

const unitHead = "# Unit test of the rules beside it, made from the SLO by nines slo test. Run it: promtool test rules <this file>\n"

func (f unitFile) text() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(unitHead)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

// seconds writes a duration as Prometheus reads it, in whole seconds or milliseconds.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
}

// notation writes samples in promtool's short form: runs of equal steps as a+bxn, and what is missing as _xn.
func notation(values []float64) string {
	var out []string
	for i := 0; i < len(values); {
		j := i + 1
		if math.IsNaN(values[i]) {
			for j < len(values) && math.IsNaN(values[j]) {
				j++
			}
			out = append(out, "_x"+strconv.Itoa(j-i))
			i = j
			continue
		}
		text, step := decimal(values[i]), 0.0
		for ; j < len(values) && !math.IsNaN(values[j]); j++ {
			if d := values[j] - values[j-1]; j == i+1 {
				step = d
			} else if d != step {
				break
			}
		}
		if j > i+1 {
			sign := "+"
			if step < 0 {
				sign = "-"
			}
			text += sign + decimal(math.Abs(step)) + "x" + strconv.Itoa(j-i-1)
		}
		out = append(out, text)
		i = j
	}
	return strings.Join(out, " ")
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
