package web

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

type incidentView struct {
	incidentRow
	attached
	Impact   *incidents.Impact // nil: could not be asked
	Harm     []harmRow
	Budget   string // of the window's whole budget, spent in the incident's span; "" is unknown
	Minutes  string // below the objective; "" is unknown
	Steps    []stepRow
	Attempts []attemptRow
	Timeline []eventRow
	Labels   []label
	Changes  []changeRow // that began shortly before it
	Runbook  string      // link, "" for none
	Promise  string      // link to the SLO, "" for none
	ToAck    string      // time to acknowledge
	Act      bool        // this viewer may acknowledge and resolve it now
	Alone    *time.Time  // since when every page has failed; nil where somebody was reached, or for a tenant's people
	Calls    []callRow   // who is called, in the order in which they are
	Clocks   []clockRow  // what comes next by itself
	Policies []string    // that it may be given to
	Turn     int
	Room     *roomView  // nil: nothing is known of it
	Run      *stepsView // nil: its runbook has no steps, and none was run
	HeldBy   string     // why nobody is paged further for now, "" for nothing
	// What could be asked; the rest is shown as not known.
	AskedTimeline, AskedPages bool
}

type harmRow struct {
	incidents.Harm
	Share string // of the requests that failed
}

type label struct{ Name, Value string }

// stepRow is one step of the escalation policy and where it stands.
type stepRow struct {
	Number  int
	After   string
	Targets []string
	Paged   bool
	Next    *time.Time // when it will be paged, for the step that is next
}

type attemptRow struct {
	incidents.Attempt
	Name    string // of the provider, for people
	Word    string // the outcome
	Class   string
	TookFor string
}

type eventRow struct {
	incidents.Event
	Mark string // what its sign on the timeline stands for
	Who  string
	New  bool // first of a day
}

func (s *site) incident(c *fiber.Ctx, who access.Principal) error {
	ctx, scope, now := c.UserContext(), who.Scope(), s.Now().UTC()
	found, err := s.Incidents.Incident(ctx, scope, c.Params("id"))
	if err != nil {
		return err
	}
	m := s.missing(ctx)
	v := viewerOf(who)
	found = forAudience(found, v)
	view := incidentView{incidentRow: rowOf(found, now, v), Labels: labelsOf(found.Labels), Runbook: s.runbookLink(found.RunbookURL)}
	view.Act = v.CanRespond && view.Open()
	if found.SLO != "" {
		view.Promise = promiseURL(found.SLO, found.Labels["tenant"])
	}
	if found.AcknowledgedAt != nil {
		view.ToAck = spanText(found.AcknowledgedAt.Sub(found.OpenedAt))
	}
	if s.Room != nil {
		view.Room = s.fillRoom(ctx, who, found, m)
	}
	if s.Runbooks != nil && v.Operator {
		view.Run = s.fillSteps(ctx, who, found, m)
	}
	s.fillIncident(ctx, who, found, &view, m)
	return s.render(c, fiber.StatusOK, page{
		Template: "incident", Title: fmt.Sprintf("#%d %s", found.Number, found.Title), Section: "incidents",
		Topics: "incident page alert ledger", Missing: m.texts(), Body: view,
	})
}

// fillIncident asks for everything around the incident; each part may be missing on its own.
func (s *site) fillIncident(ctx context.Context, who access.Principal, i incidents.Incident, view *incidentView, m *missing) {
	scope, v := who.Scope(), viewerOf(who)
	var events []incidents.Event
	var attempts []incidents.Attempt
	var impact incidents.Impact
	var before []slo.Preceding
	var pages []incidents.Page
	var askedPages error
	var askedEvents, askedAttempts, askedImpact, askedChanges, askedSuspects, askedSimilar, askedCredits error
	var suspects []incidents.Suspect
	var similar []incidents.Similar
	var wait sync.WaitGroup
	wait.Go(func() { events, askedEvents = s.Incidents.Timeline(ctx, scope, i.ID) })
	if v.Operator {
		wait.Go(func() { attempts, askedAttempts = s.Incidents.Attempts(ctx, scope, i.ID) })
		if s.Assigner != nil {
			wait.Go(func() { pages, askedPages = s.Assigner.Pages(ctx, scope, i.ID) })
		}
	}
	wait.Go(func() {
		impact, askedImpact = within(ctx, func(ctx context.Context) (incidents.Impact, error) { return s.Insight.Impact(ctx, scope, i) })
		if v.Operator && s.Evidence != nil && len(impact.Hit()) > 0 {
			stake, err := within(ctx, func(ctx context.Context) (slo.Stake, error) { return s.Evidence.Stake(ctx, i) })
			view.Credits, view.MoreCredits, askedCredits = creditRows(stake), stake.More, err
			if err == nil {
				view.StakeAsOf = &stake.At
			}
		}
	})
	if s.Evidence != nil {
		wait.Go(func() {
			similar, askedSimilar = within(ctx, func(ctx context.Context) ([]incidents.Similar, error) { return s.Evidence.Similar(ctx, scope, i.ID) })
		})
	}
	var askedKept error
	if s.Evidence != nil {
		wait.Go(func() {
			view.Kept, askedKept = within(ctx, func(ctx context.Context) (exhibitsView, error) { return s.exhibits(ctx, scope, i.ID) })
		})
	}
	if s.Evidence != nil && v.Operator {
		wait.Go(func() {
			suspects, askedSuspects = within(ctx, func(ctx context.Context) ([]incidents.Suspect, error) { return s.Evidence.Suspects(ctx, scope, i.ID) })
		})
	}
	if v.Operator && s.Changes != nil {
		wait.Go(func() { before, askedChanges = s.Changes.ChangesBefore(ctx, scope, i.ID) })
	}
	wait.Wait()
	m.note("kept evidence", askedKept)
	m.note("changes", askedChanges)
	view.Changes = precedingRows(before, s.Now().UTC())
	m.note("suspects", askedSuspects)
	m.note("similar incidents", askedSimilar)
	m.note("credits at stake", askedCredits)
	view.AskedSuspects, view.AskedSimilar, view.AskedCredits = askedSuspects == nil, askedSimilar == nil, askedCredits == nil
	view.Suspects, view.Similar = suspectRows(suspects, view.Changes, i.StartedAt), similarRows(similar, s.Now().UTC(), v)
	view.HasEvidence = s.Evidence != nil
	m.note("the timeline", askedEvents)
	m.note("pages", cmp.Or(askedAttempts, askedPages))
	if v.Operator && s.Assigner != nil {
		view.Calls, view.Clocks, view.Turn, view.Policies = callRows(i, pages), clocksOf(i), i.Turn, s.Assigner.Policies()
	}
	m.note("the impact", askedImpact)
	if v.Operator && i.State != incidents.Resolved {
		view.HeldBy = i.Held
	}
	if v.Operator && i.State == incidents.Triggered {
		view.Alone = i.UnreachableSince
	}
	view.AskedTimeline, view.AskedPages = askedEvents == nil, askedAttempts == nil
	view.Timeline, view.Attempts, view.Steps = eventRows(eventsFor(events, v)), attemptRows(attempts), stepRows(i)
	if askedImpact == nil {
		view.setImpact(impact)
	}
	if view.Budget == "" {
		view.Budget = view.Spent
	}
}

func (v *incidentView) setImpact(impact incidents.Impact) {
	v.Impact, v.Budget, v.Hit = &impact, spentText(impact.BudgetShare), impact.Hit()
	if impact.BadMinutes != nil && finite(*impact.BadMinutes) {
		v.Minutes = spanText(time.Duration(*impact.BadMinutes * float64(time.Minute)))
		if *impact.BadMinutes <= 0 {
			v.Minutes = "none"
		}
	}
	for _, h := range impact.Counts {
		row := harmRow{Harm: h, Share: unknown}
		if h.Total > 0 {
			row.Share = ratioText(h.Errors / h.Total)
		}
		v.Harm = append(v.Harm, row)
	}
	slices.SortStableFunc(v.Harm, func(a, b harmRow) int { return cmp.Compare(b.Errors, a.Errors) })
}

func labelsOf(all map[string]string) []label {
	var out []label
	for name, value := range all {
		out = append(out, label{name, value})
	}
	slices.SortFunc(out, func(a, b label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// runbookLink returns the address of a runbook if it may stand in a link. One of our own stays on this site, however
// the page that was sent names it.
func (s *site) runbookLink(address string) string {
	if !safeLink(address) {
		return ""
	}
	if local, ours := strings.CutPrefix(address, strings.TrimRight(s.BaseURL, "/")+"/runbooks/"); ours && s.BaseURL != "" {
		return "/runbooks/" + local
	}
	return address
}

func stepRows(i incidents.Incident) []stepRow {
	var rows []stepRow
	for n, step := range i.Policy.Steps {
		row := stepRow{Number: n + 1, After: "at once", Paged: n < i.Step || i.Loop > 0}
		if step.Delay > 0 {
			row.After = "after " + spanText(step.Delay)
		}
		for _, target := range step.Targets {
			row.Targets = append(row.Targets, target.String())
		}
		if n == i.Step && i.State == incidents.Triggered {
			row.Next = i.NextEscalationAt
		}
		rows = append(rows, row)
	}
	return rows
}

var providerNames = map[string]string{
	"pagerduty": "PagerDuty", "slack": "Slack", "teams": "Microsoft Teams", "googlechat": "Google Chat", "email": "E-mail", "sms": "SMS",
	"voice": "Call", "ntfy": "ntfy", "pushover": "Pushover", "opsgenie": "Opsgenie", "webhook": "Webhook",
}

var outcomes = map[string][2]string{
	"sent": {"accepted", "good"}, "retry": {"failed, will be tried again", "warm"}, "failed": {"failed for good", "bad"},
	"canceled": {"not needed any more", "idle"}, "": {"under way", "idle"},
}

func attemptRows(attempts []incidents.Attempt) []attemptRow {
	rows := make([]attemptRow, 0, len(attempts))
	for _, a := range attempts {
		row := attemptRow{Attempt: a, Name: providerNames[a.Provider], Word: a.Outcome, Class: "idle", TookFor: tookText(a.Took)}
		if row.Name == "" {
			row.Name = a.Provider
		}
		if known, ok := outcomes[a.Outcome]; ok {
			row.Word, row.Class = known[0], known[1]
		}
		switch {
		case a.DeliveredAt != nil:
			row.Word = "delivered"
		case a.Undelivered != "":
			row.Word, row.Class, row.Error = "not delivered", "bad", a.Undelivered
		}
		rows = append(rows, row)
	}
	return rows
}

// marks sort the kinds of entries into few signs.
var marks = map[incidents.EventKind]string{
	incidents.EventOpened: "fire", incidents.EventAlertJoined: "fire", incidents.EventSeverity: "fire",
	incidents.EventAlertEnded: "quiet", incidents.EventEscalated: "page", incidents.EventPageSent: "page",
	incidents.EventPageFailed: "bad", incidents.EventExhausted: "bad", incidents.EventNobody: "bad",
	incidents.EventPageCanceled: "quiet", incidents.EventAcknowledged: "person", incidents.EventNote: "note",
	incidents.EventResolved: "done", incidents.EventChange: "note", incidents.EventPostmortem: "bad",
	incidents.EventFlapping: "fire", incidents.EventHeld: "quiet", incidents.EventReleased: "page", incidents.EventFallback: "page",
	incidents.EventUnreachable: "bad", incidents.EventReached: "page", incidents.EventTargetBroken: "bad", incidents.EventUndelivered: "bad",
	incidents.EventReassigned: "person", incidents.EventSnoozed: "person", incidents.EventReturned: "page", incidents.EventUrgency: "page",
	incidents.EventAudited: "bad",
	incidents.EventRated:   "person", incidents.EventRole: "person", incidents.EventTask: "note", incidents.EventStatus: "note",
	incidents.EventUpdateDue: "bad", incidents.EventMerged: "person", incidents.EventSplit: "person", incidents.EventReopened: "person",
}

// eventRows shows the newest first: on a phone at night the last thing that happened matters most.
func eventRows(events []incidents.Event) []eventRow {
	rows := make([]eventRow, 0, len(events))
	day := ""
	for _, e := range slices.Backward(events) {
		row := eventRow{Event: e, Mark: marks[e.Kind], Who: e.Name}
		if row.Mark == "" {
			row.Mark = "quiet"
		}
		if strings.HasPrefix(e.Actor, "system:") {
			row.Who = "" // what happened by itself needs no name
		}
		if d := e.At.UTC().Format(time.DateOnly); d != day {
			row.New, day = true, d
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *site) acknowledge(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	i, err := s.Incidents.Acknowledge(c.UserContext(), who, id)
	if err == nil && i.AcknowledgedBy != who.Name {
		return s.after(c, backTo(c, id), "taken", nil)
	}
	return s.after(c, backTo(c, id), "acknowledged", err)
}

func (s *site) escalate(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	_, err := s.Incidents.EscalateNow(c.UserContext(), who, id)
	return s.after(c, backTo(c, id), "escalated", err)
}

func (s *site) resolve(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	_, err := s.Incidents.Resolve(c.UserContext(), who, id, c.FormValue("reason"))
	return s.after(c, backTo(c, id), "resolved", err)
}

func (s *site) note(c *fiber.Ctx, who access.Principal) error {
	if err := requireOperator(who, access.Responder); err != nil {
		return err
	}
	id := c.Params("id")
	_, err := s.Incidents.Note(c.UserContext(), who, id, c.FormValue("text"))
	return s.after(c, backTo(c, id)+"#timeline", "noted", err)
}

// backTo returns to the page the form was on: the incident, or the list that it names.
func backTo(c *fiber.Ctx, id string) string {
	switch c.FormValue("from") {
	case "overview":
		return "/"
	case "incidents":
		return "/incidents"
	}
	return "/incidents/" + url.PathEscape(id)
}
