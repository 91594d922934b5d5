package slo

import (
	"slices"
	"strings"
	"time"
)

// pair is a label or annotation.
type pair struct{ name, value string }

// draft is one rule while it is being made; its memory is used again for the next.
type draft struct {
	alert               bool
	name                string
	expr                []byte
	plain               bool // the expression is known to be printable
	pending, keepFiring time.Duration
	labels, annotations []pair // sorted by name, each name once
}

// ruleSink takes rules as they are made. What a draft points to is only good during the call.
type ruleSink interface {
	group(name string, interval time.Duration, limit int)
	rule(d *draft)
}

// keptRules is the sink behind Rules: it keeps them as values.
type keptRules struct{ groups []RuleGroup }

func (k *keptRules) group(name string, interval time.Duration, limit int) {
	k.groups = append(k.groups, RuleGroup{Name: name, Interval: interval, Limit: limit})
}

func (k *keptRules) rule(d *draft) {
	r := Rule{Expr: string(d.expr), For: d.pending, KeepFiringFor: d.keepFiring, Labels: mapOf(d.labels)}
	if d.alert {
		r.Alert, r.Annotations = d.name, mapOf(d.annotations)
	} else {
		r.Record = d.name
	}
	last := &k.groups[len(k.groups)-1]
	last.Rules = append(last.Rules, r)
}

func mapOf(pairs []pair) map[string]string {
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		out[p.name] = p.value
	}
	return out
}

// pairsOf returns the map sorted by name.
func pairsOf(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for name, value := range m {
		out = append(out, pair{name, value})
	}
	slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return out
}

// set gives the name the value, in order.
func set(pairs []pair, name, value string) []pair {
	at, found := slices.BinarySearchFunc(pairs, name, func(p pair, name string) int { return strings.Compare(p.name, name) })
	if found {
		pairs[at].value = value
		return pairs
	}
	return slices.Insert(pairs, at, pair{name, value})
}
