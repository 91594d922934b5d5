package slo

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	sloth "github.com/slok/sloth/pkg/prometheus/api/v1"
	"gopkg.in/yaml.v3"
)

// WriteSloth returns Sloth prometheus/v1 files, a YAML document a service, and everything of the SLOs that such files
// cannot carry or only in other words. Further objectives become SLOs of their own; SLOs that Sloth cannot count, such as
// composites, are left out. The error is fault.Invalid where nothing is left to write.
func WriteSloth(slos []SLO) (text string, lost []Loss, err error) {
	files, lost := slothFiles(slos)
	return encodeAll(files, func(f slothSpec) any { f.Version = SlothVersion; return f }, lost)
}

// WriteServiceLevel is WriteSloth as PrometheusServiceLevel objects of Kubernetes, named after their services.
func WriteServiceLevel(slos []SLO) (text string, lost []Loss, err error) {
	type object struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   map[string]string `yaml:"metadata"`
		Spec       serviceLevelSpec  `yaml:"spec"`
	}
	files, lost := slothFiles(slos)
	return encodeAll(files, func(f slothSpec) any {
		return object{ServiceLevelVersion, KindServiceLevel, map[string]string{"name": objectName(f.Service)}, serviceLevelOf(f)}
	}, lost)
}

var notObjectName = regexp.MustCompile(`[^a-z0-9-]+`)

func objectName(service string) string {
	return strings.Trim(notObjectName.ReplaceAllString(strings.ToLower(service), "-"), "-")
}

func encodeAll(files []slothSpec, as func(slothSpec) any, lost []Loss) (string, []Loss, error) {
	if len(files) == 0 {
		return "", lost, fault.New(fault.Invalid, "none of the SLOs can be written in Sloth's format")
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	for _, f := range files {
		if err := enc.Encode(as(f)); err != nil {
			return "", lost, fault.Wrap(fault.Internal, err, "writing the SLOs of %s", f.Service)
		}
	}
	return b.String(), lost, nil
}

// slothFiles makes a file of each service, in the order in which they come.
func slothFiles(slos []SLO) (files []slothSpec, lost []Loss) {
	at := map[string]int{}
	for _, s := range slos {
		for _, one := range s.withDefaults().All() {
			l := &losses{id: one.ID}
			l.otherwise(one.Of != "", "objectives", "is written as an SLO of its own, which counts for itself")
			written, ok := l.sloth(one)
			lost = append(lost, l.all...)
			if !ok {
				continue
			}
			i, begun := at[one.Service]
			if !begun {
				i = len(files)
				at[one.Service] = i
				files = append(files, slothSpec{Service: one.Service})
			}
			files[i].SLOs = append(files[i].SLOs, slothSLO{SLO: written})
		}
	}
	return files, lost
}

// sloth writes one SLO and notes what it loses.
func (l *losses) sloth(s SLO) (sloth.SLO, bool) {
	e, ok := s.Equivalent()
	if !ok {
		l.lost(true, "sli", "is left out: Sloth has no composites; its parts are written where they are among the SLOs")
		return sloth.SLO{}, false
	}
	l.otherwise(e.How != "", "sli", e.How)
	l.otherwise(e.How == "" && e.Good != "", "sli.events.good", "is taken from total to make the errors, which is what Sloth counts")
	l.unknownToSloth(s)
	out := sloth.SLO{
		Name: s.Name, Description: s.Description, Objective: float64(s.Objective), Labels: maps.Clone(s.Labels),
		Alerting: sloth.Alerting{
			Name: s.Alerting.Name, Labels: s.Alerting.Labels, Annotations: maps.Clone(s.Alerting.Annotations),
			PageAlert:   sloth.Alert{Disable: s.Alerting.PageOff, Labels: s.Alerting.PageLabels, Annotations: s.Alerting.PageAnnotations},
			TicketAlert: sloth.Alert{Disable: s.Alerting.TicketOff, Labels: s.Alerting.TicketLabel, Annotations: s.Alerting.TicketAnnotations},
		},
	}
	if e.Ratio != "" {
		out.SLI.Raw = &sloth.SLIRaw{ErrorRatioQuery: e.Ratio}
	} else {
		out.SLI.Events = &sloth.SLIEvents{ErrorQuery: e.ErrorQuery(), TotalQuery: e.Total}
	}
	out.Labels = l.put(out.Labels, "owner", s.Owner)
	out.Alerting.Annotations = l.put(out.Alerting.Annotations, "runbook", s.Alerting.Runbook)
	return out, true
}

// put keeps what Sloth has no field for under the name by which it is read back.
func (l *losses) put(into map[string]string, name, value string) map[string]string {
	switch {
	case value == "" || into[name] == value:
		return into
	case into[name] != "":
		l.lost(true, name, "is lost: its place is taken by the "+name+" \""+clip(into[name])+"\"")
		return into
	case into == nil:
		into = map[string]string{}
	}
	into[name] = value
	return into
}

// unknownToSloth notes what Sloth has no field for.
func (l *losses) unknownToSloth(s SLO) {
	l.lost(s.Window.Calendar != "", "window", "is lost: Sloth has no calendar windows; it counts over 30 rolling days")
	l.lost(s.Window.Calendar == "" && s.Window.Length() != DefaultRolling, "window",
		"is lost: Sloth has no window of an SLO's own; run it with --default-slo-period="+promDuration(s.Window.Length()))
	l.lost(s.Slices != (Slices{}), "slices", "is lost: Sloth has no slices; it counts the events")
	l.unknownElsewhere(s)
	l.lost(s.Interval != DefaultInterval, "interval", "is lost: Sloth's rules run at the global interval of Prometheus")
	l.lost(len(s.Alerting.Tiers) > 0, "alerting.windows", "is lost: Sloth's windows are of the whole installation (--slo-period-windows-path)")
	l.lost(s.Alerting.NoDataOff, "alerting.noData", "is lost: Sloth never pages for lost targets, and Nines does where it reads this again")
}

// unknownElsewhere notes what no format but our own has a field for.
func (l *losses) unknownElsewhere(s SLO) {
	l.lost(s.Settle != SettleFor(s.Interval), "settle", "is lost: rates there look at the very latest samples")
	l.lost(!slices.Equal(s.BudgetBy, withoutRegion(s.GroupBy)), "budgetBy", "is lost: budgets there are by every label of the queries")
	l.lost(s.MaxGroups != 0 && s.MaxGroups != DefaultMaxGroups, "maxGroups", "is lost: groups are not bounded there")
	l.lost(s.Gap != "" && s.Gap != GapIgnore, "gap", "is lost: unmeasured time counts as nothing there")
	l.lost(s.Alerting.Policy != "", "alerting.policy", "is lost: alerts are routed by their labels there")
	l.lost(s.Alerting.Guard != 0, "alerting.guard", "is lost: there is no guard for low traffic there")
}

// Elsewhere returns what no format but our own carries of the SLO, for writers outside this package.
func (s SLO) Elsewhere() []Loss {
	l := &losses{id: s.ID}
	l.unknownElsewhere(s.withDefaults())
	return l.all
}
