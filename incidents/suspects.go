package incidents

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Candidate is a change that may have caused an incident.
type Candidate struct {
	Number    int64
	Service   string // AllServices where it touches every service
	Ref       string // commit, release or URL
	Kind      string // deploy, config, flag, rollback, security, fix or a word of one's own
	Author    string
	Labels    map[string]string // where it went, such as region and tenant; none says nothing
	BeganAt   time.Time
	Failed    bool // it was told as failed, rolled back or aborted
	DependsOn bool // the incident's service depends on the change's
}

// AllServices is the service of a change that touches every service.
const AllServices = "all"

// Suspect is a candidate with how suspicious it is, and why in words.
type Suspect struct {
	Candidate
	Score   float64  // 0 to 1: how much speaks for it, which is no probability
	Reasons []string // the strongest first
}

// SuspectWindow is how long before the start of an incident a change is looked at.
const SuspectWindow = 6 * time.Hour

// SuspectLead is how far after the start a change may have begun: clocks of deploys and of scrapes differ.
const SuspectLead = 2 * time.Minute

// suspectHalfLife is after what time a change is half as suspicious: most trouble of a change shows within minutes.
const suspectHalfLife = 30 * time.Minute

// suspectLabels are those that say where something happened. One that both name differently speaks against a change.
var suspectLabels = []string{"region", "tenant", "environment", "cluster", "zone"}

// kindWeights say how often changes of a kind cause trouble, against a deploy. A rollback and a fix answer trouble
// more often than they cause it.
var kindWeights = map[string]float64{"deploy": 1, "flag": 1, "config": 0.95, "security": 0.8, "fix": 0.6, "rollback": 0.5}

const (
	usualKindWeight = 0.8
	allServices     = 0.7 // against the incident's own service
	dependency      = 0.6
	elsewhere       = 0.15
	sameLabel       = 1.15 // for each label that agrees
	otherLabel      = 0.3  // for each that differs
	failedChange    = 1.25
)

// Suspects ranks changes by how likely they are the cause of an incident, the most suspicious first; at equal scores the
// later one. The score is
//
//	0.5^(time before the start / 30 min) * service * kind * labels * outcome, at most 1
//
// where service is 1 for the incident's own, 0.7 for a change of all services, 0.6 for one that it depends on and 0.15 for
// others; kind is 1 for deploys and flags, 0.95 for config, 0.8 for security and other words, 0.6 for a fix and 0.5 for a
// rollback; labels is 1.15 for each of region, tenant, environment, cluster and zone that agree and 0.3 for each that
// differ; outcome is 1.25 where the change was told as failed. What began more than SuspectWindow before the start or more
// than two minutes after it is left out.
func Suspects(i Incident, candidates []Candidate) []Suspect {
	var out []Suspect
	for _, c := range candidates {
		before := i.StartedAt.Sub(c.BeganAt)
		if before > SuspectWindow || before < -SuspectLead {
			continue
		}
		out = append(out, suspect(i, c, before))
	}
	slices.SortStableFunc(out, func(a, b Suspect) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), b.BeganAt.Compare(a.BeganAt), cmp.Compare(b.Number, a.Number))
	})
	return out
}

func suspect(i Incident, c Candidate, before time.Duration) Suspect {
	s := Suspect{Candidate: c, Score: math.Pow(0.5, max(0, before.Minutes())/suspectHalfLife.Minutes())}
	s.because(1, untilStart(before))
	switch c.Service {
	case i.Service:
		s.because(1, "same service")
	case AllServices:
		s.because(allServices, "a change of all services")
	default:
		if c.DependsOn {
			s.because(dependency, i.Service+" depends on "+c.Service)
		} else {
			s.because(elsewhere, "another service")
		}
	}
	s.weighKind()
	for _, name := range suspectLabels {
		s.compareLabel(name, i.Labels[name])
	}
	if c.Failed {
		s.because(failedChange, "it did not go well")
	}
	s.Score = min(1, s.Score)
	return s
}

func (s *Suspect) because(weight float64, reason string) {
	s.Score *= weight
	s.Reasons = append(s.Reasons, reason)
}

func (s *Suspect) weighKind() {
	weight, known := kindWeights[s.Kind]
	if !known {
		weight = usualKindWeight
	}
	s.Score *= weight
	if weight < usualKindWeight {
		s.Reasons = append(s.Reasons, "a "+s.Kind+" is an answer to trouble more often than its cause")
	}
}

func (s *Suspect) compareLabel(name, here string) {
	there := s.Labels[name]
	switch {
	case here == "" || there == "":
	case here == there:
		s.because(sameLabel, "same "+name+" "+here)
	default:
		s.because(otherLabel, "another "+name+", "+there)
	}
}

func untilStart(before time.Duration) string {
	if before < 0 {
		return span(-before) + " after the start"
	}
	return span(before) + " before the start"
}
