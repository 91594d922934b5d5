package web

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// Alerts reads what fires, and keeps what people silence.
type Alerts interface {
	// Alerts returns the alerts in scope that fire now, with what keeps them from paging.
	Alerts(ctx context.Context, scope access.Scope) ([]alerting.Alert, error)
	Silences(ctx context.Context, scope access.Scope, f alerting.SilenceFilter) ([]alerting.Silence, error)
	PutSilence(ctx context.Context, who access.Principal, s alerting.Silence) (alerting.Silence, error)
	ExpireSilence(ctx context.Context, who access.Principal, id string) error
}

// mostAlertRows keeps a storm's page readable; a filter finds the others.
const mostAlertRows = 200

type alertListView struct {
	Rows      []alertRow
	More      int // found and not shown
	Asked     bool
	Filter    string // as it was typed
	Problem   string // why the filter says nothing
	State     string
	States    []choice
	CanAct    bool // this viewer may silence
	Silencing bool // what the filter finds may be silenced as a whole
	Back      string
}

// alertRow is one alert as a line of the list.
type alertRow struct {
	alerting.Alert
	Name, Summary string
	Severity      incidents.Severity
	Pairs         []pair // labels but the name and the tenant
	Reasons       []reason
	IncidentURL   string
	Now           time.Time
}

// pair is a label with the list of all alerts that have it.
type pair struct{ Name, Value, URL string }

// reason is one thing that keeps an alert from paging, in words.
type reason struct{ Text, URL string }

// Key names the row in its page.
func (r alertRow) Key() string { return r.Fingerprint + "-" + r.Tenant }

// Held reports whether something keeps it from paging.
func (r alertRow) Held() bool { return len(r.Reasons) > 0 }

var alertStates = []struct{ name, label string }{{"all", "All"}, {"active", "Active"}, {"suppressed", "Suppressed"}}

func (s *site) alertList(c *fiber.Ctx, who access.Principal) error {
	view := alertListView{
		Asked: true, Filter: strings.TrimSpace(strings.Clone(c.Query("filter"))), State: "all", CanAct: who.Require(access.Responder) == nil,
	}
	for _, state := range alertStates {
		if state.name == c.Query("state") {
			view.State = state.name
		}
	}
	for _, state := range alertStates {
		to := alertsURL(state.name, view.Filter)
		view.States = append(view.States, choice{Label: state.label, URL: to, Current: state.name == view.State})
	}
	view.Back = alertsURL(view.State, view.Filter)
	m := s.missing(c.UserContext())
	_, filter, err := readFilter(view.Filter)
	if err != nil {
		view.Problem = sentence(err)
	} else if err := s.fillAlerts(c.UserContext(), who, &view, filter, m); err != nil {
		return err
	}
	view.Silencing = view.CanAct && view.Filter != "" && len(view.Rows) > 0
	return s.render(c, fiber.StatusOK, page{
		Template: "alerts", Title: "Alerts", Section: "alerts", Topics: "alert silence", Missing: m.texts(), Body: view,
	})
}

func (s *site) fillAlerts(ctx context.Context, who access.Principal, view *alertListView, filter alerting.Matchers,
	m *missing,
) error {
	firing, err := s.Alerts.Alerts(ctx, who.Scope())
	if err != nil && final(err) {
		return err
	}
	m.note("alerts", err)
	view.Asked = err == nil
	silences, err := s.Alerts.Silences(ctx, who.Scope(), alerting.SilenceFilter{})
	m.note("silences", err)
	words := wording(firing, silences)
	for _, al := range firing {
		row := s.alertRowOf(al, words)
		if filter.Match(al.Labels) && (view.State == "all" || (view.State == "suppressed") == row.Held()) {
			view.Rows = append(view.Rows, row)
		}
	}
	slices.SortStableFunc(view.Rows, worseFirst)
	if len(view.Rows) > mostAlertRows {
		view.More = len(view.Rows) - mostAlertRows
		view.Rows = view.Rows[:mostAlertRows]
	}
	return nil
}

// worseFirst puts what may page before what is held, then the worse before the milder, then the newest first.
func worseFirst(a, b alertRow) int {
	held := func(r alertRow) int {
		if r.Held() {
			return 1
		}
		return 0
	}
	rank := map[incidents.Severity]int{incidents.Critical: 0, incidents.Error: 1, incidents.Warning: 2, incidents.Info: 3}
	return cmp.Or(held(a)-held(b), rank[a.Severity]-rank[b.Severity], b.StartsAt.Compare(a.StartsAt),
		strings.Compare(a.Key(), b.Key()))
}

func (s *site) alertRowOf(al alerting.Alert, words *heldWords) alertRow {
	row := alertRow{
		Alert: al, Name: cmp.Or(al.Labels["alertname"], "Alert without a name"),
		Severity: incidents.SeverityOf(al.Labels), Now: s.Now().UTC(),
		Summary: cmp.Or(al.Annotations["summary"], al.Annotations["title"], al.Annotations["description"]),
	}
	for _, l := range labelsOf(al.Labels) {
		if l.Name != "alertname" && l.Name != "tenant" {
			row.Pairs = append(row.Pairs, pair{l.Name, l.Value, alertsURL("all", equalTo(l.Name, l.Value).String())})
		}
	}
	if al.Incident != "" {
		row.IncidentURL = "/incidents/" + url.PathEscape(al.Incident)
	}
	if al.Verdict != nil {
		row.Reasons = words.reasons(*al.Verdict)
	}
	return row
}

// heldWords knows what the ids in a verdict stand for.
type heldWords struct {
	silences map[string]alerting.Silence
	alerts   map[string]string // fingerprint to name
}

func wording(firing []alerting.Alert, silences []alerting.Silence) *heldWords {
	w := &heldWords{silences: map[string]alerting.Silence{}, alerts: map[string]string{}}
	for _, s := range silences {
		w.silences[s.ID] = s
	}
	for _, al := range firing {
		w.alerts[al.Fingerprint] = al.Labels["alertname"]
	}
	return w
}

func (w *heldWords) reasons(v alerting.Verdict) []reason {
	var all []reason
	for _, id := range v.SilencedBy {
		s, known := w.silences[id]
		if !known { // a tenant's people see that the operator silenced it, and not why
			all = append(all, reason{Text: "silenced by the people who run the service"})
			continue
		}
		text := "silenced until " + s.EndsAt.UTC().Format("2 Jan, 15:04 UTC")
		if s.CreatedBy != "" {
			text += " by " + s.CreatedBy
		}
		if s.Comment != "" {
			text += ": " + s.Comment
		}
		all = append(all, reason{text, "/silences#silence-" + id})
	}
	for _, name := range v.MutedBy {
		all = append(all, reason{Text: "held by maintenance window " + name})
	}
	for _, fingerprint := range v.InhibitedBy {
		all = append(all, reason{Text: "explained by " + cmp.Or(w.alerts[fingerprint], "alert "+fingerprint)})
	}
	return all
}

func alertsURL(state, filter string) string {
	q := url.Values{}
	if state != "all" {
		q.Set("state", state)
	}
	if filter != "" {
		q.Set("filter", filter)
	}
	if len(q) == 0 {
		return "/alerts"
	}
	return "/alerts?" + q.Encode()
}

func equalTo(name, value string) alerting.Matcher {
	return alerting.Matcher{Name: name, Value: value, IsEqual: true}
}

// readFilter reads matchers in Alertmanager's syntax, separated by commas; nothing matches all.
func readFilter(text string) ([]alerting.Matcher, alerting.Matchers, error) {
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
	var matchers []alerting.Matcher
	for _, part := range outsideQuotes(text) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		m, err := alerting.ReadMatcher(part)
		if err != nil {
			return nil, nil, err
		}
		matchers = append(matchers, m)
	}
	compiled, err := alerting.CompileMatchers(matchers)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "the filter cannot be used: %s", fault.Public(err).Message)
	}
	return matchers, compiled, nil
}

// outsideQuotes cuts a text at the commas that stand in no quotes.
func outsideQuotes(text string) []string {
	var parts []string
	begin, quoted, escaped := 0, false, false
	for i := range len(text) {
		switch c := text[i]; {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}
