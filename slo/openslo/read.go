package openslo

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// Limits on one set, above honest use.
const (
	maxObjectives = 11      // of one SLO
	maxQueryBytes = 4 << 20 // of PromQL, counted each time an SLO refers to it
)

// add makes the promises of one SLO document.
func (r *reader) add(one found[sloSpec]) {
	d, spec := one.doc, one.Spec
	base := slo.SLO{
		ID: spec.Service + "-" + one.Metadata.Name, Service: spec.Service, Name: one.Metadata.Name,
		Description: strings.TrimSpace(spec.Description), Spec: d.APIVersion,
	}
	if !namePattern.MatchString(spec.Service) {
		r.refuse(d, "spec.service", "%q must be letters, digits, dashes, dots and underscores, at most 63", clip(spec.Service))
	}
	base.Labels = r.labels(d, one.Metadata.Labels)
	base.Owner = base.Labels["owner"]
	base.Window = r.window(one)
	if !slices.Contains([]string{"", "Occurrences", "Timeslices", "RatioTimeslices"}, spec.BudgetingMethod) {
		r.refuse(d, "spec.budgetingMethod", "%q is not known; write Occurrences, Timeslices or RatioTimeslices", clip(spec.BudgetingMethod))
	}
	m := maker{reader: r, found: one, base: base}
	m.uses = append(m.uses, m.alerting()...)
	switch {
	case len(spec.Objectives) == 0:
		r.refuse(d, "spec.objectives", "is missing; an SLO promises something")
	case len(spec.Objectives) > maxObjectives:
		r.refuse(d, "spec.objectives", "has %d objectives; at most %d are read: split the document", len(spec.Objectives), maxObjectives)
	case d.APIVersion == V1Alpha:
		m.alpha()
	case slices.ContainsFunc(spec.Objectives, func(o objective) bool { return o.Indicator != nil || o.IndicatorRef != "" }):
		m.composite()
	default:
		m.single()
	}
}

// maker makes the promises of one document.
type maker struct {
	*reader
	found[sloSpec]
	base slo.SLO // what all of them share
	uses []manifest.Document
}

// single makes one SLO of all objectives that can share its increments, and one of each other.
func (m *maker) single() {
	in, ok := m.source(m.doc, "spec.indicator", m.Spec.Indicator, m.Spec.IndicatorRef)
	if !ok {
		return
	}
	first, ok := m.make(&in, 0, m.base.Name)
	if !ok {
		return
	}
	names := m.objectiveNames()
	for i, o := range m.Spec.Objectives[1:] {
		if len(first.Alerting.Tiers) == 0 && sameCount(in, m.Spec.Objectives[0], o) {
			t := slo.Target{Name: names[i+1], Window: first.Window, PageOff: first.Alerting.PageOff, TicketOff: first.Alerting.TicketOff}
			t.Objective = m.target(i + 1)
			first.Objectives = append(first.Objectives, t)
		} else if s, ok := m.make(&in, i+1, m.base.Name+"-"+names[i+1]); ok {
			m.keep(s, in)
		}
	}
	m.keep(first, in)
}

// sameCount reports whether two objectives count alike, so that they can share increments.
func sameCount(in sourced, a, b objective) bool {
	same := a.TimeSliceWindow == b.TimeSliceWindow && equal(a.TimeSliceTarget, b.TimeSliceTarget)
	if in.spec.ThresholdMetric != nil {
		same = same && a.Op == b.Op && equal(a.Value, b.Value)
	}
	return same
}

func equal(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }

// alpha makes an SLO of each objective, with the ids that Sloth gives them.
func (m *maker) alpha() {
	for i, o := range m.Spec.Objectives {
		at := "spec.objectives." + strconv.Itoa(i) + ".ratioMetrics"
		in, ok := sourced{doc: m.doc, at: at, alpha: true}, true
		if q := o.RatioMetrics; q != nil {
			counter := q.Counter
			if counter == nil {
				counter = q.Incremental
			}
			in.spec.RatioMetric = &ratioMetric{Counter: counter, Good: q.Good.metric(), Bad: q.Bad.metric(), Total: q.Total.metric()}
			ok = m.checkForm(m.doc, at, in.spec)
		} else {
			in, ok = m.source(m.doc, "spec.indicator", m.Spec.Indicator, m.Spec.IndicatorRef)
		}
		if !ok {
			continue
		}
		if s, ok := m.make(&in, i, m.base.Name+"-"+strconv.Itoa(i)); ok {
			m.keep(s, in)
		}
	}
}

// composite makes an SLO of each objective and one of all of them. In OpenSLO a composite's burn rate is the sum of its
// objectives' by weight, w/b times the error ratio where b is an objective's budget. The weighted mean of the ratios with
// the weights w/b burns a budget of 1/sum(w/b) just as fast, so that is the composite's objective.
func (m *maker) composite() {
	if m.Spec.Indicator != nil || m.Spec.IndicatorRef != "" {
		m.refuse(m.doc, "spec.indicator", "stands beside indicators of objectives; move it into an objective")
		return
	}
	whole, sum := m.base, 0.0
	names, before := m.objectiveNames(), len(m.promises)
	var all []manifest.Document
	for i, o := range m.Spec.Objectives {
		path := "spec.objectives." + strconv.Itoa(i)
		in, ok := m.source(m.doc, path+".indicator", o.Indicator, o.IndicatorRef)
		if !ok {
			continue
		}
		s, ok := m.make(&in, i, m.base.Name+"-"+names[i])
		if !ok {
			continue
		}
		weight := 1.0
		if o.CompositeWeight != nil {
			weight = *o.CompositeWeight
		}
		if !(weight > 0) || weight > 1e6 || s.Objective.Budget() <= 0 {
			m.refuse(m.doc, path+".compositeWeight", "%v is not a weight; write something above zero, such as 1", weight)
			continue
		}
		weight = round(weight / s.Objective.Budget())
		whole.SLI.Parts, sum = append(whole.SLI.Parts, slo.Part{SLO: s.ID, Weight: weight}), sum+weight
		whole.Interval = s.Interval
		all = append(all, in.uses...)
		m.keep(s, in)
	}
	if len(whole.SLI.Parts) < len(m.Spec.Objectives) {
		m.promises = m.promises[:before] // something was said of each that is missing
		return
	}
	if len(whole.SLI.Parts) == 1 {
		return // the objective says it all
	}
	if m.Spec.BudgetingMethod == "Timeslices" {
		m.note(false, m.doc, "spec.budgetingMethod", "a slice in which several objectives are bad counts by the weight of each; OpenSLO counts it once")
	}
	whole.Objective = slo.Objective(round(100 * (1 - 1/sum)))
	fitTiers(&whole)
	if whole, ok := m.verified(whole, sourced{doc: m.doc, at: "spec.objectives"}, 0); ok {
		m.keep(whole, sourced{uses: all})
	}
}

// make makes the SLO of the i-th objective; ok is false where it cannot be counted, which a note or problem says.
func (m *maker) make(in *sourced, i int, name string) (s slo.SLO, ok bool) {
	s = m.base
	s.Name, s.ID = name, s.Service+"-"+name
	s.Objective = m.target(i)
	o := m.Spec.Objectives[i]
	sli, ok := m.indicated(in, o, m.Spec.BudgetingMethod)
	if !ok {
		return s, false
	}
	s.SLI = sli
	path := "spec.objectives." + strconv.Itoa(i)
	if sli.Value != "" && in.spec.ThresholdMetric != nil {
		m.comparison(path, o)
	}
	m.slices(&s, path, o)
	fitTiers(&s)
	return m.verified(s, *in, i)
}

func (m *maker) comparison(path string, o objective) {
	if o.Op == "" {
		m.refuse(m.doc, path+".op", "is missing; write lt, lte, gt or gte: how the metric compares with value while it is good")
	} else if ops[o.Op] == "" {
		m.refuse(m.doc, path+".op", "%q is not known; write lt, lte, gt or gte", clip(o.Op))
	}
	if o.Value == nil {
		m.refuse(m.doc, path+".value", "is missing; write the bound that the metric is compared with")
	}
}

// slices sets the base interval, and how it is judged, by the budgeting method.
func (m *maker) slices(s *slo.SLO, path string, o objective) {
	method := m.Spec.BudgetingMethod
	if method != "Timeslices" && method != "RatioTimeslices" {
		return
	}
	window, ok := slice(o.TimeSliceWindow)
	if !ok {
		m.refuse(m.doc, path+".timeSliceWindow", "%q is not a slice; write minutes or a duration, such as 1m or 5m", clip(o.TimeSliceWindow))
		return
	}
	s.Interval = window
	if method == "Timeslices" && (o.TimeSliceTarget == nil || !(*o.TimeSliceTarget > 0 && *o.TimeSliceTarget < 1)) {
		m.refuse(m.doc, path+".timeSliceTarget", "must be a share between 0 and 1, such as 0.95: of a slice's events that must be good for it to be good")
		return
	}
	if s.SLI.TotalQuery == "" {
		return // the other forms judge each interval as one event
	}
	s.Slices.Ratio = method == "RatioTimeslices"
	if method == "Timeslices" {
		s.Slices.Target = round(*o.TimeSliceTarget * 100)
	}
}

// target reads an objective's target in either of its spellings.
func (m *maker) target(i int) slo.Objective {
	o, path := m.Spec.Objectives[i], "spec.objectives."+strconv.Itoa(i)
	switch {
	case o.Target != nil && o.TargetPercent != nil:
		m.refuse(m.doc, path+".targetPercent", "stands beside target; write one of them")
	case o.TargetPercent != nil:
		return slo.Objective(*o.TargetPercent)
	case o.Target == nil:
		m.refuse(m.doc, path+".target", "is missing; write the share of good events, such as 0.999")
	case *o.Target > 1:
		m.refuse(m.doc, path+".target", "%v is not a share; write %v, or targetPercent: %v", *o.Target, round(*o.Target/100), *o.Target)
	default:
		return slo.Objective(round(*o.Target * 100))
	}
	return 0
}

// verified completes the SLO and tells what keeps it from being counted, at the fields that say so.
func (m *maker) verified(s slo.SLO, in sourced, i int) (slo.SLO, bool) {
	s, problems := s.Verify(len(s.SLI.Parts) == 0)
	for _, p := range problems {
		doc, path := m.fieldOf(p.Field, in, i)
		m.refuse(doc, path, "%s", p.Message)
	}
	return s, len(problems) == 0
}

// fieldOf returns where a field of the model stands.
func (m *maker) fieldOf(field string, in sourced, i int) (manifest.Document, string) {
	objective := "spec.objectives." + strconv.Itoa(i)
	switch first, _, _ := strings.Cut(field, "."); first {
	case "objective", "objectives":
		if m.Spec.Objectives[i].TargetPercent != nil {
			return m.doc, objective + ".targetPercent"
		}
		return m.doc, objective + ".target"
	case "interval":
		return m.doc, objective + ".timeSliceWindow"
	case "window":
		return m.doc, "spec.timeWindow.0"
	case "alerting":
		return m.doc, "spec.alertPolicies"
	case "op":
		return m.doc, objective + ".op"
	case "errors":
		return in.doc, in.path(".ratioMetric.bad")
	case "good", "total":
		return in.doc, in.path(".ratioMetric." + first)
	case "ratio":
		return in.doc, in.path(".ratioMetric.raw")
	case "groupBy":
		return in.doc, in.at
	}
	if in.spec.ThresholdMetric != nil {
		return in.doc, in.at + ".thresholdMetric"
	}
	return in.doc, in.at
}

func (m *maker) keep(s slo.SLO, in sourced) {
	m.promises = append(m.promises, Promise{SLO: s, Document: m.doc, Uses: append(slices.Clone(m.uses), in.uses...)})
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

func slug(text string) string {
	out := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(text), "-"), "-")
	return strings.Trim(out[:min(len(out), 30)], "-")
}

// objectiveNames names the objectives by what they are called, else by their place.
func (m *maker) objectiveNames() []string {
	var names []string
	for i, o := range m.Spec.Objectives {
		name := slug(o.DisplayName)
		if name == "" || slices.Contains(names, name) {
			name = "objective-" + strconv.Itoa(i+1)
		}
		names = append(names, name)
	}
	return names
}

var notLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labels makes Prometheus labels of OpenSLO's: signs that those cannot have become underscores, and several values are
// joined by commas.
func (r *reader) labels(d manifest.Document, in map[string]values) map[string]string {
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v := in[name]
		name := notLabel.ReplaceAllString(name, "_")
		if name != "" && '0' <= name[0] && name[0] <= '9' {
			name = "_" + name
		}
		if why := slo.ReservedLabel(name); why != "" || name == "" {
			r.note(false, d, "metadata.labels", "%q is left out: %s", clip(name), cmp.Or(why, "it is empty"))
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = strings.Join(v, ",")
	}
	return out
}
