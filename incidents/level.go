package incidents

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
)

// Level is how much an incident matters to the business, as people say it: 1 to 5 for SEV1 to SEV5, SEV1 being the worst,
// and 0 where nobody has said.
type Level int

// MaxLevel is the mildest level, SEV5.
const MaxLevel Level = 5

// String returns "SEV1" to "SEV5", and "" for what is not rated.
func (l Level) String() string {
	if !l.Valid() {
		return ""
	}
	return fmt.Sprintf("SEV%d", int(l))
}

// Valid reports whether it is one of SEV1 to SEV5.
func (l Level) Valid() bool { return l >= 1 && l <= MaxLevel }

// WorseThan reports whether l is worse than other. Any level is worse than none.
func (l Level) WorseThan(other Level) bool { return l.Valid() && (l < other || !other.Valid()) }

// ParseLevel reads "SEV2", "sev2" or "2"; ok is false for anything else.
func ParseLevel(text string) (l Level, ok bool) {
	digit := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "SEV")
	if len(digit) != 1 {
		return 0, false
	}
	l = Level(digit[0] - '0')
	return l, l.Valid()
}

// Severity is how an incident of that level pages: SEV1 and SEV2 as critical, SEV3 as error, SEV4 as warning and SEV5 as
// info. It is "" for what is not rated.
func (l Level) Severity() Severity {
	switch l {
	case 1, 2:
		return Critical
	case 3:
		return Error
	case 4:
		return Warning
	case 5:
		return Info
	}
	return ""
}

// ImpactScope is who notices an incident.
type ImpactScope string

// The impacts, worst first. Unknown counts until somebody says.
const (
	ImpactEveryone ImpactScope = "everyone" // all customers
	ImpactMany     ImpactScope = "many"     // several of them
	ImpactOne      ImpactScope = "one"      // one of them
	ImpactInternal ImpactScope = "internal" // none of them; our own people only
	ImpactUnknown  ImpactScope = "unknown"
)

// ImpactScopes lists the impacts, worst first.
func ImpactScopes() []ImpactScope {
	return []ImpactScope{ImpactEveryone, ImpactMany, ImpactOne, ImpactInternal, ImpactUnknown}
}

// Valid reports whether it is one of the impacts.
func (m ImpactScope) Valid() bool { return slices.Contains(ImpactScopes(), m) }

// Matrix says which level an incident has, by how bad its alerts are and who notices. Its zero value is DefaultMatrix.
type Matrix struct {
	rows map[Severity]map[ImpactScope]Level
}

// defaultRows is the matrix of an installation that has defined none.
var defaultRows = map[Severity]map[ImpactScope]Level{
	Critical: {ImpactEveryone: 1, ImpactMany: 1, ImpactOne: 2, ImpactInternal: 3, ImpactUnknown: 2},
	Error:    {ImpactEveryone: 2, ImpactMany: 2, ImpactOne: 3, ImpactInternal: 3, ImpactUnknown: 3},
	Warning:  {ImpactEveryone: 3, ImpactMany: 3, ImpactOne: 4, ImpactInternal: 4, ImpactUnknown: 4},
	Info:     {ImpactEveryone: 4, ImpactMany: 4, ImpactOne: 5, ImpactInternal: 5, ImpactUnknown: 5},
}

// DefaultMatrix returns the matrix of an installation that has defined none.
func DefaultMatrix() Matrix { return Matrix{rows: defaultRows} }

// Level returns the level of an incident of that severity and impact. What the matrix leaves out counts as the default
// says, an impact that nobody has said as unknown, and a severity that is none as 0.
func (m Matrix) Level(s Severity, impact ImpactScope) Level {
	impact = cmp.Or(impact, ImpactUnknown)
	return cmp.Or(m.rows[s][impact], defaultRows[s][impact])
}

// SeverityMatrixKind is the kind of documents that ReadMatrix reads. There is one at most.
const SeverityMatrixKind = "SeverityMatrix"

type matrixSpec struct {
	Critical map[string]string `yaml:"critical"`
	Error    map[string]string `yaml:"error"`
	Warning  map[string]string `yaml:"warning"`
	Info     map[string]string `yaml:"info"`
}

// ReadMatrix reads a SeverityMatrix document and names every problem in it with its line. A cell that is not written is as
// in DefaultMatrix. A row must not become milder where more people notice.
func ReadMatrix(d manifest.Document) (Matrix, manifest.Problems) {
	var spec matrixSpec
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	m := Matrix{rows: map[Severity]map[ImpactScope]Level{}}
	for _, row := range []struct {
		severity Severity
		cells    map[string]string
	}{{Critical, spec.Critical}, {Error, spec.Error}, {Warning, spec.Warning}, {Info, spec.Info}} {
		m.rows[row.severity] = r.matrixRow(row.severity, row.cells)
	}
	if len(r.problems) == 0 {
		r.matrixOrder(m)
	}
	return m, r.problems
}

// matrixRow reads what a severity comes to for each impact.
func (r *policyReader) matrixRow(s Severity, cells map[string]string) map[ImpactScope]Level {
	row := map[ImpactScope]Level{}
	for _, name := range slices.Sorted(maps.Keys(cells)) {
		path := fmt.Sprintf("spec.%s.%s", s, name)
		level, ok := ParseLevel(cells[name])
		switch {
		case !ImpactScope(name).Valid():
			r.bad(path, "%q is no impact; write everyone, many, one, internal or unknown", clip(name, 40))
		case !ok:
			r.bad(path, "%q is no level; write SEV1 to SEV5", clip(cells[name], 40))
		}
		row[ImpactScope(name)] = level
	}
	return row
}

// matrixOrder refuses a matrix by which an incident counts less because more people notice it, or because it is worse.
func (r *policyReader) matrixOrder(m Matrix) {
	noticed := ImpactScopes()[:4]
	for row, s := range severities {
		for n, impact := range noticed {
			if n > 0 && m.Level(s, impact).WorseThan(m.Level(s, noticed[n-1])) {
				r.bad(fmt.Sprintf("spec.%s.%s", s, impact), "is %s, worse than %s for %s, whom more people belong to; make it that or milder",
					m.Level(s, impact), m.Level(s, noticed[n-1]), noticed[n-1])
			}
			if row > 0 && m.Level(s, impact).WorseThan(m.Level(severities[row-1], impact)) {
				r.bad(fmt.Sprintf("spec.%s.%s", s, impact), "is %s, worse than %s for severity %s; make it that or milder",
					m.Level(s, impact), m.Level(severities[row-1], impact), severities[row-1])
			}
		}
	}
}
