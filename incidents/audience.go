package incidents

import (
	"fmt"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// AudienceKind is the kind of documents that ReadAudience reads.
const AudienceKind = "Audience"

// Audience is channels that are told of status updates: rooms and machines that nobody is called by.
type Audience struct {
	Name     string
	Targets  []Target // of Slack, Teams, Google Chat or a webhook
	Services []string // only incidents of these; none is all
	Tenants  []string // only of these; none is all
	Level    Level    // the mildest level it is about; 0 is all
	Public   bool     // hears only what customers may read
}

type audienceSpec struct {
	Targets  []Target `yaml:"targets"`
	Services []string `yaml:"services"`
	Tenants  []string `yaml:"tenants"`
	Level    string   `yaml:"level"`
	Public   bool     `yaml:"public"`
}

// readers are the providers whose targets are read and not answered.
var readers = []string{"slack", "teams", "googlechat", "webhook"}

// ReadAudience reads an Audience document and names every problem in it with its line.
func ReadAudience(d manifest.Document) (Audience, manifest.Problems) {
	var spec audienceSpec
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	a := Audience{Name: d.Metadata.Name, Targets: spec.Targets, Services: spec.Services, Tenants: spec.Tenants, Public: spec.Public}
	if n := len(spec.Targets); n == 0 || n > MaxTargets {
		r.bad("spec.targets", "names %s; write 1 to %d", count(n, "target"), MaxTargets)
	}
	r.targets("spec.targets", spec.Targets, map[string]string{})
	for n, t := range spec.Targets {
		if p := t.Provider(); p != "" && !slices.Contains(readers, p) {
			r.bad(fmt.Sprintf("spec.targets.%d", n), "%s is for calling people; an audience is told in slack, teams, googlechat or by webhook, and people subscribe by e-mail", p)
		}
	}
	a.Level = Level(r.level("spec.level", spec.Level))
	return a, r.problems
}

// Hears reports whether the audience is told of an update.
func (a Audience) Hears(i Incident, u StatusUpdate) bool {
	switch {
	case a.Public && !u.Public:
		return false
	case len(a.Services) > 0 && !slices.Contains(a.Services, i.Service):
		return false
	case len(a.Tenants) > 0 && !slices.Contains(a.Tenants, i.Tenant):
		return false
	}
	return a.Level == 0 || i.Level.Valid() && i.Level <= a.Level
}

// Pages returns what tells audiences of a status update, each target once. Who has a thread of the incident hears it there.
func (u StatusUpdate) Pages(i Incident, all []Audience, now time.Time) []Page {
	told := map[string]bool{}
	for _, t := range i.pagedSoFar() {
		told[t.Key()] = t.KeepsThread() || told[t.Key()]
	}
	var pages []Page
	for _, a := range all {
		if !a.Hears(i, u) {
			continue
		}
		for _, t := range a.Targets {
			if key := t.Key(); !told[key] {
				told[key] = true
				p := i.page(ActionStatus, t, 0, 0, now)
				p.Number, p.Text = u.Number, u.Text
				pages = append(pages, p)
			}
		}
	}
	return pages
}
