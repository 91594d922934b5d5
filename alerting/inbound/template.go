package inbound

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// Bounds of a mapping. Costs are CEL's own, about one for each step that an expression takes.
const (
	maxExpression = 2000 // characters
	maxMapLabels  = 32
	maxItems      = 1000
	maxStepCost   = 100_000   // of one expression
	maxCallCost   = 5_000_000 // of all that one call needs
)

// MappingText says how any JSON becomes alerts. Each value is an expression in CEL over body, the JSON that came, and
// item, the part of it that is one alert; a dotted path such as item.rule.name is one as well.
type MappingText struct {
	Each        string            `yaml:"each"`    // list whose items are the alerts; "" means that the body is one
	Skip        string            `yaml:"skip"`    // true for what is none; "" means never
	Key         string            `yaml:"key"`     // what the tool knows the alert by
	Ended       string            `yaml:"ended"`   // true where it is over
	Name        string            `yaml:"name"`    // short and stable; "" means the key
	Summary     string            `yaml:"summary"` // one line for people
	Description string            `yaml:"description"`
	Severity    string            `yaml:"severity"`
	Service     string            `yaml:"service"`
	Link        string            `yaml:"link"`
	StartsAt    string            `yaml:"startsAt"`
	Labels      map[string]string `yaml:"labels"`
}

// Mapping is a MappingText that was found to be well formed. It is safe for concurrent use.
type Mapping struct {
	programs map[string]cel.Program // by field, labels as labels.NAME
	labels   []string
}

// Problem is what is wrong with one field of a mapping.
type Problem struct {
	Field   string // such as key or labels.host
	Message string
}

// NewMapping checks the expressions and returns every problem with them.
func NewMapping(m MappingText) (*Mapping, []Problem) {
	env, err := cel.NewEnv(
		cel.Variable("body", cel.DynType), cel.Variable("item", cel.DynType),
		cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true),
	)
	if err != nil {
		return nil, []Problem{{"mapping", "cannot be used: " + err.Error()}}
	}
	made := &Mapping{programs: map[string]cel.Program{}, labels: slices.Sorted(maps.Keys(m.Labels))}
	var problems []Problem
	fields := m.fields()
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		program, problem := compile(env, fields[field])
		if problem != "" {
			problems = append(problems, Problem{field, problem})
		}
		made.programs[field] = program
	}
	for _, field := range []string{"key", "summary", "ended"} {
		if fields[field] == "" {
			problems = append(problems, Problem{field, "is missing; write a path such as item." + field + " or another expression in CEL"})
		}
	}
	if len(m.Labels) > maxMapLabels {
		problems = append(problems, Problem{"labels", fmt.Sprintf("are %d; the most is %d", len(m.Labels), maxMapLabels)})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return made, nil
}

// fields are the expressions that are there.
func (m MappingText) fields() map[string]string {
	all := map[string]string{
		"each": m.Each, "skip": m.Skip, "key": m.Key, "ended": m.Ended, "name": m.Name, "summary": m.Summary,
		"description": m.Description,
		"severity":    m.Severity, "service": m.Service, "link": m.Link, "startsAt": m.StartsAt,
	}
	for name, expression := range m.Labels {
		all["labels."+name] = expression
	}
	maps.DeleteFunc(all, func(_, expression string) bool { return expression == "" })
	return all
}

func compile(env *cel.Env, expression string) (cel.Program, string) {
	if len(expression) > maxExpression {
		return nil, "has more than " + strconv.Itoa(maxExpression) + " bytes"
	}
	ast, issues := env.Compile(expression)
	if err := issues.Err(); err != nil {
		return nil, "is not an expression in CEL over body and item: " + clip(oneLine(err.Error(), 400), 300)
	}
	program, err := env.Program(ast, cel.CostLimit(maxStepCost), cel.EvalOptions(cel.OptTrackCost))
	if err != nil {
		return nil, "cannot be used: " + clip(err.Error(), 200)
	}
	return program, ""
}

func readTemplate(src Source, r hook.Request) (Received, error) {
	if src.Mapping == nil {
		return refuse("mapping: is missing; the integration has to say how its JSON is read")
	}
	body, err := jsonOrForm(r, "payload")
	if err != nil {
		return Received{}, err
	}
	var raw json.RawMessage
	if err := readJSON(body, &raw); err != nil {
		return Received{}, err
	}
	run := &mapped{Mapping: src.Mapping, body: plainJSON(raw)}
	items, err := run.items()
	if err != nil {
		return Received{}, err
	}
	var got Received
	var wrong problems
	for n, item := range items {
		e, ok, err := run.event(item)
		switch {
		case fault.Is(err, fault.TooLarge):
			return Received{}, err
		case err != nil:
			wrong.add("item "+strconv.Itoa(n), "%s", fault.Public(err).Message)
		case ok:
			got.Alerts = append(got.Alerts, src.post(e, r.At))
		}
	}
	if len(got.Alerts) == 0 {
		return Received{Answer: accepted("nothing in it is an alert")}, wrong.err()
	}
	got.Answer = accepted(strings.Join(wrong.lines(), "; "))
	return got, nil
}

// plainJSON reads JSON that is known to be valid into what CEL takes.
func plainJSON(raw []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	_ = decoder.Decode(&v) // the whole was valid
	return withNumbers(v)
}

// withNumbers replaces the text of numbers. Whole ones stay whole, because identifiers do not fit a float.
func withNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = withNumbers(value)
		}
	case []any:
		for n, value := range v {
			v[n] = withNumbers(value)
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	}
	return v
}

// mapped is one call under a mapping.
type mapped struct {
	*Mapping
	body any
	cost uint64
}

// value is what a field's expression makes; nil is a field without one, or a path that leads nowhere.
func (m *mapped) value(field string, item any) (ref.Val, error) {
	program := m.programs[field]
	if program == nil {
		return nil, nil
	}
	value, details, err := program.Eval(map[string]any{"body": m.body, "item": item})
	if details != nil && details.ActualCost() != nil {
		m.cost += *details.ActualCost()
	}
	if m.cost > maxCallCost {
		return nil, fault.New(fault.TooLarge, "body: is too large for the integration's mapping; send less in one call")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "mapping.%s: %s", field, clip(oneLine(err.Error(), 300), 200))
	}
	if optional, ok := value.(*types.Optional); ok {
		if !optional.HasValue() {
			return nil, nil
		}
		value = optional.GetValue()
	}
	return value, nil
}

func (m *mapped) items() ([]any, error) {
	if m.programs["each"] == nil {
		return []any{m.body}, nil
	}
	value, err := m.value("each", m.body)
	if err != nil {
		return nil, err
	}
	list, ok := value.(traits.Lister)
	if !ok {
		return nil, fault.New(fault.Invalid, "mapping.each: makes no list")
	}
	n, _ := list.Size().Value().(int64)
	if n > maxItems {
		return nil, fault.New(fault.TooLarge, "mapping.each: has %d items; the most is %d", n, maxItems)
	}
	items := make([]any, 0, n)
	for at := range n {
		items = append(items, list.Get(types.Int(at)).Value())
	}
	return items, nil
}

// event makes an alert of an item; ok is false where the mapping leaves it out.
func (m *mapped) event(item any) (e event, ok bool, err error) {
	skip, err := m.truth("skip", item)
	if err != nil || skip {
		return event{}, false, err
	}
	if e.ended, err = m.truth("ended", item); err != nil {
		return event{}, false, err
	}
	if e.key, err = m.text("key", item); err != nil {
		return event{}, false, err
	}
	if e.key == "" {
		return event{}, false, fault.New(fault.Invalid, "mapping.key: is empty")
	}
	if e.summary, err = m.text("summary", item); err != nil && !e.ended {
		return event{}, false, err
	}
	for field, to := range map[string]*string{
		"name": &e.name, "description": &e.description, "severity": &e.severity, "service": &e.service, "link": &e.link,
	} {
		*to = m.optional(field, item)
	}
	e.starts = parseTime(m.optional("startsAt", item))
	e.labels = map[string]string{}
	for _, name := range m.labels {
		e.labels[name] = m.optional("labels."+name, item)
	}
	return e, true, nil
}

// truth is the value of an expression that has to be a bool; false where there is no expression.
func (m *mapped) truth(field string, item any) (bool, error) {
	value, err := m.value(field, item)
	if err != nil || value == nil {
		return false, err
	}
	truth, ok := value.Value().(bool)
	if !ok {
		return false, fault.New(fault.Invalid, "mapping.%s: makes no bool; compare, such as item.state == \"ok\"", field)
	}
	return truth, nil
}

func (m *mapped) text(field string, item any) (string, error) {
	value, err := m.value(field, item)
	if err != nil || value == nil {
		return "", err
	}
	switch v := value.Value().(type) {
	case string:
		return v, nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	made, err := json.Marshal(value.Value())
	if err != nil || value.Type() == types.NullType {
		return "", nil
	}
	return string(made), nil
}

// optional is the text of a field that an alert can do without: what cannot be had is "".
func (m *mapped) optional(field string, item any) string {
	value, err := m.text(field, item)
	if err != nil {
		return ""
	}
	return value
}
