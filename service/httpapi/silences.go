package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// longestSilence bounds duration, so that a slip of the finger does not silence for ever.
const longestSilence = 10 * 366 * 24 * time.Hour

type silencesInput struct {
	Filter  []string `query:"filter,explode" maxItems:"64" doc:"Only silences that have all of these among their own matchers, word by word." example:"[\"service=\\\"shop\\\"\"]"`
	Expired bool     `query:"expired" doc:"Also those that expired within the last five days."`
}

type silenceInput struct {
	ID string `path:"id" maxLength:"64" doc:"The silence's UUID."`
}

type newSilence struct {
	ID       string    `json:"id,omitempty" maxLength:"64" doc:"Of the silence to change; none makes a new one."`
	Tenant   string    `json:"tenant,omitempty" maxLength:"63" doc:"Whose alerts it is for; the operator's people may leave it out for all. A tenant's are always for its own."`
	Matchers []string  `json:"matchers" minItems:"1" maxItems:"64" doc:"In Alertmanager's syntax; all must hold." example:"[\"service=\\\"shop\\\"\",\"alertname=~\\\"Disk.*\\\"\"]"`
	StartsAt time.Time `json:"startsAt,omitempty" doc:"RFC 3339; now unless set."`
	EndsAt   time.Time `json:"endsAt,omitempty" doc:"RFC 3339; or say for how long."`
	Duration string    `json:"duration,omitempty" maxLength:"20" doc:"How long from its start, such as 2h, 30m or 1d, in place of endsAt." example:"2h"`
	Comment  string    `json:"comment,omitempty" maxLength:"4000" example:"new disks"`
}

type newSilenceInput struct{ Body newSilence }

type previewInput struct {
	Body struct {
		Matchers []string `json:"matchers" minItems:"1" maxItems:"64" doc:"In Alertmanager's syntax; all must hold." example:"[\"service=\\\"shop\\\"\"]"`
	}
}

// silence is a silence with its state, as shown.
type silence struct {
	alerting.Silence
	State alerting.SilenceState `json:"state" enum:"pending,active,expired"`
}

type silenceList struct {
	Silences []silence `json:"silences" doc:"Active ones first, then pending, then expired."`
}

type silenceVersions struct {
	Versions []alerting.SilenceVersion `json:"versions" doc:"The newest first."`
}

func (a *API) mountSilences() {
	const tag = "Silences"
	register(a, operation{id: "list-silences", method: get, path: "/silences", tag: tag, role: access.Viewer, audience: anyone,
		summary: "List silences"}, a.silences)
	register(a, operation{id: "put-silence", method: post, path: "/silences", tag: tag,
		role: access.Responder, audience: anyone, status: created,
		summary: "Keep alerts from paging for a while, or change a silence",
		about:   "With an id, changing only the end of an active silence keeps the id; otherwise the old one expires and a new one is made."}, a.putSilence)
	register(a, operation{id: "preview-silence", method: post, path: "/silences/preview", tag: tag,
		role: access.Viewer, audience: anyone,
		summary: "Which alerts that fire now a silence would match; nothing is"}, a.previewSilence)
	register(a, operation{id: "get-silence", method: get, path: "/silences/{id}", tag: tag, role: access.Viewer, audience: anyone,
		summary: "Read a silence, also long after it has expired"}, a.silence)
	register(a, operation{id: "expire-silence", method: post, path: "/silences/{id}/expire", tag: tag,
		role: access.Responder, audience: anyone,
		summary: "End a silence now", about: "What still fires pages from then on. Expiring twice changes nothing."}, a.expireSilence)
	register(a, operation{id: "get-silence-history", method: get, path: "/silences/{id}/history", tag: tag,
		role: access.Viewer, audience: operatorOnly,
		summary: "Read every version of a silence and who made it"}, a.silenceHistory)
}

func (a *API) shownSilence(s alerting.Silence) silence {
	s.Matchers = list(s.Matchers)
	return silence{Silence: s, State: s.State(a.deps.Now())}
}

func (a *API) silences(ctx context.Context, in *silencesInput) (*body[silenceList], error) {
	matchers, err := alerting.ParseMatchers(in.Filter)
	if err != nil {
		return nil, err
	}
	found, err := a.silencesIn(ctx, in.Expired, matchers)
	shown := silenceList{Silences: make([]silence, 0, len(found))}
	for _, s := range found {
		shown.Silences = append(shown.Silences, a.shownSilence(s))
	}
	return show(shown, err)
}

func (a *API) silence(ctx context.Context, in *silenceInput) (*body[silence], error) {
	found, err := a.deps.Silences.Silence(ctx, access.PrincipalOf(ctx).Scope(), in.ID)
	return show(a.shownSilence(found), err)
}

func (a *API) silenceHistory(ctx context.Context, in *silenceInput) (*body[silenceVersions], error) {
	found, err := a.deps.Silences.SilenceHistory(ctx, access.PrincipalOf(ctx).Scope(), in.ID)
	return show(silenceVersions{list(found)}, err)
}

func (a *API) putSilence(ctx context.Context, in *newSilenceInput) (*body[silence], error) {
	who := access.PrincipalOf(ctx)
	wish, err := in.Body.silence(who, a.deps.Now())
	if err != nil {
		return nil, err
	}
	made, err := a.deps.Silences.PutSilence(ctx, who, wish)
	return show(a.shownSilence(made), err)
}

// silence is what is wished for: from now on where no start is given, made by whoever asks.
func (n newSilence) silence(who access.Principal, now time.Time) (alerting.Silence, error) {
	tenant, err := tenantOf(who, n.Tenant)
	if err != nil {
		return alerting.Silence{}, err
	}
	s := alerting.Silence{
		ID: n.ID, Tenant: tenant, StartsAt: n.StartsAt.UTC(), EndsAt: n.EndsAt.UTC(), CreatedBy: who.Name, Comment: n.Comment,
	}
	if s.Matchers, err = readMatchers(n.Matchers); err != nil {
		return alerting.Silence{}, err
	}
	if n.StartsAt.IsZero() {
		s.StartsAt = now.UTC()
	}
	switch {
	case n.Duration == "":
		return s, nil
	case !n.EndsAt.IsZero():
		return alerting.Silence{}, fault.New(fault.Invalid, "duration: give the end or a duration, not both")
	}
	var length manifest.Duration
	if err := length.UnmarshalText([]byte(n.Duration)); err != nil || length <= 0 || length.Std() > longestSilence {
		return alerting.Silence{}, fault.New(fault.Invalid, "duration: %q is not a time such as 30m, 2h or 1d", n.Duration)
	}
	s.EndsAt = s.StartsAt.Add(length.Std())
	return s, nil
}

func readMatchers(texts []string) ([]alerting.Matcher, error) {
	matchers := make([]alerting.Matcher, 0, len(texts))
	for _, text := range texts {
		m, err := alerting.ReadMatcher(text)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func (a *API) previewSilence(ctx context.Context, in *previewInput) (*body[alertList], error) {
	matchers, err := readMatchers(in.Body.Matchers)
	if err != nil {
		return nil, err
	}
	compiled, err := alerting.CompileMatchers(matchers)
	if err != nil {
		return nil, err
	}
	found, err := a.alertsIn(ctx, access.PrincipalOf(ctx).Scope(), true, compiled)
	return show(alertList{list(found)}, err)
}

func (a *API) expireSilence(ctx context.Context, in *silenceInput) (*body[silence], error) {
	who := access.PrincipalOf(ctx)
	if err := a.deps.Silences.ExpireSilence(ctx, who, in.ID); err != nil {
		return nil, err
	}
	found, err := a.deps.Silences.Silence(ctx, who.Scope(), in.ID)
	return show(a.shownSilence(found), err)
}
