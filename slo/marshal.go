package slo

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/nines-sre/nines/internal/fault"
)

// MarshalRules writes the rules of all SLOs as one YAML document, the same bytes for the same rules: Prometheus loads
// only the first document of a file. SLOs with the same id are fault.Conflict, since their groups would be.
func MarshalRules(all []RuleGroups) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Written by nines from the SLO definitions. Do not edit; the next apply overwrites it.\ngroups:")
	if len(all) == 0 {
		b.WriteString(" []")
	}
	b.WriteByte('\n')
	seen := map[string]bool{}
	for _, rg := range all {
		if seen[rg.SLO] {
			return nil, fault.New(fault.Conflict, "two SLOs have the id %q; rename one", rg.SLO)
		}
		seen[rg.SLO] = true
		for _, g := range rg.Groups {
			writeGroup(&b, g)
		}
	}
	return b.Bytes(), nil
}

// The document is written by hand because it is a flat shape of a few keys and a thousand SLOs make ten megabytes of it.
func writeGroup(b *bytes.Buffer, g RuleGroup) {
	b.WriteString("  - name: " + strconv.Quote(g.Name) + "\n")
	b.WriteString("    interval: " + promDuration(g.Interval) + "\n    rules:\n")
	for _, r := range g.Rules {
		if r.Record != "" {
			b.WriteString("      - record: " + r.Record + "\n")
		} else {
			b.WriteString("      - alert: " + quoteYAML(r.Alert) + "\n")
		}
		writeExpr(b, r.Expr)
		if r.For > 0 {
			b.WriteString("        for: " + promDuration(r.For) + "\n")
		}
		if r.KeepFiringFor > 0 {
			b.WriteString("        keep_firing_for: " + promDuration(r.KeepFiringFor) + "\n")
		}
		writeMap(b, "labels", r.Labels)
		writeMap(b, "annotations", r.Annotations)
	}
}

func writeExpr(b *bytes.Buffer, expr string) {
	expr = strings.TrimSpace(expr)
	plain := !strings.ContainsFunc(expr, func(r rune) bool { return r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) })
	if !plain {
		b.WriteString("        expr: " + quoteYAML(expr) + "\n")
		return
	}
	b.WriteString("        expr: |\n")
	for line := range strings.SplitSeq(expr, "\n") {
		if line != "" {
			b.WriteString("          " + line)
		}
		b.WriteByte('\n')
	}
}

func writeMap(b *bytes.Buffer, key string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	b.WriteString("        " + key + ":\n")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString("          " + quoteYAML(name) + ": " + quoteYAML(m[name]) + "\n")
	}
}

// quoteYAML writes a double-quoted scalar. Go's escapes are YAML's, of what can occur: strconv escapes what is not
// printable as \x, \u, \U or one letter, all of which YAML 1.2 reads alike; invalid UTF-8 is replaced before.
func quoteYAML(text string) string { return strconv.Quote(strings.ToValidUTF8(text, "\uFFFD")) }
