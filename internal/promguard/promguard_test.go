package promguard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/prometheus/prometheus/promql/parser"
)

func chain(term, operator string, terms int) string {
	return strings.TrimSuffix(strings.Repeat(term+operator, terms), operator)
}

func TestCheckRefusesWhatTheParserWouldChokeOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expr string
		ok   bool
	}{
		"an ordinary query":                 {`sum by (job) (rate(http_requests_total{code=~"5..", job!="x"}[5m])) > 0.1 and on (job) up == 1`, true},
		"nothing at all":                    {"", true},
		"8 KB exactly":                      {strings.Repeat(" ", promguard.MaxBytes), true},
		"a byte more":                       {strings.Repeat(" ", promguard.MaxBytes+1), false},
		"200 parentheses":                   {strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), true},
		"201 parentheses":                   {strings.Repeat("(", 201) + "1" + strings.Repeat(")", 201), false},
		"parentheses side by side":          {chain("(1)", "+", 500), true},
		"unclosed parentheses":              {strings.Repeat("(", 8000), false},
		"unopened parentheses":              {strings.Repeat(")", 8000), true}, // the parser stops at the first
		"mixed brackets":                    {strings.Repeat("([{", 70), false},
		"1001 terms":                        {chain("1", "+", 1001), true},
		"1002 terms":                        {chain("1", "+", 1002), false},
		"terms joined by words":             {chain("a", " or ", 1300), false},
		"words in capitals":                 {chain("a", " OR ", 1300), false},
		"a chain of comparisons":            {chain("a", "==", 1002), false},
		"unary operators":                   {strings.Repeat("-", 1001) + "1", false},
		"a tower of subqueries":             {"a" + strings.Repeat("[1s:]", 1001), false},
		"parentheses in a string":           {`{a="` + strings.Repeat("(", 300) + `"}`, true},
		"an escaped quote in a string":      {`{a="\"` + strings.Repeat("(", 300) + `"}`, true},
		"parentheses in a raw string":       {"{a=`\\" + strings.Repeat("(", 300) + "`}", true},
		"parentheses after a raw string":    {"{a=`\\`}" + strings.Repeat("(", 300), false},
		"parentheses in a comment":          {"a # " + strings.Repeat("(", 300), true},
		"parentheses after a comment":       {"a # b\n" + strings.Repeat("(", 300), false},
		"a hash in a string is no comment":  {`{a="#"}` + strings.Repeat("(", 300), false},
		"matchers are not operators":        {"{" + chain(`a="b"`, ",", 1200) + "}", true},
		"operators hidden behind the brace": {"{}" + chain("", "+", 1200), false},
		"a string that never ends":          {`"` + strings.Repeat("(", 300), true},
	} {
		err := promguard.Check(c.expr)
		if c.ok && err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
		if !c.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: want fault.Invalid, got %v", name, err)
		}
	}
}

func TestParseNamesThePlaceOfAMistake(t *testing.T) {
	t.Parallel()
	for expr, where := range map[string]string{
		"sum(":                        "1:5",
		"rate(a)":                     "1:6",
		"sum(rate(a[5m]))\n+ rate(a)": "2:8",
	} {
		_, err := promguard.Parse(expr)
		if !fault.Is(err, fault.Invalid) {
			t.Fatalf("%q: want fault.Invalid, got %v", expr, err)
		}
		details := fault.Public(err).Details
		if len(details) == 0 || details[0].Where != where {
			t.Errorf("%q: want a detail at %s, got %+v", expr, where, details)
		}
	}
	if e, err := promguard.Parse("up == 0"); err != nil || e.String() != "up == 0" {
		t.Errorf("a good expression: got %v, %v", e, err)
	}
}

func TestParseRefusesLabelsThatMultiply(t *testing.T) {
	t.Parallel()
	grow := func(expr, replacement string, levels int) string {
		for range levels {
			expr = `label_replace(` + expr + `, "a", "` + replacement + `", "a", "(.*)")`
		}
		return expr
	}
	for name, c := range map[string]struct {
		expr string
		ok   bool
	}{
		"renaming a label many times":        {grow("up", "$1", 20), true},
		"two groups put together":            {grow("up", "$1-$2", 4), true},
		"eight copies, three levels":         {grow("up", "$1$1$1$1$1$1$1$1", 3), false},
		"a name between braces":              {grow("up", "${1}${1}${1}${1}${1}${1}${1}${1}", 3), false},
		"behind aggregations and operators":  {"sum by (a) (" + grow("1 + "+grow("up", "$1$1$1$1$1$1$1$1", 1), "$1$1$1$1$1$1$1$1", 2) + ")", false},
		"eight copies, side by side":         {grow("up", "$1$1$1$1$1$1$1$1", 1) + " + " + grow("up", "$1$1$1$1$1$1$1$1", 1), true},
		"label_join of itself":               {`label_join(label_join(label_join(up,"a","","a","a","a","a","a"),"a","","a","a","a","a","a"),"a","","a","a","a","a","a")`, false},
		"dollar signs that stand for a sign": {grow("up", "$$$$$$$$$$$$$$$$$$", 3), true},
	} {
		_, err := promguard.Parse(c.expr)
		if c.ok && err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
		if !c.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: want fault.Invalid, got %v", name, err)
		}
	}
}

// FuzzCheck holds the guard to its purpose: whatever passes is parsed soon, and Parse then agrees with the
// parser.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / on() group_left() up`, "((((1))))", "1+1+1+1",
		"{a='\\'', b=`x`} # end", "a[5m:1m] offset -1w @ end()", `"a" == "b"`, "-1e-5 ^ -2 atan2 0x1f", "a or b unless c AND d",
		"{\"metric.with.dots\", 'l'=\"v\"}", "((((((((((((((((((((((", "a[1s:][1s:][1s:]", "#\n#\n1", "\xff\xfe(",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if promguard.Check(expr) != nil {
			return
		}
		began := time.Now()
		parsed, err := parser.ParseExpr(expr)
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("passed the guard and took %v to parse", took)
		}
		if err != nil {
			return
		}
		again, err := promguard.Parse(expr)
		if err != nil && promguard.CheckGrowth(parsed) == nil {
			t.Fatalf("Parse refuses what every check and the parser accept: %v", err)
		}
		if err == nil && again.String() != parsed.String() {
			t.Fatal("Parse gives another expression than the parser")
		}
	})
}

func BenchmarkWorstThatPasses(b *testing.B) {
	worst := strings.Repeat("(", 200) + chain("1", "+", 1001) + strings.Repeat(")", 200)
	for b.Loop() {
		_, _ = promguard.Parse(worst)
	}
}
