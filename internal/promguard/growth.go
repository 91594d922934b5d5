package promguard

import (
	"regexp"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/promql/parser"
)

// MaxGrowth is how many times longer than in storage a query may make a label's value. Neither the sample limit nor the
// timeout of a PromQL engine sees label bytes: three nested label_replace calls with eight copies each turn 50,000
// series into a gigabyte.
const MaxGrowth = 64

// CheckGrowth returns fault.Invalid where nested label_replace and label_join calls could make a label's value more than
// MaxGrowth times as long. It counts the copies that each call makes and multiplies along the nesting.
func CheckGrowth(expr parser.Expr) error {
	if growth(expr) > MaxGrowth {
		return fault.New(fault.Invalid, "the query's nested label_replace or label_join calls could make labels more than %d times as long; nest fewer", MaxGrowth)
	}
	return nil
}

// growth stops counting a little above the limit, so that it cannot overflow.
func growth(node parser.Node) int {
	most := 1
	for _, child := range parser.Children(node) {
		most = max(most, growth(child))
	}
	if call, ok := node.(*parser.Call); ok {
		most *= copies(call)
	}
	return min(most, MaxGrowth+1)
}

var groupReference = regexp.MustCompile(`\$\$|\$(\w+|\{\w+\})`)

// copies returns how many old values can stand in a new one after the call.
func copies(call *parser.Call) int {
	n := 0
	switch call.Func.Name {
	case "label_replace": // vector, target, replacement, source, regex
		for _, reference := range groupReference.FindAllString(text(call, 2), -1) {
			if reference != "$$" {
				n++
			}
		}
	case "label_join": // vector, target, separator, sources...
		n = len(call.Args) - 3
	}
	return min(max(n, 1), MaxGrowth+1)
}

// text returns the call's i-th argument where it is a string, possibly between parentheses.
func text(call *parser.Call, i int) string {
	if i >= len(call.Args) {
		return ""
	}
	arg := call.Args[i]
	for {
		switch e := arg.(type) {
		case *parser.ParenExpr:
			arg = e.Expr
		case *parser.StepInvariantExpr:
			arg = e.Expr
		case *parser.StringLiteral:
			return e.Val
		default:
			return ""
		}
	}
}
