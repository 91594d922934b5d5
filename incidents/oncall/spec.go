package oncall

import (
	"cmp"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a zone that was valid when it was applied must load wherever somebody is paged

	"github.com/nines-sre/nines/internal/manifest"
	"gopkg.in/yaml.v3"
)

// ScheduleKind is the kind of documents that ReadSchedule reads.
const ScheduleKind = "Schedule"

// Bounds of a schedule.
const (
	MaxLayers       = 30
	MaxParties      = 200 // of one layer
	MaxParty        = 20  // on call together
	MaxRestrictions = 50  // of one layer
	MaxPriority     = 100
	MaxLength       = 1000 // units in a turn
	maxText         = 1000
)

type scheduleSpec struct {
	Description string      `yaml:"description"`
	Zone        string      `yaml:"zone"`
	Layers      []layerSpec `yaml:"layers"`
}

type layerSpec struct {
	Name         string      `yaml:"name"`
	Priority     int         `yaml:"priority"`
	Zone         string      `yaml:"zone"`
	Rotation     Unit        `yaml:"rotation"`
	Length       *int        `yaml:"length"`
	Start        string      `yaml:"start"`
	From         string      `yaml:"from"`
	Until        string      `yaml:"until"`
	Turns        string      `yaml:"turns"`
	People       []partySpec `yaml:"people"`
	Restrictions []string    `yaml:"restrictions"`
}

// partySpec is one address, or a list of those who are on call together; an empty list is a turn without anybody.
type partySpec []string

// UnmarshalYAML reads an address or a list of them.
func (p *partySpec) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = partySpec{n.Value}
		return nil
	}
	var list []string
	err := n.Decode(&list)
	*p = list
	return err
}

// ReadSchedule reads a Schedule document and names every problem in it with its line.
func ReadSchedule(d manifest.Document) (Schedule, manifest.Problems) {
	var spec scheduleSpec
	r := reader{doc: d, problems: d.DecodeSpec(&spec)}
	s := Schedule{Name: d.Metadata.Name, Description: spec.Description}
	if len(spec.Description) > maxText {
		r.bad("spec.description", "is longer than %d bytes", maxText)
	}
	s.Zone = r.zone("spec.zone", spec.Zone, "")
	switch n := len(spec.Layers); {
	case n == 0:
		r.bad("spec.layers", "is missing; a schedule needs at least one layer, which says who takes turns")
	case n > MaxLayers:
		r.bad("spec.layers", "has %d layers; the most is %d", n, MaxLayers)
		return s, r.problems
	}
	names := map[string]bool{}
	for i, l := range spec.Layers {
		path := fmt.Sprintf("spec.layers.%d", i)
		layer := r.layer(path, l, cmp.Or(l.Zone, spec.Zone))
		layer.Name = cmp.Or(l.Name, fmt.Sprintf("layer %d", i+1))
		if names[layer.Name] {
			r.bad(path+".name", "%q is already the name of another layer; calendars tell them apart by it", layer.Name)
		}
		names[layer.Name] = true
		s.Layers = append(s.Layers, layer)
	}
	return s, r.problems
}

// reader collects the problems of one document.
type reader struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (r *reader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

// zone reads the name of a time zone; where there is none, it is UTC, unless the field has to be there.
func (r *reader) zone(path, name, fallback string) *time.Location {
	if name == "" && fallback == "" {
		r.bad(path, "is missing; write the zone by whose clocks people hand over, such as Europe/Vienna or UTC")
		return time.UTC
	}
	zone, err := time.LoadLocation(cmp.Or(name, fallback))
	if err != nil || name == "Local" {
		r.bad(path, "%q is no time zone; write one such as Europe/Vienna or UTC", clip(name))
		return time.UTC
	}
	return zone
}

func (r *reader) layer(path string, spec layerSpec, zoneName string) Layer {
	zone := time.UTC // where the schedule's is wrong, that has been said
	if spec.Zone != "" {
		zone = r.zone(path+".zone", spec.Zone, "UTC")
	} else if z, err := time.LoadLocation(zoneName); err == nil {
		zone = z
	}
	if len(spec.Name) > 100 {
		r.bad(path+".name", "is longer than 100 bytes")
	}
	if spec.Priority < 0 || spec.Priority > MaxPriority {
		r.bad(path+".priority", "is %d; write 0 to %d, where the highest counts", spec.Priority, MaxPriority)
	}
	l := Layer{Priority: spec.Priority, Restrictions: r.restrictions(path, spec.Restrictions)}
	l.Rotation = r.rotation(path, spec, zone)
	l.Worked = r.turns(path, spec)
	l.From, l.Until = r.moment(path+".from", spec.From, zone), r.moment(path+".until", spec.Until, zone)
	if l.From != nil && l.Until != nil && !l.From.Before(*l.Until) {
		r.bad(path+".until", "is not after from, so the layer would never be in force")
	}
	return l
}

// aMonday is the start of rotations whose only party has no turns to begin.
var aMonday = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func (r *reader) rotation(path string, spec layerSpec, zone *time.Location) Rotation {
	rotation := Rotation{Unit: spec.Rotation, Length: 1, Start: aMonday, Zone: zone, Parties: r.parties(path, spec.People)}
	alone := len(spec.People) == 1
	switch spec.Rotation {
	case Hourly, Daily, Weekly, Monthly:
	case "":
		rotation.Unit = Weekly
		if !alone {
			r.bad(path+".rotation", "is missing; write hourly, daily, weekly or monthly")
		}
	default:
		r.bad(path+".rotation", "%q is none; write hourly, daily, weekly or monthly", clip(string(spec.Rotation)))
	}
	if spec.Length != nil {
		if rotation.Length = *spec.Length; rotation.Length < 1 || rotation.Length > MaxLength {
			r.bad(path+".length", "is %d; write how many units a turn has, 1 to %d", rotation.Length, MaxLength)
			rotation.Length = 1
		}
	}
	switch start := r.moment(path+".start", spec.Start, zone); {
	case start != nil:
		rotation.Start = *start
	case spec.Start == "" && !alone:
		r.bad(path+".start", `is missing; write when the first one takes over by the clock, such as "2026-01-05 09:00"`)
	}
	return rotation
}

func (r *reader) parties(path string, people []partySpec) [][]string {
	switch n := len(people); {
	case n == 0:
		r.bad(path+".people", "is missing; write the mail addresses of those who take turns, in their order")
	case n > MaxParties:
		r.bad(path+".people", "has %d turns; the most is %d", n, MaxParties)
	}
	parties := make([][]string, 0, len(people))
	for i, p := range people {
		at := fmt.Sprintf("%s.people.%d", path, i)
		if len(p) > MaxParty {
			r.bad(at, "has %d people on call together; the most is %d", len(p), MaxParty)
		}
		var party []string
		for _, person := range p {
			person = strings.ToLower(person)
			switch {
			case !mailAddress(person):
				r.bad(at, "%q is not a mail address such as ana@example.com", clip(person))
			case slices.Contains(party, person):
				r.bad(at, "names %s twice; keep one", person)
			}
			party = append(party, person)
		}
		parties = append(parties, party)
	}
	return parties
}

func (r *reader) restrictions(path string, texts []string) []Restriction {
	if len(texts) > MaxRestrictions {
		r.bad(path+".restrictions", "has %d restrictions; the most is %d", len(texts), MaxRestrictions)
		return nil
	}
	var all []Restriction
	for i, text := range texts {
		parts, err := ParseRestriction(text)
		if err != nil {
			r.bad(fmt.Sprintf("%s.restrictions.%d", path, i), "%q cannot be read: %s", clip(text), err)
		}
		all = append(all, parts...)
	}
	return all
}

// turns reads what turns are counted in; true for units in which the layer is in force.
func (r *reader) turns(path string, spec layerSpec) bool {
	switch {
	case spec.Turns == "" || spec.Turns == "calendar":
		return false
	case spec.Turns != "worked":
		r.bad(path+".turns", `%q is unknown; write "calendar", or "worked" to count only days or hours in force`, clip(spec.Turns))
	case len(spec.Restrictions) == 0:
		r.bad(path+".turns", `"worked" needs restrictions; without them every day is worked, so leave it out`)
	case spec.Rotation != Hourly && spec.Rotation != Daily:
		r.bad(path+".turns", `"worked" counts hours or days; a %s rotation has work in each of its turns, so leave it out`, spec.Rotation)
	}
	return true
}

// moment reads a time by the clock in the zone, or one with an offset; nil where there is none or it is wrong.
func (r *reader) moment(path, text string, zone *time.Location) *time.Time {
	if text == "" {
		return nil
	}
	at, ok := ParseMoment(text, zone)
	if !ok {
		r.bad(path, `%q is no time; write one by the clock, such as "2026-01-05 09:00"`, clip(text))
		return nil
	}
	return &at
}

// ParseMoment reads a time by the clock in the zone, such as "2026-01-05 09:00", or one with an offset. A clock that is shown
// twice is the first time, one that is jumped over the instant of the jump; years are 1970 to 2200.
func ParseMoment(text string, zone *time.Location) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, text)
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if err == nil {
			break
		}
		if at, err = time.Parse(layout, text); err == nil {
			at = wall(at.Unix()).at(zone)
		}
	}
	return at, err == nil && at.Year() >= 1970 && at.Year() <= 2200
}

// mailAddress reports whether s is a bare address, without a display name, comment or line break.
func mailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && !strings.ContainsAny(s, " \r\n\t<>")
}

// clip shortens what somebody wrote for a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}
