package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// amSilence is a silence as Alertmanager shows it.
type amSilence struct {
	ID        string             `json:"id"`
	Status    amSilenceState     `json:"status"`
	UpdatedAt time.Time          `json:"updatedAt"`
	Comment   string             `json:"comment"`
	CreatedBy string             `json:"createdBy"`
	EndsAt    time.Time          `json:"endsAt"`
	Matchers  []alerting.Matcher `json:"matchers"`
	StartsAt  time.Time          `json:"startsAt"`
}

type amSilenceState struct {
	State alerting.SilenceState `json:"state"`
}

// postedSilence tells what is missing from what is empty.
type postedSilence struct {
	ID        string           `json:"id"`
	Matchers  *[]postedMatcher `json:"matchers"`
	StartsAt  *time.Time       `json:"startsAt"`
	EndsAt    *time.Time       `json:"endsAt"`
	CreatedBy *string          `json:"createdBy"`
	Comment   *string          `json:"comment"`
}

type postedMatcher struct {
	Name    *string `json:"name"`
	Value   *string `json:"value"`
	IsRegex *bool   `json:"isRegex"`
	IsEqual *bool   `json:"isEqual"`
}

func (a *API) amSilenceOf(s alerting.Silence) amSilence {
	return amSilence{
		ID: s.ID, Status: amSilenceState{s.State(a.deps.Now())}, UpdatedAt: amTime(s.UpdatedAt),
		Comment: s.Comment, CreatedBy: s.CreatedBy,
		EndsAt: s.EndsAt.UTC(), Matchers: list(s.Matchers), StartsAt: s.StartsAt.UTC(),
	}
}

func (a *API) amSilences(c *fiber.Ctx) error {
	matchers, err := alerting.ParseMatchers(queryAll(c, "filter"))
	if err != nil {
		return err
	}
	found, err := a.silencesIn(c.UserContext(), true, matchers)
	if err != nil {
		return err
	}
	shown := make([]amSilence, 0, len(found))
	for _, s := range found {
		shown = append(shown, a.amSilenceOf(s))
	}
	return c.JSON(shown)
}

// silencesIn returns the silences in scope that have all of the filter among their own matchers, word by word as in
// Alertmanager: active ones first, then pending, of both those that end or begin first, then expired, the last first.
func (a *API) silencesIn(ctx context.Context, expired bool, filter alerting.Matchers) ([]alerting.Silence, error) {
	scope := access.PrincipalOf(ctx).Scope()
	all, err := a.deps.Silences.Silences(ctx, scope, alerting.SilenceFilter{Expired: expired})
	if err != nil {
		return nil, err
	}
	now := a.deps.Now()
	found := make([]alerting.Silence, 0, len(all))
	for _, s := range all {
		if scope.Allows(s.Tenant) && has(s, filter) && (expired || s.State(now) != alerting.SilenceExpired) {
			found = append(found, s)
		}
	}
	rank := map[alerting.SilenceState]int{alerting.SilenceActive: 0, alerting.SilencePending: 1, alerting.SilenceExpired: 2}
	slices.SortStableFunc(found, func(x, y alerting.Silence) int {
		in, other := x.State(now), y.State(now)
		order := x.EndsAt.Compare(y.EndsAt)
		switch {
		case in == alerting.SilencePending:
			order = x.StartsAt.Compare(y.StartsAt)
		case in == alerting.SilenceExpired:
			order = -order
		}
		return cmp.Or(cmp.Compare(rank[in], rank[other]), order, strings.Compare(x.ID, y.ID))
	})
	return found, nil
}

func has(s alerting.Silence, filter alerting.Matchers) bool {
	for _, wanted := range filter {
		if !slices.Contains(s.Matchers, alerting.MatcherOf(wanted)) {
			return false
		}
	}
	return true
}

// silenceID refuses what is no UUID, as Alertmanager does before it looks.
func silenceID(c *fiber.Ctx) (string, error) {
	id := c.Params("id")
	if err := uuid.Validate(id); err != nil || len(id) != 36 {
		return "", refusal(http.StatusUnprocessableEntity, "silenceID in path must be of type uuid")
	}
	return id, nil
}

func (a *API) amSilence(c *fiber.Ctx) error {
	id, err := silenceID(c)
	if err != nil {
		return err
	}
	found, err := a.deps.Silences.Silence(c.UserContext(), access.PrincipalOf(c.UserContext()).Scope(), id)
	if err != nil {
		return err
	}
	return c.JSON(a.amSilenceOf(found))
}

func (a *API) amExpireSilence(c *fiber.Ctx) error {
	id, err := silenceID(c)
	if err != nil {
		return err
	}
	if err := a.deps.Silences.ExpireSilence(c.UserContext(), access.PrincipalOf(c.UserContext()), id); err != nil {
		return err
	}
	return c.SendStatus(http.StatusOK)
}

func (a *API) amPutSilence(c *fiber.Ctx) error {
	if err := wantJSON(c); err != nil {
		return err
	}
	wish, err := readSilence(c.Body())
	if err != nil {
		return err
	}
	made, err := a.deps.Silences.PutSilence(c.UserContext(), access.PrincipalOf(c.UserContext()), wish)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"silenceID": made.ID})
}

func wantJSON(c *fiber.Ctx) error {
	media, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	if !strings.EqualFold(strings.TrimSpace(media), fiber.MIMEApplicationJSON) {
		return refusal(http.StatusUnsupportedMediaType, "send it as %s", fiber.MIMEApplicationJSON)
	}
	return nil
}

// readSilence reads the body of a posted silence. What is no JSON is a 400, a missing part a 422, as in Alertmanager; what
// the parts say is checked where it is kept.
func readSilence(body []byte) (alerting.Silence, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return alerting.Silence{}, refusal(http.StatusUnprocessableEntity, "silence in body is required")
	}
	var p postedSilence
	if err := json.Unmarshal(body, &p); err != nil {
		return alerting.Silence{}, unreadable(err, "parsing silence body failed: send one with matchers and RFC 3339 times")
	}
	if err := p.check(); err != nil {
		return alerting.Silence{}, err
	}
	s := alerting.Silence{ID: p.ID, StartsAt: p.StartsAt.UTC(), EndsAt: p.EndsAt.UTC(), CreatedBy: *p.CreatedBy, Comment: *p.Comment}
	for _, m := range *p.Matchers {
		equal := m.IsEqual == nil || *m.IsEqual
		s.Matchers = append(s.Matchers, alerting.Matcher{Name: *m.Name, Value: *m.Value, IsRegex: *m.IsRegex, IsEqual: equal})
	}
	return s, nil
}

func (p postedSilence) check() error {
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"comment", p.Comment == nil}, {"createdBy", p.CreatedBy == nil}, {"endsAt", p.EndsAt == nil},
		{"matchers", p.Matchers == nil}, {"startsAt", p.StartsAt == nil},
	} {
		if part.missing {
			return required(part.name)
		}
	}
	if len(*p.Matchers) == 0 {
		return refusal(http.StatusUnprocessableEntity, "matchers in body should have at least 1 items")
	}
	for i, m := range *p.Matchers {
		switch {
		case m.IsRegex == nil:
			return required(fmt.Sprintf("matchers.%d.isRegex", i))
		case m.Name == nil:
			return required(fmt.Sprintf("matchers.%d.name", i))
		case m.Value == nil:
			return required(fmt.Sprintf("matchers.%d.value", i))
		}
	}
	return nil
}

// unreadable is a body that is not what it should be, in the form that Alertmanager gives to that.
func unreadable(err error, text string) error {
	return errors.Join(fault.Wrap(fault.Invalid, err, "%s", text), fiber.NewError(http.StatusBadRequest))
}

func required(name string) error {
	return refusal(http.StatusUnprocessableEntity, "%s in body is required", name)
}
