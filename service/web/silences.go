package web

import (
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type silenceListView struct {
	Groups []silenceGroup
	Asked  bool
	CanAct bool
	Filter string // what the form begins with
}

// silenceGroup is the silences of one state.
type silenceGroup struct {
	State alerting.SilenceState
	Label string
	None  string
	Rows  []silenceRow
}

// silenceRow is one silence, in words.
type silenceRow struct {
	alerting.Silence
	Texts       []string // of its matchers
	When, Class string
	AlertsURL   string // the alerts that it matches
	CanExpire   bool
}

// silenceSpans are the times that one press silences for.
var silenceSpans = map[string]time.Duration{"1h": time.Hour, "4h": 4 * time.Hour, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour}

func (s *site) silenceList(c *fiber.Ctx, who access.Principal) error {
	view := silenceListView{CanAct: who.Require(access.Responder) == nil, Filter: strings.Clone(c.Query("filter"))}
	m := s.missing(c.UserContext())
	found, err := s.Alerts.Silences(c.UserContext(), who.Scope(), alerting.SilenceFilter{Expired: true})
	if err != nil && final(err) {
		return err
	}
	m.note("silences", err)
	view.Asked = err == nil
	now := s.Now().UTC()
	for _, group := range []silenceGroup{
		{State: alerting.SilenceActive, Label: "Active", None: "Nothing is silenced now."},
		{State: alerting.SilencePending, Label: "Pending", None: "None is planned."},
		{State: alerting.SilenceExpired, Label: "Expired in the last five days", None: "None."},
	} {
		for _, silence := range found {
			if silence.State(now) == group.State {
				group.Rows = append(group.Rows, silenceRowOf(silence, now, view.CanAct))
			}
		}
		slices.SortStableFunc(group.Rows, func(a, b silenceRow) int {
			switch group.State {
			case alerting.SilencePending:
				return a.StartsAt.Compare(b.StartsAt)
			case alerting.SilenceExpired:
				return b.EndsAt.Compare(a.EndsAt)
			}
			return a.EndsAt.Compare(b.EndsAt)
		})
		view.Groups = append(view.Groups, group)
	}
	return s.render(c, fiber.StatusOK, page{
		Template: "silences", Title: "Silences", Section: "alerts", Topics: "silence", Missing: m.texts(), Body: view,
	})
}

func silenceRowOf(s alerting.Silence, now time.Time, mayAct bool) silenceRow {
	row := silenceRow{Silence: s}
	for _, m := range s.Matchers {
		row.Texts = append(row.Texts, m.String())
	}
	row.AlertsURL = alertsURL("all", strings.Join(row.Texts, ","))
	switch s.State(now) {
	case alerting.SilenceActive:
		row.When, row.Class, row.CanExpire = spanText(s.EndsAt.Sub(now))+" left", "warm", mayAct
	case alerting.SilencePending:
		row.When, row.Class, row.CanExpire = "in "+spanText(s.StartsAt.Sub(now)), "calm", mayAct
	default:
		row.When, row.Class = "ended", "idle"
	}
	return row
}

// addSilence silences one alert by all of its labels, or all that a filter matches.
func (s *site) addSilence(c *fiber.Ctx, who access.Principal) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	lasts, known := silenceSpans[c.FormValue("for")]
	if !known {
		return fault.New(fault.Invalid, "for: choose 1h, 4h, 1d or 7d")
	}
	now := s.Now().UTC()
	comment := strings.TrimSpace(c.FormValue("comment"))
	wish := alerting.Silence{StartsAt: now, EndsAt: now.Add(lasts), CreatedBy: who.Name, Comment: comment}
	back := c.FormValue("back")
	if back != "/silences" && back != "/alerts" && !strings.HasPrefix(back, "/alerts?") {
		back = "/alerts"
	}
	var err error
	if fingerprint := c.FormValue("fingerprint"); fingerprint != "" {
		wish.Matchers, wish.Tenant, err = s.matchersOf(c, who, fingerprint, c.FormValue("tenant"))
	} else {
		wish.Matchers, _, err = readFilter(c.FormValue("filter"))
	}
	if err != nil {
		return err
	}
	if wish.Matchers == nil {
		s.setFlash(c, "over")
		return c.Redirect(back, fiber.StatusSeeOther)
	}
	if _, err := s.Alerts.PutSilence(c.UserContext(), who, wish); err != nil {
		return told(err)
	}
	s.setFlash(c, "silenced")
	return c.Redirect(back, fiber.StatusSeeOther)
}

// matchersOf matches exactly the labels of an alert that fires; none where it fires no more.
func (s *site) matchersOf(c *fiber.Ctx, who access.Principal, fingerprint, tenant string) ([]alerting.Matcher, string, error) {
	firing, err := s.Alerts.Alerts(c.UserContext(), who.Scope())
	if err != nil {
		return nil, "", err
	}
	for _, al := range firing {
		if al.Fingerprint != fingerprint || al.Tenant != tenant {
			continue
		}
		var matchers []alerting.Matcher
		for _, l := range labelsOf(al.Labels) {
			matchers = append(matchers, equalTo(l.Name, l.Value))
		}
		return matchers, al.Tenant, nil
	}
	return nil, "", nil
}

func (s *site) expireSilence(c *fiber.Ctx, who access.Principal) error {
	if err := who.Require(access.Responder); err != nil {
		return err
	}
	if err := s.Alerts.ExpireSilence(c.UserContext(), who, strings.Clone(c.Params("id"))); err != nil {
		return err
	}
	s.setFlash(c, "unsilenced")
	return c.Redirect("/silences", fiber.StatusSeeOther)
}
