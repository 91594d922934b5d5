package web

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

// Corrections keeps what says how spans of the ledger count.
type Corrections interface {
	// Corrections returns those about an SLO that the principal may see, revoked ones too, the newest first.
	Corrections(ctx context.Context, who access.Principal, sloID string) ([]slo.Correction, error)
	Add(ctx context.Context, who access.Principal, c slo.Correction) error
	Revoke(ctx context.Context, who access.Principal, id, reason string) error
	// Bucket returns the width of the ledger's buckets, which are corrected as a whole.
	Bucket() time.Duration
}

// mostCorrections keeps the section short; the API lists all of them.
const mostCorrections = 20

// correctionsView is the section of a promise's page.
type correctionsView struct {
	Known bool // false: there is nothing to show them from
	Asked bool // false: they could not be asked
	Rows  []correctionRow
	More  int
	Edit  bool // this viewer may add and revoke
	URL   string
	Tenant,
	From, To string // what the form begins with, in UTC
}

// correctionRow is one correction, in words.
type correctionRow struct {
	slo.Correction
	Word, Class string // its state
	What        string // what it does
	Whose       string
	Lasts       string
	Span        Span
	Late        bool // made after its span had begun
}

// correctionsOf asks for a promise's corrections. A tenant's choice leaves out those of other tenants.
func (s *site) correctionsOf(ctx context.Context, who access.Principal, id, tenant string, now time.Time, m *missing) correctionsView {
	view := correctionsView{Known: s.Corrections != nil, URL: "/slos/" + url.PathEscape(id) + "/corrections", Tenant: tenant,
		Edit: requireOperator(who, access.Editor) == nil, From: now.Format(formTime), To: now.Add(2 * time.Hour).Format(formTime)}
	if !view.Known {
		return view
	}
	found, err := s.Corrections.Corrections(ctx, who, id)
	m.note("corrections", err)
	view.Asked = err == nil
	for _, c := range found {
		if tenant != "" && !c.TouchesTenant(tenant) {
			continue
		}
		if len(view.Rows) == mostCorrections {
			view.More++
			continue
		}
		view.Rows = append(view.Rows, correctionRowOf(c, s.Corrections.Bucket(), now))
	}
	return view
}

func correctionRowOf(c slo.Correction, bucket time.Duration, now time.Time) correctionRow {
	row := correctionRow{Correction: c, Late: c.Retroactive(), What: "not counted", Word: "over", Class: "idle"}
	row.Span.From, row.Span.To = c.Effective(bucket)
	row.Lasts = spanText(row.Span.To.Sub(row.Span.From))
	if c.Mode == slo.ModeGood {
		row.What = "errors count as good"
	}
	switch {
	case !c.InForce():
		row.Word, row.Class = "revoked", "idle"
	case now.Before(c.From):
		row.Word, row.Class = "planned", "calm"
	case now.Before(c.To):
		row.Word, row.Class = "now", "warm"
	}
	for _, l := range labelsOf(c.Labels) {
		row.Whose = strings.TrimSpace(row.Whose + " " + l.Value)
	}
	return row
}

// bands are the spans that a plot shades: what is left out or forgiven in it.
func (v correctionsView) bands(span Span) []band {
	var out []band
	for _, row := range slices.Backward(v.Rows) {
		if row.InForce() && row.Span.From.Before(span.To) && row.Span.To.After(span.From) {
			out = append(out, band{From: row.Span.From, To: row.Span.To, Label: row.What + ": " + row.Reason})
		}
	}
	return out
}

// formTime is how a form writes a time, in UTC as all of the pages.
const formTime = "2006-01-02T15:04"

func (s *site) addCorrection(c *fiber.Ctx, who access.Principal) error {
	id, err := s.mayCorrect(c, who)
	if err != nil {
		return err
	}
	made := slo.Correction{SLO: id, Mode: c.FormValue("mode"), Kind: c.FormValue("kind"), Reason: c.FormValue("reason"), Note: c.FormValue("note")}
	if tenant := strings.TrimSpace(c.FormValue("tenant")); tenant != "" {
		made.Labels = map[string]string{"tenant": tenant}
	}
	for name, at := range map[string]*time.Time{"from": &made.From, "to": &made.To} {
		if *at, err = time.Parse(formTime, c.FormValue(name)); err != nil {
			return fault.New(fault.Invalid, "%s: %q is not a time; write it as 2026-11-23T22:00, in UTC", name, c.FormValue(name))
		}
	}
	if err := s.Corrections.Add(c.UserContext(), who, made); err != nil {
		return told(err)
	}
	s.setFlash(c, "corrected")
	return c.Redirect(promiseURL(id, c.FormValue("tenant"))+"#corrections", fiber.StatusSeeOther)
}

func (s *site) revokeCorrection(c *fiber.Ctx, who access.Principal) error {
	id, err := s.mayCorrect(c, who)
	if err != nil {
		return err
	}
	if err := s.Corrections.Revoke(c.UserContext(), who, c.Params("correction"), c.FormValue("reason")); err != nil {
		return told(err)
	}
	s.setFlash(c, "uncorrected")
	return c.Redirect(promiseURL(id, c.FormValue("tenant"))+"#corrections", fiber.StatusSeeOther)
}

func (s *site) mayCorrect(c *fiber.Ctx, who access.Principal) (sloID string, err error) {
	if err := requireOperator(who, access.Editor); err != nil {
		return "", err
	}
	sloID, err = url.PathUnescape(c.Params("id"))
	if err != nil || s.Corrections == nil {
		return "", fault.New(fault.NotFound, "there is no such promise")
	}
	return sloID, nil
}

// told puts every problem of a form into the one sentence that an error page shows.
func told(err error) error {
	public := fault.Public(err)
	if public.Kind != fault.Invalid || len(public.Details) == 0 {
		return err
	}
	texts := make([]string, 0, len(public.Details))
	for _, d := range public.Details {
		texts = append(texts, d.Where+": "+d.Message)
	}
	return fault.New(fault.Invalid, "%s: %s", public.Message, strings.Join(texts, "; "))
}

// reportCorrection is one correction in an SLA report, in words.
type reportCorrection struct {
	slo.CorrectionReport
	What, Effect string
}

func reportCorrections(all []slo.CorrectionReport) []reportCorrection {
	var out []reportCorrection
	for _, c := range all {
		row := reportCorrection{CorrectionReport: c, What: "not counted", Effect: "nothing was recorded in it"}
		switch {
		case c.Mode == slo.ModeGood:
			row.What = "errors count as good"
			row.Effect = fmt.Sprintf("%s errors count as good", countText(c.Forgiven))
		case c.Excluded.Total > 0:
			row.Effect = fmt.Sprintf("%s of %s events left out had failed", countText(c.Excluded.Errors()), countText(c.Excluded.Total))
		}
		if !c.Counts {
			row.What, row.Effect = "does not count", ""
		}
		out = append(out, row)
	}
	return out
}
