package slack_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/slack"
	"github.com/nines-sre/nines/internal/fault"
)

// channel is a fake incoming webhook: it keeps the messages and answers as told.
type channel struct {
	*httptest.Server
	bodies     [][]byte
	status     int
	retryAfter string
	say        string
}

func newChannel(t *testing.T) *channel {
	c := &channel{status: 200, say: "ok"}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.bodies = append(c.bodies, body)
		if c.retryAfter != "" {
			w.Header().Set("Retry-After", c.retryAfter)
		}
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, c.say)
	}))
	t.Cleanup(c.Close)
	t.Setenv("SLACK_TEST_URL", c.URL+"/services/T000/B000/hunter2")
	return c
}

func note(action incidents.Action) incidents.Notification {
	spent := 0.034
	return incidents.Notification{
		Page: incidents.Page{Action: action, Target: incidents.Target{Slack: &incidents.SlackTarget{URL: incidents.Secret{Env: "SLACK_TEST_URL"}}}},
		Incident: incidents.Incident{
			ID: "i1", Number: 12, Tenant: "acme", Title: "Orders <!channel> fail & burn", Summary: "See <http://evil.example|here>",
			Severity: incidents.Critical, State: incidents.Triggered, Service: "shop", RunbookURL: "https://runbooks.example.com/orders",
			BudgetSpent: &spent, StartedAt: time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC),
		},
		IncidentURL: "https://nines.example.com/incidents/i1",
	}
}

type block struct {
	Type string `json:"type"`
	Text *struct {
		Type, Text string
	} `json:"text"`
	Fields []struct {
		Type, Text string
	} `json:"fields"`
	Elements []struct {
		Type, URL string
		Text      struct{ Text string }
	} `json:"elements"`
}

type message struct {
	Text   string  `json:"text"`
	Blocks []block `json:"blocks"`
}

func (c *channel) last(t *testing.T) message {
	t.Helper()
	var m message
	if err := json.Unmarshal(c.bodies[len(c.bodies)-1], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMessageTellsWhatAPersonNeeds(t *testing.T) {
	c := newChannel(t)
	if receipt, err := slack.New("").Send(t.Context(), note(incidents.ActionTrigger)); err != nil || receipt.StatusCode != 200 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	body := string(c.bodies[0])
	for _, want := range []string{"CRITICAL", "acme", "shop", "3.4 %", "2026-11-03 03:04:05 UTC", "https://nines.example.com/incidents/i1", "https://runbooks.example.com/orders"} {
		if !strings.Contains(body, want) {
			t.Errorf("the message lacks %q: %s", want, body)
		}
	}
	m := c.last(t)
	if strings.Contains(m.Text, "<!channel>") || strings.Contains(m.Blocks[1].Text.Text, "<http") {
		t.Errorf("an alert can call a channel or forge a link: %q, %q", m.Text, m.Blocks[1].Text.Text)
	}
}

func TestAcknowledgeAndResolveSayWho(t *testing.T) {
	c := newChannel(t)
	at := time.Date(2026, 11, 3, 3, 14, 0, 0, time.UTC)
	n := note(incidents.ActionResolve)
	n.Incident.State, n.Incident.ResolvedAt, n.Incident.ResolvedBy = incidents.Resolved, &at, "ana@example.com"
	if _, err := slack.New("").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if m := c.last(t); !strings.HasPrefix(m.Text, "Resolved #12") || !strings.Contains(string(c.bodies[0]), "resolved by ana@example.com at 2026-11-03 03:14:00 UTC") {
		t.Errorf("message %s", c.bodies[0])
	}
}

// TestABlockNeverExceedsBlockKit checks the documented limits of https://docs.slack.dev/reference/block-kit/blocks.
func TestABlockNeverExceedsBlockKit(t *testing.T) {
	c := newChannel(t)
	long := strings.Repeat("<ü>&\n", 50_000)
	full, empty := note(incidents.ActionTrigger), note(incidents.ActionTrigger)
	full.Incident.Title, full.Incident.Summary, full.Incident.Service, full.Incident.Tenant, full.Incident.SLO = long, long, long, long, long
	full.Incident.RunbookURL = "https://x.example/" + strings.Repeat("x", 4000)
	empty.Incident, empty.IncidentURL = incidents.Incident{}, ""
	for _, n := range []incidents.Notification{full, empty} {
		if _, err := slack.New("").Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		m := c.last(t)
		if m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50 {
			t.Errorf("text %q, %d blocks", m.Text, len(m.Blocks))
		}
		for _, b := range m.Blocks {
			checkBlock(t, b)
		}
	}
}

func checkBlock(t *testing.T, b block) {
	t.Helper()
	limit := map[string]int{"header": 150, "section": 3000}[b.Type]
	if b.Text != nil {
		if n := utf8.RuneCountInString(b.Text.Text); n > limit || n == 0 {
			t.Errorf("%s text has %d characters", b.Type, n)
		}
	}
	if b.Type == "section" && b.Text == nil && len(b.Fields) == 0 {
		t.Error("a section is empty")
	}
	if len(b.Fields) > 10 {
		t.Errorf("%d fields", len(b.Fields))
	}
	for _, f := range b.Fields {
		if n := utf8.RuneCountInString(f.Text); n > 2000 || n == 0 {
			t.Errorf("a field has %d characters", n)
		}
	}
	if b.Type == "actions" && len(b.Elements) == 0 {
		t.Error("actions without a button")
	}
	for _, e := range b.Elements {
		if e.Type != "button" || len(e.URL) > 3000 || e.URL == "" || len(e.Text.Text) > 75 {
			t.Errorf("button %+v", e)
		}
	}
}

func TestAnswersAreClassified(t *testing.T) {
	c := newChannel(t)
	for _, test := range []struct {
		status     int
		say, retry string
		want       fault.Kind
	}{
		{404, "no_service", "", fault.Invalid}, {410, "channel_is_archived", "", fault.Invalid}, {400, "invalid_payload", "", fault.Invalid},
		{403, "action_prohibited", "", fault.Invalid}, {429, "rate_limited", "30", fault.Limited}, {429, "", "soon", fault.Limited},
		{500, "rollup_error", "", fault.Unavailable}, {302, "", "", fault.Invalid},
	} {
		c.status, c.say, c.retryAfter = test.status, test.say, test.retry
		receipt, err := slack.New("").Send(t.Context(), note(incidents.ActionTrigger))
		if !fault.Is(err, test.want) || receipt.StatusCode != test.status {
			t.Errorf("%d: %v (%s); want %s", test.status, err, fault.KindOf(err), test.want)
		}
		if test.retry == "30" && fault.Public(err).RetryAfter != 30*time.Second {
			t.Errorf("retry after %s", fault.Public(err).RetryAfter)
		}
		if test.want == fault.Invalid && test.say != "" && !strings.Contains(err.Error(), test.say) {
			t.Errorf("%d: %v; want Slack's word %s", test.status, err, test.say)
		}
	}
}

func TestNoErrorShowsTheWebhooksAddress(t *testing.T) {
	c := newChannel(t)
	c.status, c.say = 404, "no_service "+c.URL+"/services/T000/B000/hunter2"
	_, refused := slack.New("").Send(t.Context(), note(incidents.ActionTrigger))
	c.Close()
	_, gone := slack.New("").Send(t.Context(), note(incidents.ActionTrigger))
	t.Setenv("SLACK_TEST_URL", "hunter2")
	_, wrong := slack.New("").Send(t.Context(), note(incidents.ActionTrigger))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, late := slack.New("").Send(ctx, note(incidents.ActionTrigger))
	for name, err := range map[string]error{"refused": refused, "gone": gone, "not a URL": wrong, "late": late} {
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStatusUpdateIsAMessageWithoutButtons(t *testing.T) {
	c := newChannel(t)
	n := note(incidents.ActionStatus)
	n.Text, n.Incident.Phase = "We know <!channel>.", incidents.Identified
	n.Incident.State, n.Incident.AcknowledgedBy, n.Incident.AcknowledgedAt = incidents.Acknowledged, "ana@example.com", &n.Incident.StartedAt
	n.Incident.Roles = map[incidents.Role]string{incidents.Commander: "ana@example.com"}
	if _, err := slack.New("").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	m := c.last(t)
	if strings.Contains(string(c.bodies[0]), "ana@example.com") {
		t.Error("a status update names who sees to it")
	}
	if !strings.HasPrefix(m.Text, "Update on #12 identified: ") || m.Blocks[1].Text.Text != "We know &lt;!channel&gt;." {
		t.Errorf("the message says %q, %q", m.Text, m.Blocks[1].Text.Text)
	}
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			if e.URL == "" {
				t.Errorf("a button changes something: %+v", e)
			}
		}
	}
}
