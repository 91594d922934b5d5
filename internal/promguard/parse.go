package promguard

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// Parse checks and parses an expression, and checks how its labels grow. Trouble is fault.Invalid with one Detail for each mistake, whose Where is
// "line:column", both counted from 1.
func Parse(expr string) (parser.Expr, error) {
	if err := Check(expr); err != nil {
		return nil, err
	}
	parsed, err := parser.ParseExpr(expr)
	if err == nil {
		if err := CheckGrowth(parsed); err != nil {
			return nil, err
		}
		return parsed, nil
	}
	e := fault.New(fault.Invalid, "the PromQL expression cannot be read")
	var mistakes parser.ParseErrors
	if !errors.As(err, &mistakes) {
		e.Message += ": " + err.Error()
		return nil, e
	}
	for _, m := range mistakes {
		e.Details = append(e.Details, fault.Detail{Where: position(expr, m.PositionRange.Start), Message: m.Err.Error()})
	}
	return nil, e
}

func position(text string, at posrange.Pos) string {
	before := text[:max(0, min(int(at), len(text)))]
	line := strings.Count(before, "\n") + 1
	return fmt.Sprintf("%d:%d", line, len(before)-strings.LastIndexByte(before, '\n'))
}
