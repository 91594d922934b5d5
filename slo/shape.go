package slo

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Most SLOs of an installation have rules that differ in nothing but names and increments. A shape is the text of those
// rules with the names left open, so that the next SLO of the same shape is a copy and not a composition: writing rules
// by the ten thousand is then as fast as memory.
type shape struct {
	parts [][]byte
	open  []int // which name stands after each part but the last
}

// The names that are left open, in the order of ruleWriter.names. No definition that contains one is written by shapes.
var openNames = [...]string{"@nines.id@", "@nines.service@", "@nines.name@", "@nines.alert@"}

const (
	openMark  = "@nines."
	maxShapes = 64 // kept; an installation with more kinds of SLO composes some of them again
)

// shapes are those that one document has met, by key.
type shapes map[string]shape

// rest writes all rules but the increments.
func (w *ruleWriter) rest() {
	out, document := w.to.(*ruleDocument)
	if !document || !w.nameable() {
		w.fast()
		w.slow()
		return
	}
	key := string(w.shapeKey(nil))
	if strings.Contains(key, openMark) {
		w.fast()
		w.slow()
		return
	}
	known, ok := out.shapes[key]
	if !ok {
		known = w.shape()
		if len(out.shapes) >= maxShapes || out.shapes == nil {
			out.shapes = shapes{}
		}
		out.shapes[key] = known
	}
	out.b = known.appendTo(out.b, w.names())
}

func (w *ruleWriter) names() [len(openNames)]string {
	return [...]string{w.ID, w.Service, w.Name, w.Alerting.Name}
}

// nameable reports whether the names need no escaping anywhere, neither in YAML nor in PromQL nor in a template.
func (w *ruleWriter) nameable() bool {
	for _, name := range w.names() {
		for i := range len(name) {
			if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
				return false
			}
		}
	}
	return true
}

// shapeKey is everything that the rules after the increments are made of, but the names.
func (w *ruleWriter) shapeKey(b []byte) []byte {
	text := func(all ...string) {
		for _, s := range all {
			b = strconv.AppendInt(b, int64(len(s)), 10)
			b = append(append(b, ':'), s...)
		}
	}
	list := func(all []string) { text(strconv.Itoa(len(all))); text(all...) }
	lengths := func(all ...time.Duration) {
		for _, d := range all {
			b = append(strconv.AppendInt(b, int64(d), 10), ' ')
		}
	}
	flags := func(all ...bool) {
		for _, f := range all {
			b = strconv.AppendBool(b, f)
		}
	}
	a := w.Alerting
	text(w.budgetText, w.guardText, w.target, w.runbook, w.noDataURL, w.Spec, w.Window.Calendar, w.Objective.String())
	lengths(w.Interval, w.Window.Length(), w.step, w.meta)
	flags(a.PageOff, a.TicketOff, a.NoDataOff)
	list(w.GroupBy)
	list(w.BudgetBy)
	for _, t := range w.tiers {
		text(t.Name, t.Severity, number(t.Factor))
		lengths(t.Long, t.Short)
	}
	for _, m := range []map[string]string{w.Labels, a.Labels, a.PageLabels, a.TicketLabel, a.Annotations, a.PageAnnotations, a.TicketAnnotations} {
		text(strconv.Itoa(len(m)))
		for _, name := range slices.Sorted(maps.Keys(m)) {
			text(name, m[name])
		}
	}
	return b
}

// shape composes the rules once with open names, and cuts them there.
func (w *ruleWriter) shape() shape {
	var text ruleDocument
	open := *w
	open.to, open.d = &text, &draft{}
	open.ID, open.Service, open.Name, open.Alerting.Name = openNames[0], openNames[1], openNames[2], openNames[3]
	open.identify()
	open.fast()
	open.slow()
	var s shape
	rest := text.b
	for {
		at := bytes.Index(rest, []byte(openMark))
		if at < 0 {
			s.parts = append(s.parts, rest)
			return s
		}
		for i, name := range openNames {
			if bytes.HasPrefix(rest[at:], []byte(name)) {
				s.parts, s.open = append(s.parts, rest[:at]), append(s.open, i)
				rest = rest[at+len(name):]
				break
			}
		}
	}
}

func (s shape) appendTo(b []byte, names [len(openNames)]string) []byte {
	for i, part := range s.parts {
		b = append(b, part...)
		if i < len(s.open) {
			b = append(b, names[s.open[i]]...)
		}
	}
	return b
}
