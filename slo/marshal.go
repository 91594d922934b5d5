package slo

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// MarshalRules writes the rules of all SLOs as one YAML document, the same bytes for the same rules: Prometheus loads
// only the first document of a file. SLOs with the same id are fault.Conflict, since their groups would be.
func MarshalRules(all []RuleGroups) ([]byte, error) {
	var out ruleDocument
	out.begin(len(all))
	seen := map[string]bool{}
	for _, rg := range all {
		if seen[rg.SLO] {
			return nil, fault.New(fault.Conflict, "two SLOs have the id %q; rename one", rg.SLO)
		}
		seen[rg.SLO] = true
		for _, g := range rg.Groups {
			out.group(g.Name, g.Interval, g.Limit)
			for _, r := range g.Rules {
				out.rule(draftOf(r))
			}
		}
	}
	return out.b, nil
}

func draftOf(r Rule) *draft {
	d := &draft{name: r.Record, expr: []byte(r.Expr), pending: r.For, keepFiring: r.KeepFiringFor, labels: pairsOf(r.Labels), annotations: pairsOf(r.Annotations)}
	if r.Alert != "" {
		d.alert, d.name = true, r.Alert
	}
	return d
}

// ruleDocument is the sink that writes YAML. It is written by hand because it is a flat shape of a few keys, and ten
// thousand SLOs make a quarter of a gigabyte of it.
type ruleDocument struct {
	b      []byte
	shapes shapes
}

func (o *ruleDocument) begin(slos int) {
	o.b = append(o.b, "# Written by nines from the SLO definitions. Do not edit; the next apply overwrites it.\ngroups:"...)
	if slos == 0 {
		o.b = append(o.b, " []"...)
	}
	o.b = append(o.b, '\n')
}

func (o *ruleDocument) group(name string, interval time.Duration, limit int) {
	o.b = append(o.b, "  - name: "...)
	o.b = appendQuoted(o.b, name)
	o.b = append(o.b, "\n    interval: "...)
	o.b = append(o.b, promDuration(interval)...)
	if limit > 0 {
		o.b = append(o.b, "\n    limit: "...)
		o.b = strconv.AppendInt(o.b, int64(limit), 10)
	}
	o.b = append(o.b, "\n    rules:\n"...)
}

func (o *ruleDocument) rule(d *draft) {
	if d.alert {
		o.b = append(o.b, "      - alert: "...)
		o.b = appendQuoted(o.b, d.name)
	} else {
		o.b = append(o.b, "      - record: "...)
		o.b = append(o.b, d.name...)
	}
	o.expr(d.expr, d.plain)
	if d.pending > 0 {
		o.b = append(append(o.b, "        for: "...), promDuration(d.pending)...)
		o.b = append(o.b, '\n')
	}
	if d.keepFiring > 0 {
		o.b = append(append(o.b, "        keep_firing_for: "...), promDuration(d.keepFiring)...)
		o.b = append(o.b, '\n')
	}
	o.pairs("        labels:\n", d.labels)
	o.pairs("        annotations:\n", d.annotations)
}

// expr writes PromQL as a block, as people read it, and quoted where it has characters that a block cannot hold.
func (o *ruleDocument) expr(expr []byte, known bool) {
	expr = bytes.TrimSpace(expr)
	if !known && !printable(expr) {
		o.b = append(o.b, "\n        expr: "...)
		o.b = appendQuoted(o.b, string(expr))
		o.b = append(o.b, '\n')
		return
	}
	o.b = append(o.b, "\n        expr: |\n"...)
	for len(expr) > 0 {
		line := expr
		if end := bytes.IndexByte(expr, '\n'); end >= 0 {
			line, expr = expr[:end], expr[end+1:]
		} else {
			expr = nil
		}
		if len(line) > 0 {
			o.b = append(o.b, "          "...)
			o.b = append(o.b, line...)
		}
		o.b = append(o.b, '\n')
	}
}

func printable(text []byte) bool {
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < 0x7f || c == '\n' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
		i += size
	}
	return true
}

func (o *ruleDocument) pairs(key string, pairs []pair) {
	if len(pairs) == 0 {
		return
	}
	o.b = append(o.b, key...)
	for _, p := range pairs {
		o.b = append(o.b, "          "...)
		o.b = appendQuoted(o.b, p.name)
		o.b = append(o.b, ": "...)
		o.b = appendQuoted(o.b, p.value)
		o.b = append(o.b, '\n')
	}
}

// appendQuoted writes a double-quoted scalar. Go's escapes are YAML's, of what can occur: strconv escapes what is not
// printable as \x, \u, \U or one letter, all of which YAML 1.2 reads alike; invalid UTF-8 is replaced before.
func appendQuoted(b []byte, text string) []byte {
	start := len(b)
	b = append(b, '"')
	done := 0
	for i := range len(text) {
		switch plainASCII[text[i]] {
		case plain:
		case escaped:
			b = append(append(b, text[done:i]...), '\\')
			done = i
		default:
			return strconv.AppendQuote(b[:start], strings.ToValidUTF8(text, "\uFFFD"))
		}
	}
	b = append(b, text[done:]...)
	return append(b, '"')
}

// How a byte stands in a double-quoted scalar.
const (
	foreign = iota // only strconv knows
	plain
	escaped
)

var plainASCII = func() (kind [256]uint8) {
	for c := byte(' '); c < 0x7f; c++ {
		kind[c] = plain
	}
	kind['"'], kind['\\'] = escaped, escaped
	return kind
}()
