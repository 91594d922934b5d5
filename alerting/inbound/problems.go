package inbound

import (
	"fmt"

	"github.com/nines-sre/nines/internal/fault"
)

// refuse is the answer to a body that cannot be read; the message begins with the field.
func refuse(format string, args ...any) (Received, error) {
	return Received{}, fault.New(fault.Invalid, format, args...)
}

// problems gathers what is wrong with a body, so that its author hears of all of it at once.
type problems []fault.Detail

func (ps *problems) add(field, format string, args ...any) {
	*ps = append(*ps, fault.Detail{Where: field, Message: fmt.Sprintf(format, args...)})
}

func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "%s: %s", ps[0].Where, ps[0].Message)
	if len(ps) > 1 {
		e.Details = ps
	}
	return e
}

// maxLines keeps an answer about a large bad batch readable.
const maxLines = 10

// lines are the first of the problems, one line each.
func (ps problems) lines() []string {
	var lines []string
	for _, p := range ps[:min(len(ps), maxLines)] {
		lines = append(lines, p.Where+": "+p.Message)
	}
	return lines
}
