package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// How much of the past and of the time to come a calendar shows.
const (
	calendarBack  = 31 * 24 * time.Hour
	calendarAhead = 183 * 24 * time.Hour
)

type newLinkInput struct {
	Body struct {
		Kind     string `json:"kind" enum:"calendar,badge"`
		Schedule string `json:"schedule,omitempty" maxLength:"200" doc:"Of this schedule; or of a person."`
		Person   string `json:"person,omitempty" maxLength:"200" doc:"Of this person, over all schedules."`
	}
}

type linkMade struct {
	OnCallLink
	URL      string `json:"url" doc:"Shown this once. Whoever knows it sees what it shows, until it is revoked."`
	Markdown string `json:"markdown,omitempty" doc:"Of a badge, to be copied."`
}

type linkList struct {
	Links []OnCallLink `json:"links" doc:"Without their addresses, which are not kept."`
}

type secretInput struct {
	Name   string `path:"name" maxLength:"200"`
	Secret string `query:"token" maxLength:"100" doc:"The secret of the link."`
}

// rendered is an answer that is not JSON.
type rendered struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func (a *API) mountOnCallLinks() {
	const tag = "On-call"
	register(a, operation{id: "list-oncall-links", method: get, path: "/oncall/links", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "List the secret addresses that you made; an admin sees everybody's"}, a.onCallLinks)
	register(a, operation{id: "make-oncall-link", method: post, path: "/oncall/links", tag: tag, role: access.Viewer, audience: operatorOnly, status: created,
		summary: "Make a secret address of a calendar or badge, for what cannot sign in"}, a.makeLink)
	register(a, operation{id: "revoke-oncall-link", method: post, path: "/oncall/links/{id}/revoke", tag: tag, role: access.Viewer, audience: operatorOnly,
		summary: "Make a secret address show nothing from now on"}, a.revokeLink)
	const secret = "The address is the secret, so keep it as one; it shows what its link names and nothing else."
	register(a, operation{id: "schedule-calendar", method: get, path: "/schedules/{name}/calendar.ics", tag: tag, role: public, audience: anyone,
		produces: "text/calendar", summary: "Subscribe to a schedule", about: secret}, a.scheduleCalendar)
	register(a, operation{id: "person-calendar", method: get, path: "/oncall/people/{name}/calendar.ics", tag: tag, role: public, audience: anyone,
		produces: "text/calendar", summary: "Subscribe to a person's shifts over all schedules", about: secret}, a.personCalendar)
	register(a, operation{id: "schedule-badge", method: get, path: "/schedules/{name}/badge.svg", tag: tag, role: public, audience: anyone,
		produces: "image/svg+xml", summary: "Who is on call, as a picture", about: secret}, a.badge)
}

func (a *API) onCallLinks(ctx context.Context, _ *none) (*body[linkList], error) {
	found, err := a.deps.OnCall.Links(ctx, access.PrincipalOf(ctx))
	return show(linkList{list(found)}, err)
}

func (a *API) makeLink(ctx context.Context, in *newLinkInput) (*body[linkMade], error) {
	wish := OnCallLink{Kind: in.Body.Kind, Schedule: in.Body.Schedule, Person: strings.ToLower(in.Body.Person)}
	if wish.Kind == "badge" && wish.Person != "" {
		return nil, fault.New(fault.Invalid, "person: a badge is of a schedule")
	}
	made, secret, err := a.deps.OnCall.MakeLink(ctx, access.PrincipalOf(ctx), wish)
	if err != nil {
		return nil, err
	}
	out := linkMade{OnCallLink: made, URL: LinkURL(a.config.BaseURL, made, secret)}
	if made.Kind == "badge" {
		out.Markdown = fmt.Sprintf("[![on call for %s](%s)](%s/oncall/%s)", made.Schedule, out.URL, a.config.BaseURL, url.PathEscape(made.Schedule))
	}
	return show(out, nil)
}

// LinkURL is the address that shows what the link names.
func LinkURL(base string, l OnCallLink, secret string) string {
	path := "/schedules/" + url.PathEscape(l.Schedule) + "/calendar.ics"
	switch {
	case l.Kind == "badge":
		path = "/schedules/" + url.PathEscape(l.Schedule) + "/badge.svg"
	case l.Person != "":
		path = "/oncall/people/" + url.PathEscape(l.Person) + "/calendar.ics"
	}
	return base + apiPath + path + "?token=" + secret
}

func (a *API) revokeLink(ctx context.Context, in *onCallIDInput) (*body[ended], error) {
	return show(ended{in.ID}, a.deps.OnCall.RevokeLink(ctx, access.PrincipalOf(ctx), in.ID))
}

// linkOf returns the link of that secret, as far as it is of that kind and name. Which of these is wrong is not told.
func (a *API) linkOf(ctx context.Context, in *secretInput, is func(OnCallLink) bool) error {
	l, err := a.deps.OnCall.LinkOf(ctx, in.Secret)
	if err == nil && !is(l) {
		err = fault.New(fault.NotFound, "this address shows nothing, or no longer does")
	}
	return err
}

func (a *API) scheduleCalendar(ctx context.Context, in *secretInput) (*rendered, error) {
	if err := a.linkOf(ctx, in, func(l OnCallLink) bool { return l.Kind == "calendar" && l.Schedule == in.Name }); err != nil {
		return nil, err
	}
	s, err := a.scheduleOf(in.Name)
	if err != nil {
		return nil, err
	}
	return a.calendar(ctx, in.Name, map[string]oncall.Schedule{in.Name: s}, "")
}

func (a *API) personCalendar(ctx context.Context, in *secretInput) (*rendered, error) {
	person := strings.ToLower(in.Name)
	if err := a.linkOf(ctx, in, func(l OnCallLink) bool { return l.Kind == "calendar" && l.Person == person }); err != nil {
		return nil, err
	}
	return a.calendar(ctx, person, a.deps.OnCall.Schedules(), person)
}

// calendar writes the shifts of the schedules, or a person's alone, beginning at a round date.
func (a *API) calendar(ctx context.Context, title string, schedules map[string]oncall.Schedule, person string) (*rendered, error) {
	now := a.deps.Now().UTC()
	from := now.Add(-calendarBack)
	from = time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	to := now.Truncate(24 * time.Hour).Add(calendarAhead)
	overlays, err := a.deps.OnCall.Overlays(ctx, access.Operator(), nil, from, to)
	if err != nil {
		return nil, err
	}
	var shifts []oncall.Shift
	for name, s := range schedules {
		for _, shift := range s.Shifts(overlays[name], from, to) {
			if person == "" || shift.Person == person {
				shifts = append(shifts, shift)
			}
		}
	}
	slices.SortFunc(shifts, func(a, b oncall.Shift) int { return a.From.Compare(b.From) })
	var out bytes.Buffer
	if err := oncall.WriteCalendar(&out, "On call: "+title, shifts, now); err != nil {
		return nil, err
	}
	return &rendered{"text/calendar; charset=utf-8", "private, max-age=300", out.Bytes()}, nil
}

func (a *API) badge(ctx context.Context, in *secretInput) (*rendered, error) {
	if err := a.linkOf(ctx, in, func(l OnCallLink) bool { return l.Kind == "badge" && l.Schedule == in.Name }); err != nil {
		return nil, err
	}
	s, err := a.scheduleOf(in.Name)
	if err != nil {
		return nil, err
	}
	now := a.deps.Now()
	overlays, err := a.deps.OnCall.Overlays(ctx, access.Operator(), []string{in.Name}, now, now.Add(time.Second))
	if err != nil {
		return nil, err
	}
	return &rendered{"image/svg+xml", "no-cache, max-age=60", drawBadge("on call: "+in.Name, s.At(overlays[in.Name], now))}, nil
}

// drawBadge draws two boxes of text. The widths assume seven pixels a character, which is enough for every usual font.
func drawBadge(label string, people []string) []byte {
	text, color := "nobody", "#b3261e"
	if len(people) > 0 {
		color = "#1b6e3c"
		names := make([]string, 0, len(people))
		for _, p := range people {
			name, _, _ := strings.Cut(p, "@")
			names = append(names, name)
		}
		text = strings.Join(names, ", ")
	}
	if cut := []rune(text); len(cut) > 60 {
		text = string(cut[:59]) + "…"
	}
	left, right := 7*len([]rune(label))+12, 7*len([]rune(text))+12
	label, text = html.EscapeString(label), html.EscapeString(text)
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="22" role="img" aria-label="%s: %s">`+
		`<title>%s: %s</title><rect width="%d" height="22" fill="#3c4043"/><rect x="%d" width="%d" height="22" fill="%s"/>`+
		`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">`+
		`<text x="%d" y="15">%s</text><text x="%d" y="15">%s</text></g></svg>`,
		left+right, label, text, label, text, left, left, right, color, left/2, label, left+right/2, text)
}
