package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/slack"
	"github.com/nines-sre/nines/incidents/notify/slack/slacktest"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

var t0 = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

// desk does what replies say, as told.
type desk struct {
	replies []incidents.Reply
	err     error
}

func (d *desk) do(_ context.Context, r incidents.Reply) (incidents.Incident, error) {
	d.replies = append(d.replies, r)
	if d.err != nil {
		return incidents.Incident{}, d.err
	}
	return incidents.Incident{ID: "i1", Number: 12}, nil
}

// toFake sends what is meant for hooks.slack.com to the fake.
type toFake struct{ host string }

func (f toFake) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", f.host
	return http.DefaultTransport.RoundTrip(r)
}

func newHook() *slack.Hook { return &slack.Hook{Secrets: []string{slacktest.Secret}} }

func pressed(action, value, response string) url.Values {
	payload, _ := json.Marshal(map[string]any{
		"type": "block_actions", "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
		"response_url": response, "user": map[string]any{"id": "U061F7AUR", "username": "ana", "name": "ana", "team_id": "T0"},
		"container": map[string]any{"type": "message", "message_ts": "1761700001.000101", "channel_id": slacktest.ChannelID},
		"actions": []any{map[string]any{"action_id": action, "block_id": "actions", "type": "button", "value": value,
			"action_ts": "1761700002.0"}},
	})
	return url.Values{"payload": {string(payload)}}
}

func commanded(text string) url.Values {
	return url.Values{
		"command": {"/nines"}, "text": {text}, "user_id": {"U061F7AUR"}, "user_name": {"ana"},
		"trigger_id": {"13345224609.738474920.8088930838d88f008e0"},
		"channel_id": {slacktest.ChannelID}, "response_url": {"https://hooks.slack.com/commands/T0/1/x"},
	}
}

func said(t *testing.T, a hook.Answer) string {
	t.Helper()
	var m struct {
		Type string `json:"response_type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(a.Body, &m); err != nil || m.Type != "ephemeral" || a.Status != 200 ||
		a.ContentType != "application/json; charset=utf-8" {
		t.Fatalf("answer %+v, %v", a, err)
	}
	return m.Text
}

func TestAButtonDoesWhatItSaysAndTellsWhoPressedIt(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t)
	h := newHook()
	h.Transport = toFake{strings.TrimPrefix(s.URL, "http://")}
	for button, want := range map[string]incidents.ReplyAction{
		"acknowledge": incidents.ReplyAcknowledge, "resolve": incidents.ReplyResolve, "escalate": incidents.ReplyEscalate,
	} {
		d := &desk{}
		answer, err := h.Receive(t.Context(), slacktest.Form(pressed(button, "i1", "https://hooks.slack.com/actions/T0/1/x"), t0), d.do)
		if err != nil || answer.Status != 200 || len(answer.Body) > 0 || len(d.replies) != 1 {
			t.Fatalf("%s: %+v, %v, %d replies", button, answer, err, len(d.replies))
		}
		r := d.replies[0]
		if r.Action != want || r.Incident != "i1" || r.ID == "" || r.Provider != "slack" ||
			r.By != (incidents.Actor{ID: "slack:U061F7AUR", Name: "ana"}) {
			t.Errorf("%s: %+v", button, r)
		}
	}
	d := &desk{err: fault.New(fault.Conflict, "incident 12 was resolved by <Bo>")}
	if _, err := h.Receive(t.Context(), slacktest.Form(pressed("acknowledge", "i1",
		"https://hooks.slack.com/actions/T0/1/x"), t0), d.do); err != nil {
		t.Fatal(err)
	}
	told := s.Said()
	if len(told) != 4 || !slices.Contains(told, "#12 is escalated.") || told[3] != "incident 12 was resolved by &lt;Bo&gt;." {
		t.Errorf("told %q", told)
	}
}

func TestButtonsThatOpenAPageChangeNothing(t *testing.T) {
	t.Parallel()
	for _, payload := range []url.Values{
		pressed("incident", "", ""), pressed("a_button_of_others", "i1", ""), {"payload": {`{"type":"view_submission"}`}},
		{"ssl_check": {"1"}},
	} {
		d := &desk{}
		answer, err := newHook().Receive(t.Context(), slacktest.Form(payload, t0), d.do)
		if err != nil || answer.Status != 200 || len(d.replies) > 0 {
			t.Errorf("%v: %+v, %v, %v", payload, answer, err, d.replies)
		}
	}
}

func TestNobodyIsToldAnywhereButAtSlack(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t)
	for _, address := range []string{
		s.URL + "/actions/T0/1/x", "https://hooks.slack.com.evil.example/actions/x", "http://hooks.slack.com/actions/x",
		"https://hooks.slack.com@127.0.0.1/actions/x", "https://hooks.slack.com:1/actions/x", "file:///etc/passwd", "",
	} {
		h, d := newHook(), &desk{}
		h.Transport = toFake{strings.TrimPrefix(s.URL, "http://")}
		if _, err := h.Receive(t.Context(), slacktest.Form(pressed("acknowledge", "i1", address), t0), d.do); err != nil ||
			len(d.replies) != 1 {
			t.Errorf("%q: %v, %v", address, d.replies, err)
		}
	}
	if s.Requests() > 0 {
		t.Errorf("%d requests went to where a payload pointed", s.Requests())
	}
}

func TestACommandDoesWhatItSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]incidents.Reply{
		"ack 12":                          {Action: incidents.ReplyAcknowledge, Number: 12},
		"  ACKNOWLEDGE   #12 please":      {Action: incidents.ReplyAcknowledge, Number: 12},
		"resolve 12":                      {Action: incidents.ReplyResolve, Number: 12},
		"resolve 12 rolled back &amp; ok": {Action: incidents.ReplyResolve, Number: 12, Text: "rolled back & ok"},
		"escalate\u00a012":                {Action: incidents.ReplyEscalate, Number: 12},
		"note 12 see <https://x.example/a|the graph> <@U1|bo>": {
			Action: incidents.ReplyNote, Number: 12, Text: "see the graph (https://x.example/a) @bo",
		},
	} {
		d := &desk{}
		answer, err := newHook().Receive(t.Context(), slacktest.Form(commanded(text), t0), d.do)
		if err != nil || len(d.replies) != 1 {
			t.Errorf("%q: %v, %v", text, d.replies, err)
			continue
		}
		want.ID, want.Provider, want.At = "13345224609.738474920.8088930838d88f008e0", "slack", t0
		want.By = incidents.Actor{ID: "slack:U061F7AUR", Name: "ana"}
		if d.replies[0] != want || !strings.HasPrefix(said(t, answer), "#12 ") {
			t.Errorf("%q: %+v says %q; want %+v", text, d.replies[0], said(t, answer), want)
		}
	}
}

func TestACommandThatCannotBeReadGetsHelp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "/nines ack 12", "help": "/nines ack 12", "explode 12": `no command "explode"`, "ack": "Which incident?",
		"ack twelve": "Which incident?",
		"ack 0":      "no incident 0", "ack -3": "Which incident?", "ack 99999999999999999999": "Which incident?",
		"note 12":      "What should be remembered?",
		"<!channel> 1": "no command", "list": "not offered", "oncall": "not offered",
	} {
		d := &desk{}
		answer, err := newHook().Receive(t.Context(), slacktest.Form(commanded(text), t0), d.do)
		if err != nil || len(d.replies) > 0 || !strings.Contains(said(t, answer), want) || strings.Contains(said(t, answer), "<!") {
			t.Errorf("%q: %s, %v, %v; want %q", text, answer.Body, d.replies, err, want)
		}
	}
}

func TestTroubleIsToldToWhoAskedWithoutItsCause(t *testing.T) {
	t.Parallel()
	const later = "Nines could not do that just now. Please try again."
	for _, test := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.NotFound, "no row"), "Nines knows no such incident."},
		{fault.New(fault.Conflict, "incident 12 was resolved by Bo"), "incident 12 was resolved by Bo."},
		{fault.Wrap(fault.Internal, errors.New("password=hunter2"), "x"), later},
		{errors.New("password=hunter2"), later},
	} {
		d := &desk{err: test.err}
		answer, err := newHook().Receive(t.Context(), slacktest.Form(commanded("ack 12"), t0), d.do)
		if err != nil || said(t, answer) != test.want {
			t.Errorf("%v says %q; want %q", test.err, said(t, answer), test.want)
		}
	}
}

func TestAListShowsWhatIsOpen(t *testing.T) {
	t.Parallel()
	h := newHook()
	var open []incidents.Incident
	var fail error
	h.Open = func(context.Context) ([]incidents.Incident, error) { return open, fail }
	h.OnCall = func(context.Context) ([]string, error) { return []string{"shop: SMS to +491511"}, fail }
	h.IncidentURL = func(i incidents.Incident) string { return "https://nines.example.com/incidents/" + i.ID }
	ask := func(text string) string {
		answer, err := h.Receive(t.Context(), slacktest.Form(commanded(text), t0), (&desk{}).do)
		if err != nil {
			t.Fatal(err)
		}
		return said(t, answer)
	}
	if got := ask("list"); got != "No incident is open." {
		t.Errorf("nothing open: %q", got)
	}
	for n := range 25 {
		open = append(open, incidents.Incident{
			ID: fmt.Sprint("i", n), Number: int64(n + 1), Title: "<!here> Orders fail", Severity: incidents.Critical,
			State: incidents.Triggered,
		})
	}
	got := ask("list")
	if !strings.HasPrefix(got, "#1 CRITICAL: &lt;!here&gt; Orders fail (triggered) https://nines.example.com/incidents/i0\n") || !strings.HasSuffix(got, "\nand 5 more") {
		t.Errorf("list %q", got)
	}
	if got := ask("oncall"); got != "shop: SMS to +491511" {
		t.Errorf("on call %q", got)
	}
	fail = errors.New("no database")
	if ask("list") != ask("oncall") || !strings.Contains(ask("list"), "try again") {
		t.Errorf("without a database: %q", ask("list"))
	}
}

func TestSlackHasAnAnswerWithinThreeSecondsWhateverHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := func(ctx context.Context, _ incidents.Reply) (incidents.Incident, error) {
			<-ctx.Done()
			return incidents.Incident{}, ctx.Err()
		}
		h := newHook()
		h.Transport = hangs{}
		h.Open = func(ctx context.Context) ([]incidents.Incident, error) { <-ctx.Done(); return nil, ctx.Err() }
		for name, r := range map[string]hook.Request{
			"a button":  slacktest.Form(pressed("acknowledge", "i1", "https://hooks.slack.com/actions/T0/1/x"), t0),
			"a command": slacktest.Form(commanded("ack 12"), t0),
			"a list":    slacktest.Form(commanded("list"), t0),
			"a message": slacktest.Event(event("a note", ""), t0),
		} {
			began := time.Now()
			_, _ = h.Receive(t.Context(), r, never)
			if took := time.Since(began); took >= 3*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		}
	})
}

type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// event is a message of somebody in the thread of an incident. more begins with a comma.
func event(text, more string) string {
	words, _ := json.Marshal(text)
	return `{"token":"x","team_id":"T0","api_app_id":"A0","type":"event_callback","event_id":"Ev08MFMKH6","event_time":1761700003,` +
		`"event":{"type":"message","channel":"C0123456789","user":"U061F7AUR","ts":"1761700003.000200","thread_ts":"1761700001.000101",` +
		`"text":` + string(words) + more + `}}`
}

func TestAMessageInAThreadIsANote(t *testing.T) {
	t.Parallel()
	d := &desk{}
	answer, err := newHook().Receive(t.Context(), slacktest.Event(event("it is the <#C1|cache> &amp; <@U2>", ""), t0), d.do)
	if err != nil || answer.Status != 200 || len(d.replies) != 1 {
		t.Fatalf("%+v, %v, %v", answer, d.replies, err)
	}
	want := incidents.Reply{
		ID: "Ev08MFMKH6", Provider: "slack", Action: incidents.ReplyNote, ProviderID: "C0123456789:1761700001.000101",
		By: incidents.Actor{ID: "slack:U061F7AUR", Name: "U061F7AUR"}, Text: "it is the #cache & @U2", At: t0,
	}
	if d.replies[0] != want {
		t.Errorf("%+v; want %+v", d.replies[0], want)
	}
}

func TestWhatNobodyWroteInAThreadIsNoNote(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"our own message":   event("Resolved #12", `,"bot_id":"B1"`),
		"an edit":           event("x", `,"subtype":"message_changed"`),
		"a first message":   event("x", `,"thread_ts":"1761700003.000200"`),
		"no thread":         event("x", `,"thread_ts":""`),
		"nobody":            event("x", `,"user":""`),
		"a picture alone":   event(" \n", `,"subtype":"file_share"`),
		"another event":     `{"type":"event_callback","event":{"type":"reaction_added"}}`,
		"a strange thread":  event("x", `,"thread_ts":"1 or 1=1"`),
		"another type":      `{"type":"app_rate_limited"}`,
		"an empty document": `{}`,
	} {
		d := &desk{}
		answer, err := newHook().Receive(t.Context(), slacktest.Event(body, t0), d.do)
		if err != nil || answer.Status != 200 || len(d.replies) > 0 {
			t.Errorf("%s: %+v, %v, %v", name, answer, d.replies, err)
		}
	}
}

func TestSlackSendsAgainWhatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	for kind, again := range map[fault.Kind]bool{
		fault.NotFound: false, fault.Conflict: false, fault.Invalid: false, fault.Unavailable: true, fault.Timeout: true,
		fault.Internal: true,
	} {
		d := &desk{err: fault.New(kind, "x")}
		if _, err := newHook().Receive(t.Context(), slacktest.Event(event("a note", ""), t0), d.do); (err != nil) != again {
			t.Errorf("%s: %v; want it sent again: %v", kind, err, again)
		}
	}
}

func TestTheAddressIsVerifiedWithSlacksChallenge(t *testing.T) {
	t.Parallel()
	body := `{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`
	answer, err := newHook().Receive(t.Context(), slacktest.Event(body, t0), (&desk{}).do)
	if err != nil || string(answer.Body) != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" {
		t.Errorf("%+v, %v", answer, err)
	}
}
