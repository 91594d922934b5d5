package httpapi

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Spans of what is shown unless asked otherwise, and the most of one.
const (
	usualSpan   = 14 * 24 * time.Hour
	gapsAhead   = 30 * 24 * time.Hour
	longestSpan = 400 * 24 * time.Hour
)

type onCallInput struct {
	Person string    `query:"person" maxLength:"200" doc:"Only the schedules that this person is on call for." example:"bea@nines.example"`
	At     time.Time `query:"at" doc:"RFC 3339; now unless set."`
}

// onCallNow is who is on call for one schedule.
type onCallNow struct {
	Schedule    string        `json:"schedule"`
	Description string        `json:"description,omitempty"`
	Zone        string        `json:"zone"`
	People      []string      `json:"people" doc:"Empty where nobody is on call."`
	Until       *time.Time    `json:"until" doc:"When somebody hands over, or a gap ends, within two weeks; null where nothing changes."`
	Next        *oncall.Shift `json:"next" doc:"The next shift to begin; null where none does within a year."`
}

type onCallList struct {
	At        time.Time   `json:"at"`
	Schedules []onCallNow `json:"schedules"`
}

type scheduleInput struct {
	Name string `path:"name" maxLength:"200" example:"shop"`
	SpanQuery
}

// SpanQuery is a stretch of time that a request asks about. It is exported because parameters are read from exported parts only.
type SpanQuery struct {
	From time.Time `query:"from" doc:"RFC 3339; now unless set."`
	To   time.Time `query:"to" doc:"RFC 3339, at most 400 days later; 14 days later unless set."`
}

func (in SpanQuery) span(now time.Time, usual time.Duration) (from, to time.Time, err error) {
	from, to = in.From.UTC(), in.To.UTC()
	if in.From.IsZero() {
		from = now.UTC().Truncate(time.Second)
	}
	if in.To.IsZero() {
		to = from.Add(usual)
	}
	if !to.After(from) || to.Sub(from) > longestSpan {
		return from, to, fault.New(fault.Invalid, "to: must be after from, by at most 400 days")
	}
	return from, to, nil
}

type scheduleShown struct {
	Name        string           `json:"name"`
	Description string           `json:"description,omitempty"`
	Zone        string           `json:"zone"`
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	People      []string         `json:"people" doc:"Who occur in the plan."`
	Layers      []layerShown     `json:"layers"`
	Shifts      []oncall.Shift   `json:"shifts" doc:"Who is on call in the end, with all that differs from the plan."`
	Gaps        []oncall.Span    `json:"gaps" doc:"When nobody is."`
	Overrides   []overrideShown  `json:"overrides"`
	Temporaries []temporaryShown `json:"temporaries"`
}

type layerShown struct {
	Name     string         `json:"name"`
	Priority int            `json:"priority"`
	Shifts   []oncall.Shift `json:"shifts" doc:"By this layer alone."`
}

type scheduleList struct {
	Schedules []scheduleNamed `json:"schedules"`
}

type scheduleNamed struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Zone        string   `json:"zone"`
	People      []string `json:"people"`
}

func (a *API) mountOnCall() {
	const tag = "On-call"
	viewer := func(id, path, summary string) operation {
		return operation{id: id, method: get, path: path, tag: tag, role: access.Viewer, audience: operatorOnly, summary: summary}
	}
	register(a, viewer("who-is-on-call", "/oncall", "Who is on call, over all schedules"), a.whoIsOnCall)
	register(a, viewer("list-gaps", "/oncall/gaps", "When nobody is on call in the time to come"), a.gaps)
	register(a, viewer("fairness", "/oncall/fairness", "Hours, nights and pages a person"), a.fairness)
	register(a, viewer("list-schedules", "/schedules", "List schedules"), a.schedules)
	register(a, viewer("get-schedule", "/schedules/{name}", "Read a schedule, its shifts and its gaps"), a.schedule)
	register(a, viewer("get-schedule-history", "/schedules/{name}/history", "Who was on call as it really was"), a.served)
	a.mountOnCallChanges()
	a.mountOnCallLinks()
}

func zoneName(s oncall.Schedule) string {
	if s.Zone == nil {
		return "UTC"
	}
	return s.Zone.String()
}

func (a *API) whoIsOnCall(ctx context.Context, in *onCallInput) (*body[onCallList], error) {
	at := in.At.UTC()
	if in.At.IsZero() {
		at = a.deps.Now().UTC()
	}
	schedules := a.deps.OnCall.Schedules()
	overlays, err := a.deps.OnCall.Overlays(ctx, access.PrincipalOf(ctx).Scope(), nil, at, at.Add(longestSpan))
	if err != nil {
		return nil, err
	}
	out := onCallList{At: at, Schedules: []onCallNow{}}
	person := strings.ToLower(in.Person)
	for _, name := range slices.Sorted(maps.Keys(schedules)) {
		s, o := schedules[name], overlays[name]
		people := s.At(o, at)
		if person != "" && !slices.Contains(people, person) {
			continue
		}
		out.Schedules = append(out.Schedules, onCallNowOf(s, o, people, at))
	}
	return show(out, nil)
}

// onCallNowOf says who is on call and what comes next.
func onCallNowOf(s oncall.Schedule, o oncall.Overlay, people []string, at time.Time) onCallNow {
	now := onCallNow{Schedule: s.Name, Description: s.Description, Zone: zoneName(s), People: list(people)}
	end := at.Add(usualSpan)
	shifts := s.Shifts(o, at, end)
	for _, shift := range shifts {
		edge := shift.To
		if shift.From.After(at) {
			edge = shift.From
		}
		if edge.Before(end) && (now.Until == nil || edge.Before(*now.Until)) {
			edge = edge.UTC()
			now.Until = &edge
		}
	}
	if next, there := s.Next(o, at); there {
		now.Next = &next
	}
	return now
}

type gapsInput struct{ SpanQuery }

type scheduleGaps struct {
	Schedule string        `json:"schedule"`
	Gaps     []oncall.Span `json:"gaps"`
}

type gapList struct {
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Schedules []scheduleGaps `json:"schedules" doc:"Only those that have gaps."`
}

func (a *API) gaps(ctx context.Context, in *gapsInput) (*body[gapList], error) {
	from, to, err := in.span(a.deps.Now(), gapsAhead)
	if err != nil {
		return nil, err
	}
	overlays, err := a.deps.OnCall.Overlays(ctx, access.PrincipalOf(ctx).Scope(), nil, from, to)
	if err != nil {
		return nil, err
	}
	out := gapList{From: from, To: to, Schedules: []scheduleGaps{}}
	schedules := a.deps.OnCall.Schedules()
	for _, name := range slices.Sorted(maps.Keys(schedules)) {
		if found := schedules[name].Gaps(overlays[name], from, to); len(found) > 0 {
			out.Schedules = append(out.Schedules, scheduleGaps{name, found})
		}
	}
	return show(out, nil)
}

func (a *API) schedules(_ context.Context, _ *none) (*body[scheduleList], error) {
	out := scheduleList{Schedules: []scheduleNamed{}}
	schedules := a.deps.OnCall.Schedules()
	for _, name := range slices.Sorted(maps.Keys(schedules)) {
		s := schedules[name]
		out.Schedules = append(out.Schedules, scheduleNamed{name, s.Description, zoneName(s), list(s.People())})
	}
	return show(out, nil)
}

func (a *API) scheduleOf(name string) (oncall.Schedule, error) {
	s, defined := a.deps.OnCall.Schedules()[name]
	if !defined {
		return s, fault.New(fault.NotFound, "there is no schedule %q", name)
	}
	return s, nil
}

func (a *API) schedule(ctx context.Context, in *scheduleInput) (*body[scheduleShown], error) {
	s, err := a.scheduleOf(in.Name)
	if err != nil {
		return nil, err
	}
	from, to, err := in.span(a.deps.Now(), usualSpan)
	if err != nil {
		return nil, err
	}
	overlays, err := a.deps.OnCall.Overlays(ctx, access.PrincipalOf(ctx).Scope(), []string{in.Name}, from, to)
	if err != nil {
		return nil, err
	}
	o := overlays[in.Name]
	out := scheduleShown{
		Name: s.Name, Description: s.Description, Zone: zoneName(s), From: from, To: to, People: list(s.People()),
		Shifts: list(s.Shifts(o, from, to)), Gaps: list(s.Gaps(o, from, to)), Layers: []layerShown{},
		Overrides: []overrideShown{}, Temporaries: []temporaryShown{},
	}
	for _, l := range s.Layers {
		alone := oncall.Schedule{Name: s.Name, Zone: s.Zone, Layers: []oncall.Layer{l}}
		out.Layers = append(out.Layers, layerShown{l.Name, l.Priority, list(alone.Shifts(oncall.Overlay{}, from, to))})
	}
	for _, v := range o.Overrides {
		out.Overrides = append(out.Overrides, shownOverride(v))
	}
	for _, v := range o.Temporaries {
		out.Temporaries = append(out.Temporaries, shownTemporary(v))
	}
	return show(out, nil)
}

type servedList struct {
	Shifts []oncall.Shift `json:"shifts" doc:"One that lasts ends now."`
}

func (a *API) served(ctx context.Context, in *scheduleInput) (*body[servedList], error) {
	now := a.deps.Now().UTC()
	if in.From.IsZero() {
		in.From = now.Add(-gapsAhead)
	}
	from, to, err := in.span(now, gapsAhead)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.OnCall.Served(ctx, access.PrincipalOf(ctx).Scope(), in.Name, from, to)
	return show(servedList{list(found)}, err)
}

type fairInput struct {
	Schedule string `query:"schedule" maxLength:"200" doc:"Only of this schedule."`
	SpanQuery
}

type loadList struct {
	From   time.Time     `json:"from"`
	To     time.Time     `json:"to"`
	People []oncall.Load `json:"people"`
}

func (a *API) fairness(ctx context.Context, in *fairInput) (*body[loadList], error) {
	now := a.deps.Now().UTC()
	if in.From.IsZero() {
		in.From = now.Add(-gapsAhead).Truncate(time.Second)
	}
	from, to, err := in.span(now, gapsAhead)
	if err != nil {
		return nil, err
	}
	found, err := a.deps.OnCall.Fair(ctx, access.PrincipalOf(ctx).Scope(), in.Schedule, from, to)
	return show(loadList{from, to, list(found)}, err)
}
