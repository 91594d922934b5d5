package slack_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/slack"
	"github.com/nines-sre/nines/incidents/notify/slack/slacktest"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

// appNote is a page that an app posts.
func appNote(server, channel string, action incidents.Action) incidents.Notification {
	n := note(action)
	n.Page.Target.Slack = &incidents.SlackTarget{Token: incidents.Secret{Env: "SLACK_TEST_TOKEN"}, Channel: channel,
		Endpoint: server}
	return n
}

func startApp(t *testing.T) *slacktest.Server {
	t.Helper()
	t.Setenv("SLACK_TEST_TOKEN", slacktest.Token)
	return slacktest.New(t)
}

func send(t *testing.T, n incidents.Notification) incidents.Receipt {
	t.Helper()
	receipt, err := slack.New("").Send(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func wantNoneRefused(t *testing.T, s *slacktest.Server) {
	t.Helper()
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("Slack would refuse: %q", refused)
	}
}

func TestTheFirstPageIsAMessageWithButtonsThatNameTheIncident(t *testing.T) {
	s := startApp(t)
	receipt := send(t, appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
	m := s.Messages()[0]
	if want := slacktest.ChannelID + ":" + m.TS; receipt.ProviderID != want || receipt.StatusCode != 200 {
		t.Errorf("receipt %+v; want %s", receipt, want)
	}
	if got, want := m.Buttons(), []string{"acknowledge", "resolve", "escalate", "incident", "runbook"}; !slices.Equal(got, want) {
		t.Errorf("buttons %q; want %q", got, want)
	}
	for _, b := range m.Blocks[len(m.Blocks)-1].Elements[:3] {
		if b.Value != "i1" {
			t.Errorf("the button %s is about %q", b.ActionID, b.Value)
		}
	}
	wantNoneRefused(t, s)
}

func TestAnIncidentIsOneThreadUnderAMessageThatShowsHowItStands(t *testing.T) {
	s := startApp(t)
	first := send(t, appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
	at := time.Date(2026, 11, 3, 3, 14, 0, 0, time.UTC)

	again := appNote(s.URL, slacktest.Channel, incidents.ActionTrigger)
	again.Thread = first.ProviderID
	send(t, again)

	acknowledged := appNote(s.URL, slacktest.Channel, incidents.ActionAcknowledge)
	acknowledged.Thread = first.ProviderID
	acknowledged.Incident.State, acknowledged.Incident.AcknowledgedAt = incidents.Acknowledged, &at
	acknowledged.Incident.AcknowledgedBy = "ana@example.com"
	send(t, acknowledged)
	if top := s.Messages()[0]; slices.Contains(top.Buttons(), "acknowledge") || !slices.Contains(top.Buttons(), "resolve") ||
		!strings.HasPrefix(top.Text, "Acknowledged #12") {
		t.Errorf("acknowledged, the first message is %q with %q", top.Text, top.Buttons())
	}

	news := acknowledged
	news.Page.Action, news.Text = incidents.ActionUpdate, "Ana: <!channel> it is the cache & the index"
	send(t, news)

	resolved := acknowledged
	resolved.Page.Action, resolved.Incident.State = incidents.ActionResolve, incidents.Resolved
	resolved.Incident.ResolvedAt, resolved.Incident.ResolvedBy = &at, "ana@example.com"
	send(t, resolved)

	messages := s.Messages()
	if len(messages) != 5 {
		t.Fatalf("%d messages; want the first and four in its thread", len(messages))
	}
	for _, m := range messages[1:] {
		if m.ThreadTS != messages[0].TS {
			t.Errorf("%q is in the thread %q; want %q", m.Text, m.ThreadTS, messages[0].TS)
		}
	}
	if !messages[1].Broadcast || messages[2].Broadcast || messages[3].Broadcast || messages[4].Broadcast {
		t.Error("only a page that calls again is shown in the channel, too")
	}
	if got, want := messages[3].Text, "Ana: &lt;!channel&gt; it is the cache &amp; the index"; got != want {
		t.Errorf("news %q; want %q", got, want)
	}
	if top := messages[0]; slices.Contains(top.Buttons(), "resolve") || !strings.HasPrefix(top.Text, "Resolved #12") {
		t.Errorf("resolved, the first message is %q with %q", top.Text, top.Buttons())
	}
	wantNoneRefused(t, s)
}

func TestARetryTellsAThreadOnce(t *testing.T) {
	s := startApp(t)
	first := send(t, appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
	over := appNote(s.URL, slacktest.Channel, incidents.ActionResolve)
	over.Thread, over.Incident.State = first.ProviderID, incidents.Resolved
	s.Answer("ratelimited")
	if _, err := slack.New("").Send(t.Context(), over); !fault.Is(err, fault.Limited) {
		t.Fatalf("%v; want limited", err)
	}
	if n := len(s.Messages()); n != 1 {
		t.Fatalf("%d messages; want nothing told before the first was rewritten", n)
	}
	send(t, over)
	if n := len(s.Messages()); n != 2 {
		t.Errorf("%d messages; want one about the end", n)
	}
}

func TestAThreadThatSomebodyDeletedKeepsNoPageFromArriving(t *testing.T) {
	s := startApp(t)
	first := send(t, appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
	s.Delete(s.Messages()[0].TS)
	again := appNote(s.URL, slacktest.Channel, incidents.ActionTrigger)
	again.Thread = first.ProviderID
	receipt := send(t, again)
	if m := s.Messages(); len(m) != 1 || m[0].ThreadTS != "" || receipt.ProviderID == "" {
		t.Errorf("messages %+v, receipt %+v; want a new one", m, receipt)
	}
	news := appNote(s.URL, slacktest.Channel, incidents.ActionUpdate)
	news.Thread, news.Text = first.ProviderID, "a note"
	if _, err := slack.New("").Send(t.Context(), news); !fault.Is(err, fault.Invalid) {
		t.Errorf("news for no thread: %v; want it to end", err)
	}
}

func TestAMessageAboutSeveralIncidentsIsNotRewrittenByOne(t *testing.T) {
	s := startApp(t)
	storm := appNote(s.URL, slacktest.Channel, incidents.ActionTrigger)
	storm.Bundle = []incidents.Incident{storm.Incident, storm.Incident}
	storm.Incident = incidents.Incident{Title: "2 incidents", Severity: incidents.Critical, State: incidents.Triggered}
	first := send(t, storm)
	if got := s.Messages()[0].Buttons(); !slices.Equal(got, []string{"incident"}) {
		t.Errorf("buttons %q; want none that would be about which one?", got)
	}
	over := appNote(s.URL, slacktest.Channel, incidents.ActionResolve)
	over.Thread, over.Incident.State = first.ProviderID, incidents.Resolved
	send(t, over)
	if m := s.Messages(); len(m) != 2 || m[0].Edits != 0 || m[1].ThreadTS != m[0].TS {
		t.Errorf("messages %+v", m)
	}
	wantNoneRefused(t, s)
}

func TestSlacksErrorCodesAreFinalOrPass(t *testing.T) {
	s := startApp(t)
	for code, want := range map[string]fault.Kind{
		"channel_not_found": fault.Invalid, "not_in_channel": fault.Invalid, "invalid_auth": fault.Invalid,
		"account_inactive": fault.Invalid,
		"is_archived":      fault.Invalid, "missing_scope": fault.Invalid, "msg_too_long": fault.Invalid,
		"a_code_of_tomorrow": fault.Invalid,
		"ratelimited":        fault.Limited, "rate_limited": fault.Limited, "message_limit_exceeded": fault.Limited,
		"fatal_error": fault.Unavailable, "internal_error": fault.Unavailable, "service_unavailable": fault.Unavailable,
		"request_timeout": fault.Unavailable, "team_added_to_org": fault.Unavailable,
	} {
		s.Answer(code)
		receipt, err := slack.New("").Send(t.Context(), appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
		if !fault.Is(err, want) || !strings.Contains(err.Error(), code) || receipt.StatusCode != 200 || receipt.ProviderID != "" {
			t.Errorf("%s: %v (%s), %+v; want %s", code, err, fault.KindOf(err), receipt, want)
		}
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	s := startApp(t)
	for channel, want := range map[string]string{
		"#nowhere":           "Slack refused the message: channel_not_found; correct the channel, and invite the app to it where it is private",
		slacktest.OtherID:    "Slack refused the message: not_in_channel; invite the app to the channel",
		slacktest.ArchivedID: "Slack refused the message: is_archived; the channel is archived; name another",
	} {
		_, err := slack.New("").Send(t.Context(), appNote(s.URL, channel, incidents.ActionTrigger))
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %q", channel, err, want)
		}
	}
	t.Setenv("SLACK_TEST_TOKEN", "xoxb-hunter2")
	_, err := slack.New("").Send(t.Context(), appNote(s.URL, slacktest.Channel, incidents.ActionTrigger))
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestTheAppTakesFailuresAsDocumented(t *testing.T) {
	s := startApp(t)
	notifytest.TakesFailuresAsDocumented(t, s.Server, slack.New(""), appNote(s.URL, slacktest.Channel,
		incidents.ActionTrigger), slacktest.Token)
}

// TestNoTextOfAnAlertBreaksAMessage lets the fake judge: it knows Block Kit's limits, and what calls people.
func TestNoTextOfAnAlertBreaksAMessage(t *testing.T) {
	s := startApp(t)
	texts := rapid.OneOf(
		rapid.String(), rapid.SampledFrom([]string{"<!channel>", "<!here|x>", "<@U024BE7LH>", "<#C024BE7LR>", "\xff\xfe", "&lt;", ""}),
		rapid.Map(rapid.SampledFrom([]string{"<", "&", "ü", "🔥", "\n", "\u202e", "*"}),
			func(p string) string { return strings.Repeat(p, 6000) }),
	)
	actions := rapid.SampledFrom([]incidents.Action{
		incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve, incidents.ActionUpdate,
	})
	first := send(t, appNote(s.URL, slacktest.Channel, incidents.ActionTrigger)).ProviderID
	rapid.Check(t, func(t *rapid.T) {
		n := appNote(s.URL, slacktest.Channel, actions.Draw(t, "action"))
		i := &n.Incident
		for _, field := range []*string{
			&i.Title, &i.Summary, &i.Service, &i.Tenant, &i.SLO, &i.RunbookURL, &i.AcknowledgedBy, &n.IncidentURL, &n.Text,
		} {
			*field = texts.Draw(t, "text")
		}
		n.Thread = rapid.SampledFrom([]string{first, first + ":several"}).Draw(t, "thread")
		if rapid.Bool().Draw(t, "bundle") {
			n.Bundle = slices.Repeat([]incidents.Incident{n.Incident}, 40)
		}
		if _, err := slack.New("").Send(t.Context(), n); err != nil {
			t.Fatalf("%v: %q", err, s.Refused())
		}
	})
	wantNoneRefused(t, s)
}
