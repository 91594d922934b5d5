package service

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/slack/slacktest"
	"github.com/nines-sre/nines/internal/access"
)

const slackText = `---
apiVersion: nines/v1
kind: Integration
metadata: {name: chat}
spec: {type: slack, secret: {env: CHATS_TEST_SECRET}}
---
apiVersion: nines/v1
kind: Integration
metadata: {name: chat-of-acme}
spec: {type: slack, tenant: acme, secret: {env: CHATS_TEST_SECRET}}
`

func TestEveryChatsTargetHasItsProvider(t *testing.T) {
	t.Parallel()
	set := chats("")
	for _, target := range []incidents.Target{
		{Slack: &incidents.SlackTarget{}}, {Teams: &incidents.TeamsTarget{}}, {GoogleChat: &incidents.GoogleChatTarget{}},
	} {
		if set[target.Provider()] == nil {
			t.Errorf("nothing sends by %s", target.Provider())
		}
	}
}

func TestACommandInSlackActsWithinTheIntegrationsTenant(t *testing.T) {
	t.Setenv("CHATS_TEST_SECRET", slacktest.Secret)
	h, k := testHooks(t, slackText)
	var asked []access.Scope
	h.open = func(_ context.Context, scope access.Scope) ([]incidents.Incident, error) {
		asked = append(asked, scope)
		return []incidents.Incident{{ID: "i1", Number: 12, Title: "Orders fail"}}, nil
	}
	command := func(name, text string) string {
		form := url.Values{"command": {"/nines"}, "text": {text}, "user_id": {"U1"}, "user_name": {"ana"}, "trigger_id": {"1.2.3"}}
		answer, err := h.Receive(t.Context(), name, slacktest.Form(form, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		return string(answer.Body)
	}
	command("chat-of-acme", "ack 12")
	if len(k.answered) != 1 || k.answered[0].Number != 12 || k.by[0].ID != "slack:U1" || k.by[0].Tenant != "acme" {
		t.Errorf("answered %+v by %+v", k.answered, k.by)
	}
	for name, want := range map[string]access.Scope{"chat": access.Operator(), "chat-of-acme": access.Tenant("acme")} {
		asked = nil
		if text := command(name, "list"); !strings.Contains(text, "Orders fail") || len(asked) != 1 || asked[0] != want {
			t.Errorf("%s lists %s as %+v; want %+v", name, text, asked, want)
		}
	}
	if text := command("chat", "oncall"); !strings.Contains(text, "default: PagerDuty") || !strings.Contains(text,
		"ana@example.com") {
		t.Errorf("on call: %s", text)
	}
	if text := command("chat-of-acme", "oncall"); strings.Contains(text, "ana@example.com") {
		t.Errorf("a tenant's app tells who the operator pages: %s", text)
	}
}
