package tracktest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Operation is what a GraphQL query asks for, as far as fakes need to know.
type Operation struct {
	Field    string            // the only root field
	Declared map[string]string // types of the variables, by name
	Args     map[string]string // of the root field: name to variable, without the $
	Selected []string          // names of the fields below it, in order, nested ones among them
}

var (
	operation = regexp.MustCompile(`(?s)^\s*(query|mutation)\s*(?:\(([^)]*)\))?\s*\{\s*(\w+)\s*(?:\(([^)]*)\))?\s*(.*)\}\s*$`)
	declared  = regexp.MustCompile(`\$(\w+)\s*:\s*([\[\]\w!]+)`)
	passed    = regexp.MustCompile(`(\w+)\s*:\s*\$(\w+)`)
	selected  = regexp.MustCompile(`\w+`)
)

// ReadOperation reads a query of one root field whose arguments are all variables. Arguments of nested fields are left out.
func ReadOperation(query string) (Operation, error) {
	m := operation.FindStringSubmatch(query)
	if m == nil {
		return Operation{}, fmt.Errorf("syntax Error: cannot read %q", query)
	}
	if strings.Count(query, "{") != strings.Count(query, "}") {
		return Operation{}, fmt.Errorf("syntax Error: braces do not match in %q", query)
	}
	o := Operation{Field: m[3], Declared: map[string]string{}, Args: map[string]string{}}
	for _, d := range declared.FindAllStringSubmatch(m[2], -1) {
		o.Declared[d[1]] = d[2]
	}
	for _, p := range passed.FindAllStringSubmatch(m[4], -1) {
		if o.Args[p[1]] = p[2]; o.Declared[p[2]] == "" {
			return o, fmt.Errorf("variable \"$%s\" is not defined", p[2])
		}
	}
	nested := regexp.MustCompile(`\([^)]*\)`).ReplaceAllString(m[5], "")
	o.Selected = selected.FindAllString(nested, -1)
	return o, nil
}

// Field is a root field of a schema: its arguments' types, which of them must be there, and what may be selected.
type Field struct {
	Args     map[string]string // with the exclamation mark of what must be there
	Selected []string
}

// Check says what a schema refuses of an operation, nil for nothing.
func (o Operation) Check(schema map[string]Field, variables map[string]any) error {
	f, ok := schema[o.Field]
	if !ok {
		return fmt.Errorf("cannot query field %q", o.Field)
	}
	for arg, variable := range o.Args {
		want, known := f.Args[arg]
		if !known {
			return fmt.Errorf("unknown argument %q on field %q", arg, o.Field)
		}
		if got := o.Declared[variable]; strings.TrimSuffix(got, "!") != strings.TrimSuffix(want, "!") || strings.HasSuffix(want, "!") && !strings.HasSuffix(got, "!") {
			return fmt.Errorf("variable \"$%s\" of type %q used in position expecting type %q", variable, got, want)
		}
		if strings.HasSuffix(o.Declared[variable], "!") && variables[variable] == nil {
			return fmt.Errorf("variable \"$%s\" of required type %q was not provided", variable, o.Declared[variable])
		}
	}
	for arg, want := range f.Args {
		if strings.HasSuffix(want, "!") && o.Args[arg] == "" {
			return fmt.Errorf("field %q argument %q of type %q is required, but it was not provided", o.Field, arg, want)
		}
	}
	for _, s := range o.Selected {
		if !slices.Contains(f.Selected, s) {
			return fmt.Errorf("cannot query field %q on the type of %q", s, o.Field)
		}
	}
	return nil
}

// Unknown returns the keys of an input object that a schema does not know.
func Unknown(input map[string]any, known ...string) []string {
	var out []string
	for key := range input {
		if !slices.Contains(known, key) {
			out = append(out, key)
		}
	}
	return out
}
