package incidents

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Precedent is an incident that was resolved, as a candidate for being like another.
type Precedent struct {
	Incident Incident
	Words    float64  // how well its words match, 0 to 1
	Reason   string   // what the timeline says of its resolution, or ""
	Notes    []string // the last notes, the newest first
}

// Similar is a past incident that is like another.
type Similar struct {
	Precedent
	Score  float64  // 0 to 1
	Shared []string // labels that both have, such as region=eu, in order
}

// The parts of a similarity's score, which add up to 1.
const (
	shareOfLabels  = 0.5
	shareOfWords   = 0.35
	shareOfRecency = 0.15
)

// similarHalfLife is after what time a past incident's recency counts half: systems change.
const similarHalfLife = 90 * 24 * time.Hour

// leastSimilar keeps out what only shares a word or its age.
const leastSimilar = 0.25

// labelWeights say how much a label tells about the kind of trouble; others weigh 1. What names one copy of many tells
// next to nothing.
var labelWeights = map[string]float64{
	"alertname": 4, "service": 3, "slo": 3, "job": 2, "severity": 0.5, "instance": 0.2, "pod": 0.2, "container": 0.5, "node": 0.3, "replica": 0,
}

// LabelSimilarity is the weighted Jaccard index of two sets of labels: the weight of the pairs that both have, over the
// weight of the pairs that either has; 0 to 1. Two empty sets share nothing.
func LabelSimilarity(a, b map[string]string) float64 {
	var shared, either float64
	for name, value := range a {
		w := labelWeight(name)
		if other, ok := b[name]; ok && other == value {
			shared, either = shared+w, either+w
			continue
		} else if ok {
			either += w // b's own pair of that name
		}
		either += w
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			either += labelWeight(name)
		}
	}
	if either == 0 {
		return 0
	}
	return shared / either
}

func labelWeight(name string) float64 {
	if w, ok := labelWeights[name]; ok {
		return w
	}
	return 1
}

// Alike ranks past incidents by how like they are to this one, the most alike first, at most `most`. Half of the score is
// LabelSimilarity, over a third how well words match, the rest recency. The incident itself, other tenants' and those not
// resolved are left out, as is what scores below a quarter.
func Alike(i Incident, past []Precedent, now time.Time, most int) []Similar {
	var out []Similar
	for _, p := range past {
		if p.Incident.ID == i.ID || p.Incident.Tenant != i.Tenant || p.Incident.ResolvedAt == nil {
			continue
		}
		age := max(0, now.Sub(*p.Incident.ResolvedAt))
		s := Similar{Precedent: p, Shared: sharedLabels(i, p.Incident)}
		s.Score = shareOfLabels*LabelSimilarity(traits(i), traits(p.Incident)) + shareOfWords*min(1, p.Words) +
			shareOfRecency*math.Pow(0.5, age.Hours()/similarHalfLife.Hours())
		if s.Score >= leastSimilar {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Similar) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Incident.Number, a.Incident.Number))
	})
	return out[:min(len(out), most)]
}

// traits are an incident's labels with its service and SLO, which labels need not name.
func traits(i Incident) map[string]string {
	out := map[string]string{"service": i.Service, "slo": i.SLO}
	for name, value := range i.Labels {
		out[name] = value
	}
	for name, value := range out {
		if value == "" {
			delete(out, name)
		}
	}
	return out
}

func sharedLabels(a, b Incident) []string {
	var out []string
	theirs := traits(b)
	for name, value := range traits(a) {
		if theirs[name] == value && labelWeight(name) > 0 {
			out = append(out, name+"="+value)
		}
	}
	slices.Sort(out)
	return out
}

// Search asks for incidents by words and filters. The zero Search is all of them.
type Search struct {
	Query      string // of title, summary, labels and notes; every word must be there; "" is any
	States     []State
	Severities []Severity
	Services   []string
	Team       string    // the owner of the service; "" is any. Who knows the owners turns it into Services
	Tenant     string    // "" is all in scope
	From, To   time.Time // opened from From and before To; zero is unbounded
	Limit      int       // 1 to 500; 0 means 50
	Before     int64     // only numbers below this one: the cursor of the next page; 0 means from the newest
}
