package account

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/manifest"
)

// PlansFile holds the schedules as definitions. SchedulesFile keeps them beside it as PagerDuty has them.
const PlansFile = "oncall-schedules.yaml"

type planSpec struct {
	Description string     `yaml:"description,omitempty"`
	Zone        string     `yaml:"zone"`
	Layers      []planTurn `yaml:"layers"`
}

type planTurn struct {
	Name         string   `yaml:"name"`
	Priority     int      `yaml:"priority,omitempty"`
	Rotation     string   `yaml:"rotation"`
	Length       int      `yaml:"length,omitempty"`
	Start        string   `yaml:"start"`
	From         string   `yaml:"from,omitempty"`
	Until        string   `yaml:"until,omitempty"`
	People       []any    `yaml:"people"`
	Restrictions []string `yaml:"restrictions,omitempty"`
}

// plans writes the schedules. PagerDuty lists the layer first that counts most.
func (w *writer) plans() []document {
	names := newNames()
	var docs []document
	for _, s := range w.account.Schedules {
		what := "schedule " + s.Name
		zone, err := time.LoadLocation(s.TimeZone)
		if err != nil || s.TimeZone == "" {
			w.lose(what, "is left out as a definition, because its time zone %q is not known", s.TimeZone)
			continue
		}
		spec := planSpec{Description: notify.Cut(strings.TrimSpace(s.Description), 1000), Zone: s.TimeZone}
		layers := s.ScheduleLayers
		if len(layers) > oncall.MaxLayers {
			w.lose(what, "has %d layers; the %d that count most are written", len(layers), oncall.MaxLayers)
			layers = layers[:oncall.MaxLayers]
		}
		for i, l := range slices.Backward(layers) {
			if turn, ok := w.planTurn(what, l, zone); ok {
				turn.Priority = len(layers) - 1 - i
				turn.Name = cmp.Or(notify.Line(l.Name, 80), "layer") + fmt.Sprintf(" (%d)", len(layers)-i)
				spec.Layers = append(spec.Layers, turn)
			}
		}
		if len(spec.Layers) == 0 {
			w.lose(what, "is left out as a definition, because no layer of it could be written")
			continue
		}
		name := names.of(s.Name, s.ID)
		w.planNames[s.ID] = name
		docs = append(docs, document{manifest.APIVersion, oncall.ScheduleKind, metadata(name, s.Name), spec})
	}
	return docs
}

// planTurn writes a layer; false where it has nobody, or turns that are not whole hours.
func (w *writer) planTurn(what string, l api.ScheduleLayer, zone *time.Location) (planTurn, bool) {
	t := planTurn{People: w.turnPeople(what, l)}
	switch seconds := int(l.RotationTurnLengthSeconds); {
	case seconds > 0 && seconds%(7*24*3600) == 0:
		t.Rotation, t.Length = string(oncall.Weekly), seconds/(7*24*3600)
	case seconds > 0 && seconds%(24*3600) == 0:
		t.Rotation, t.Length = string(oncall.Daily), seconds/(24*3600)
	case seconds > 0 && seconds%3600 == 0 && seconds/3600 <= oncall.MaxLength:
		t.Rotation, t.Length = string(oncall.Hourly), seconds/3600
	default:
		w.lose(what, "its layer %s has turns of %d seconds, which are no whole hours; it is left out", l.Name, seconds)
		return t, false
	}
	if len(t.People) == 0 {
		w.lose(what, "its layer %s has nobody and is left out", l.Name)
		return t, false
	}
	if t.Start = planMoment(cmp.Or(l.RotationVirtualStart, l.Start), zone); t.Start == "" {
		w.lose(what, "its layer %s has no start that could be read and is left out", l.Name)
		return t, false
	}
	t.From, t.Until = planMoment(l.Start, zone), planMoment(l.End, zone)
	for _, r := range l.Restrictions {
		text, ok := restrictionOf(r)
		if !ok {
			w.lose(what, "its layer %s has a restriction that is not by whole minutes; the layer is left out", l.Name)
			return t, false
		}
		t.Restrictions = append(t.Restrictions, text)
	}
	return t, true
}

// turnPeople are the addresses of those who take turns; who has none keeps the turn, in which nobody is on call.
func (w *writer) turnPeople(what string, l api.ScheduleLayer) []any {
	var people []any
	for _, ref := range l.Users {
		u, known := w.users[ref.User.ID]
		if !known || u.Email == "" {
			w.lose(what, "%s has no mail address that could be read; nobody is on call in that turn",
				cmp.Or(u.Name, ref.User.Summary, ref.User.ID))
			people = append(people, []string{})
			continue
		}
		people = append(people, strings.ToLower(u.Email))
	}
	return people
}

// planMoment writes a time by the clock in the zone where that says which, else with its offset.
func planMoment(text string, zone *time.Location) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return ""
	}
	short := at.In(zone).Format("2006-01-02 15:04")
	if again, ok := oncall.ParseMoment(short, zone); ok && again.Equal(at) {
		return short
	}
	return at.In(zone).Format(time.RFC3339)
}

// restrictionOf writes a restriction as people would. PagerDuty counts a day from a time on for so many seconds, or a part of
// the week from a day (Monday is 1) and a time on.
func restrictionOf(r api.Restriction) (string, bool) {
	begin, err := time.Parse("15:04:05", r.StartTimeOfDay)
	length := time.Duration(r.DurationSeconds) * time.Second
	if err != nil || begin.Second() != 0 || length <= 0 || length%time.Minute != 0 {
		return "", false
	}
	from, to := begin.Format("15:04"), begin.Add(length).Format("15:04")
	if !strings.HasPrefix(r.Type, "weekly") {
		return from + "-" + to, length <= 24*time.Hour
	}
	first := time.Weekday(r.StartDayOfWeek % 7)
	last := (first + time.Weekday(begin.Add(length).Sub(begin.Truncate(24*time.Hour))/(24*time.Hour))) % 7
	if length <= 24*time.Hour {
		return first.String()[:3] + " " + from + "-" + to, true
	}
	return fmt.Sprintf("%s %s to %s %s", first.String()[:3], from, last.String()[:3], to), length <= 7*24*time.Hour
}
