package manifest

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// tooDeep returns the line at which flow brackets or block indentation nest deeper than limit, and 0 otherwise. It
// runs before the YAML parser, whose cost grows with depth. Brackets inside quotes or comments count too, which errs on
// the side of refusing: no honest definition has 64 of them open.
func tooDeep(text string, limit int) int {
	depth, line := 0, 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			line++
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if depth > limit {
			return line
		}
	}
	for i, l := range strings.Split(text, "\n") {
		dashes := strings.Count(leading(l), "-")
		if spaces := len(l) - len(strings.TrimLeft(l, " ")); spaces > limit*8 || dashes > limit {
			return i + 1
		}
	}
	return 0
}

// leading returns the run of spaces and dashes that a line starts with ("- - - x" nests three lists).
func leading(l string) string { return l[:len(l)-len(strings.TrimLeft(l, " -"))] }

func refuseAliases(file string, n *yaml.Node) Problems {
	var problems Problems
	walk(n, func(n *yaml.Node) {
		if n.Kind == yaml.AliasNode || n.Anchor != "" {
			problems = append(problems, Problem{File: file, Line: n.Line, Message: "uses an anchor or alias; write the value out"})
		}
	})
	return problems
}

// refuseWide refuses maps and lists with more entries than anybody writes, before they are decoded.
func refuseWide(file string, n *yaml.Node) Problems {
	var problems Problems
	walk(n, func(n *yaml.Node) {
		entries := len(n.Content)
		if n.Kind == yaml.MappingNode {
			entries /= 2
		}
		if entries > MaxEntries {
			problems = append(problems, Problem{File: file, Line: n.Line, Message: fmt.Sprintf("has %d entries; at most %d are read: split the document", entries, MaxEntries)})
		}
	})
	return problems
}

func refuseDuplicates(file string, n *yaml.Node) Problems {
	var problems Problems
	walk(n, func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			return
		}
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if line, again := first[key.Value]; again {
				problems = append(problems, Problem{File: file, Line: key.Line, Field: clip(key.Value), Message: fmt.Sprintf("is already set on line %d; keep one", line)})
				continue
			}
			first[key.Value] = key.Line
		}
	})
	return problems
}

// walk visits n and all below it; an alias is visited but not followed.
func walk(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, c := range n.Content {
		walk(c, visit)
	}
}

func step(n *yaml.Node, key string) (line int, value *yaml.Node) {
	if n == nil {
		return 0, nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i].Line, n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i].Line, n.Content[i]
		}
	}
	return 0, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

var nodeType = reflect.TypeFor[yaml.Node]()

// unknownFields lists the keys of node that the struct behind v has no yaml tag for, with a suggestion where one is near.
func unknownFields(file, path string, node *yaml.Node, v any) Problems {
	return unknown(file, path, node, reflect.TypeOf(v))
}

func unknown(file, path string, n *yaml.Node, t reflect.Type) Problems {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nodeType || reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		return nil
	}
	var problems Problems
	switch {
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := fieldsOf(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			at := join(path, key.Value)
			ft, known := fields[key.Value]
			if !known {
				problems = append(problems, Problem{File: file, Line: key.Line, Field: clip(at), Message: "is not a known field" + suggest(key.Value, fields)})
				continue
			}
			problems = append(problems, unknown(file, at, n.Content[i+1], ft)...)
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, c := range n.Content {
			problems = append(problems, unknown(file, join(path, strconv.Itoa(i)), c, t.Elem())...)
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			problems = append(problems, unknown(file, join(path, n.Content[i].Value), n.Content[i+1], t.Elem())...)
		}
	}
	return problems
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(opts, "inline") {
			for k, v := range fieldsOf(f.Type) {
				fields[k] = v
			}
			continue
		}
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fields[name] = f.Type
	}
	return fields
}

// suggest names the known field nearest to what was written, or all of them where they are few.
func suggest(got string, fields map[string]reflect.Type) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	sort.Strings(names)
	best, bestDistance := "", 4
	for _, name := range names {
		if d := distance(strings.ToLower(clip(got)), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %s?", best)
	case len(names) == 0:
		return ""
	default:
		return "; known here: " + strings.Join(names, ", ")
	}
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
