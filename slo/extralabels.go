package slo

import (
	"maps"
	"slices"

	"github.com/nines-sre/nines/internal/fault"
)

// WithLabels returns the SLO with more labels of its own; they win over those of its definition. The error is
// fault.Invalid where a name is not one that a definition may use either.
func (s SLO) WithLabels(more map[string]string) (SLO, error) {
	for _, name := range slices.Sorted(maps.Keys(more)) {
		switch why := reservedLabel(name); {
		case !labelName.MatchString(name):
			return s, fault.New(fault.Invalid, "%q is not a label name; use letters, digits and underscores, not starting with a digit", clip(name))
		case why != "":
			return s, fault.New(fault.Invalid, "%q is reserved: %s; choose another name", clip(name), why)
		case slices.Contains(s.GroupBy, name):
			return s, fault.New(fault.Invalid, "%q is one of the labels that SLO %s is counted by and comes from the data; choose another name", name, s.ID)
		}
	}
	s.Labels = merge(s.Labels, more)
	return s, nil
}
