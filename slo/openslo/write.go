package openslo

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"gopkg.in/yaml.v3"
)

// Write returns openslo/v1 documents, one an SLO, each whole in itself, and everything of the SLOs that they cannot carry
// or only in other words. SLOs without a like in OpenSLO are left out. The error is fault.Invalid where nothing is left.
func Write(slos []slo.SLO) (text string, lost []slo.Loss, err error) {
	w := &writer{}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	written := 0
	for _, s := range slos {
		for _, doc := range w.documents(s) {
			if err := enc.Encode(doc); err != nil {
				return "", w.lost, fault.Wrap(fault.Internal, err, "writing SLO %s", s.ID)
			}
			written++
		}
	}
	if written == 0 {
		return "", w.lost, fault.New(fault.Invalid, "none of the SLOs can be written as OpenSLO")
	}
	return b.String(), w.lost, nil
}

type writer struct{ lost []slo.Loss }

func (w *writer) add(s slo.SLO, equivalent bool, field, message string) {
	w.lost = append(w.lost, slo.Loss{SLO: s.ID, Field: field, Message: message, Equivalent: equivalent})
}

// documents writes an SLO and its further objectives: in one document where the window is the same, else in their own.
func (w *writer) documents(s slo.SLO) []document[sloSpec] {
	all := s.All()
	s = all[0]
	first, ok := w.document(s)
	if !ok {
		return nil
	}
	docs := []document[sloSpec]{first}
	for i, more := range all[1:] {
		if more.Window == s.Window && more.Alerting.PageOff == s.Alerting.PageOff && more.Alerting.TicketOff == s.Alerting.TicketOff && len(s.Alerting.Tiers) == 0 {
			o := first.Spec.Objectives[0]
			o.DisplayName, o.Target = s.Objectives[i].Name, share(more.Objective)
			docs[0].Spec.Objectives = append(docs[0].Spec.Objectives, o)
			continue
		}
		w.add(more, true, "objectives", "is written as an SLO of its own, which counts for itself")
		if doc, ok := w.document(more); ok {
			docs = append(docs, doc)
		}
	}
	return docs
}

func (w *writer) document(s slo.SLO) (document[sloSpec], bool) {
	in, o, ok := w.indicator(s)
	if !ok {
		return document[sloSpec]{}, false
	}
	doc := document[sloSpec]{APIVersion: V1, Kind: KindSLO, Metadata: metadata{Name: s.Name, Labels: labelsOf(s)}}
	o.Target = share(s.Objective)
	doc.Spec = sloSpec{
		Description: s.Description, Service: s.Service, Indicator: &in, TimeWindow: []timeWindow{windowOf(s.Window)},
		BudgetingMethod: "Occurrences", Objectives: []objective{o}, AlertPolicies: w.policies(s),
	}
	w.method(s, &doc.Spec)
	if s.Owner != "" && s.Labels["owner"] != "" && s.Labels["owner"] != s.Owner {
		w.add(s, false, "owner", "is lost: its place is taken by the label owner")
	}
	w.lost = append(w.lost, s.Elsewhere()...)
	for field, set := range map[string]bool{
		"alerting.labels":      len(s.Alerting.Labels)+len(s.Alerting.PageLabels)+len(s.Alerting.TicketLabel) > 0 && !onlyTarget(s.Alerting),
		"alerting.annotations": len(s.Alerting.Annotations)+len(s.Alerting.PageAnnotations)+len(s.Alerting.TicketAnnotations) > 0,
		"alerting.runbook":     s.Alerting.Runbook != "",
		"alerting.name":        s.Alerting.Name != usualName(s),
	} {
		if set {
			w.add(s, false, field, "is lost: OpenSLO's alerts carry a severity and notification targets alone")
		}
	}
	slices.SortStableFunc(w.lost, func(a, b slo.Loss) int { return cmp.Or(cmp.Compare(a.SLO, b.SLO), cmp.Compare(a.Field, b.Field)) })
	return doc, true
}

// grouping notes where the query does not say by its outermost by() what it is grouped by, which is all that can be read.
func (w *writer) grouping(s slo.SLO) {
	bare, _ := slo.SLO{ID: s.ID, Objective: s.Objective, Interval: s.Interval, SLI: s.SLI}.Verify(true)
	if slices.Sort(bare.GroupBy); !slices.Equal(bare.GroupBy, slices.Sorted(slices.Values(s.GroupBy))) {
		w.add(s, false, "groupBy", "is lost: the query does not say it; write an outermost by ("+strings.Join(s.GroupBy, ", ")+")")
	}
}

// usualName is the alert's name where the definition says none.
func usualName(s slo.SLO) string {
	bare, _ := slo.SLO{ID: s.ID, Objective: s.Objective}.Verify(false)
	return bare.Alerting.Name
}

func onlyTarget(a slo.Alerting) bool {
	return len(a.Labels) == 1 && a.Labels[targetLabel] != "" && len(a.PageLabels)+len(a.TicketLabel) == 0
}

// indicator writes the SLI, and the objective as far as it belongs to it.
func (w *writer) indicator(s slo.SLO) (indicator, objective, bool) {
	in, o := indicator{Metadata: &metadata{Name: strings.ToLower(s.Name)}}, objective{}
	if s.SLI.Value != "" || s.SLI.RatioQuery != "" {
		w.grouping(s)
	}
	if s.SLI.Value != "" {
		in.Spec.ThresholdMetric = prometheus(s.SLI.Value)
		bound := s.SLI.Bound
		o.Value = &bound
		for word, op := range ops {
			if op == s.SLI.Op {
				o.Op = word
			}
		}
		return in, o, true
	}
	e, ok := s.Equivalent()
	if !ok {
		w.add(s, false, "sli", "is left out: a composite of OpenSLO has indicators of its own instead of other SLOs; its parts are written where they are among the SLOs")
		return in, o, false
	}
	if e.How != "" && s.SLI.RatioQuery == "" {
		w.add(s, true, "sli", e.How)
	}
	m := &ratioMetric{}
	counter := true
	switch {
	case s.SLI.RatioQuery != "":
		m.RawType, m.Raw = "failure", prometheus(s.SLI.RatioQuery)
	case e.Good != "":
		m.Counter, m.Good, m.Total = &counter, prometheus(e.Good), prometheus(e.Total)
	default:
		m.Counter, m.Bad, m.Total = &counter, prometheus(e.Errors), prometheus(e.Total)
	}
	in.Spec.RatioMetric = m
	return in, o, true
}

func prometheus(query string) *metric {
	spec := yaml.Node{Kind: yaml.MappingNode}
	if err := spec.Encode(map[string]string{"query": query}); err != nil {
		return &metric{} // a string can be encoded
	}
	return &metric{Source: metricSource{Type: "Prometheus", Spec: spec}}
}

// method writes how intervals are judged.
func (w *writer) method(s slo.SLO, spec *sloSpec) {
	o := &spec.Objectives[0]
	interval := shorthandOf(s.Interval)
	switch {
	case s.Slices.Ratio:
		spec.BudgetingMethod = "RatioTimeslices"
	case s.Slices.Target > 0:
		spec.BudgetingMethod = "Timeslices"
		target := round(s.Slices.Target / 100)
		o.TimeSliceTarget = &target
	case s.SLI.RatioQuery != "":
		spec.BudgetingMethod = "RatioTimeslices" // what a raw ratio's intervals are
	default:
		if s.Interval != slo.DefaultInterval {
			w.add(s, false, "interval", "is lost: OpenSLO says how long slices are, but not how often events are counted")
		}
		return
	}
	if interval == "" {
		w.add(s, false, "interval", "is lost: OpenSLO's slices are whole minutes; it is written as 1m")
		interval = "1m"
	}
	o.TimeSliceWindow = interval
}

func windowOf(w slo.Window) timeWindow {
	rolling := w.Calendar == ""
	if rolling {
		return timeWindow{Duration: shorthandOf(w.Length()), IsRolling: &rolling}
	}
	c := &calendar{TimeZone: cmp.Or(w.Zone, "UTC"), StartTime: "2024-01-01 00:00:00"} // a Monday, and a year's first day
	if t, err := time.Parse(startWritten, w.Start); err == nil {
		c.StartTime = t.Format(startRead)
	} else if w.Start != "" {
		c.StartTime = w.Start
	}
	durations := map[string]string{"day": "1d", "week": "1w", "month": "1M", "quarter": "1Q", "year": "1Y"}
	return timeWindow{Duration: durations[w.Calendar], IsRolling: &rolling, Calendar: c}
}

func share(o slo.Objective) *float64 {
	x := o.Ratio()
	return &x
}

func labelsOf(s slo.SLO) map[string]values {
	out := map[string]values{}
	for name, value := range s.Labels {
		out[name] = values{value}
	}
	if s.Owner != "" && s.Labels["owner"] == "" {
		out["owner"] = values{s.Owner}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// policies writes a policy for each tier, since a policy has one condition.
func (w *writer) policies(s slo.SLO) []yaml.Node {
	var out []yaml.Node
	for _, t := range s.Tiers() {
		if t.Severity == "page" && s.Alerting.PageOff || t.Severity == "ticket" && s.Alerting.TicketOff {
			continue
		}
		yes := true
		item := policyItem{Kind: KindPolicy, Metadata: &metadata{Name: t.Name}, Spec: &policySpec{
			WhenNoData: len(out) == 0 && !s.Alerting.NoDataOff, WhenResolved: true, WhenBreaching: &yes,
			Conditions: []conditionItem{{Kind: KindCondition, Metadata: &metadata{Name: t.Name}, Spec: &conditionSpec{
				Severity: t.Severity, Condition: condition{Kind: "burnrate", Op: "gt", Threshold: t.Factor, LookbackWindow: w.minutes(s, t.Long), AlertAfter: w.minutes(s, t.Short)},
			}}},
			Targets: targetsOf(s, t),
		}}
		var n yaml.Node
		if n.Encode(item) == nil {
			out = append(out, n)
		}
	}
	if len(out) == 0 && !s.Alerting.NoDataOff {
		w.add(s, false, "alerting.noData", "is lost: OpenSLO alerts of lost data with a condition only, and all are off")
	}
	return out
}

// minutes writes an alert's window, which has whole minutes.
func (w *writer) minutes(s slo.SLO, d time.Duration) string {
	whole := max(time.Minute, d.Round(time.Minute))
	if whole != d {
		w.add(s, false, "alerting.windows", "is lost: OpenSLO's durations are whole minutes; "+d.String()+" is written as "+shorthandOf(whole))
	}
	return shorthandOf(whole)
}

// defaultTarget stands where OpenSLO wants a notification target and the SLO leaves it to policies and Alertmanager.
const defaultTarget = "nines"

// targetsOf names those that the SLO was read with, else one by its severity, because OpenSLO wants one.
func targetsOf(s slo.SLO, t slo.Tier) []targetItem {
	var out []targetItem
	if names := s.Alerting.Labels[targetLabel]; names != "" {
		for _, name := range strings.Split(names, ",") {
			out = append(out, targetItem{Ref: name})
		}
		return out
	}
	return []targetItem{{Kind: KindTarget, Metadata: &metadata{Name: t.Severity}, Spec: &targetSpec{Target: defaultTarget}}}
}
