package definitions

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// maxDepth is how deep composites may stand in each other. Each level reads what the one below recorded an interval ago.
const maxDepth = 3

// composites checks that the parts of every composite exist and can be added up, and that no composite is made of itself.
func (l *loader) composites() {
	depths := map[string]int{}
	for _, id := range slices.Sorted(maps.Keys(l.catalog.slos)) {
		s := l.catalog.slos[id].SLO
		if len(s.SLI.Parts) == 0 || s.Of != "" {
			continue
		}
		d := l.slos[id]
		for i, part := range s.SLI.Parts {
			if message := l.partProblem(s, part); message != "" {
				l.fail(d.Problem("spec.sli.composite.parts."+strconv.Itoa(i)+".slo", "%s", message))
			}
		}
		if l.depth(id, nil, depths) > maxDepth {
			l.fail(d.Problem("spec.sli.composite", "is made of composites more than %d deep; name the innermost parts directly", maxDepth))
		}
	}
}

// depth returns how many composites stand in each other from this SLO down: 0 for one that counts for itself. A circle
// is refused where it closes.
func (l *loader) depth(id string, above []string, depths map[string]int) int {
	if depth, known := depths[id]; known {
		return depth
	}
	if at := slices.Index(above, id); at >= 0 {
		if len(above)-at > 1 { // an SLO that names itself has been told
			l.fail(l.slos[id].Problem("spec.sli.composite", "is made of itself (%s); take one of them out", strings.Join(append(above[at:], id), ", of which ")))
		}
		return 0
	}
	deepest := 0
	for _, part := range l.catalog.slos[id].SLO.SLI.Parts {
		deepest = max(deepest, 1+l.depth(part.SLO, append(above, id), depths))
	}
	depths[id] = deepest
	return deepest
}

// partProblem says why the part cannot be added up with others in the composite, or "".
func (l *loader) partProblem(s slo.SLO, part slo.Part) string {
	v, ok := l.catalog.slos[part.SLO]
	switch p := v.SLO; {
	case part.SLO == "":
		return "" // its reader has said so
	case part.SLO == s.ID:
		return "is the composite itself; name another SLO"
	case !ok:
		return fmt.Sprintf("there is no SLO %q; define it in the same files, or apply it first", part.SLO)
	case p.Of != "":
		return fmt.Sprintf("%q is a further objective of %s and counts nothing of its own; name %s", part.SLO, p.Of, p.Of)
	case p.Interval != s.Interval:
		return fmt.Sprintf("%q counts at a base interval of %s, the composite at %s; make them the same", part.SLO, manifest.Duration(p.Interval), manifest.Duration(s.Interval))
	default:
		for _, label := range s.GroupBy {
			if !slices.Contains(p.GroupBy, label) {
				return fmt.Sprintf("%q does not keep the label %s, by which the composite is grouped; add it to that SLO's groupBy", part.SLO, label)
			}
		}
	}
	return ""
}
