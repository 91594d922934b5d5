package pagerduty_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/pagerduty"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

var came = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

// heard notes replies and answers them all with the same error.
type heard struct {
	replies []incidents.Reply
	err     error
}

func (h *heard) do(_ context.Context, r incidents.Reply) (incidents.Incident, error) {
	h.replies = append(h.replies, r)
	return incidents.Incident{}, h.err
}

func deliver(t *testing.T, h *heard, w pagerdutytest.Webhook) incidents.Reply {
	t.Helper()
	body := w.Body()
	hooked := pagerduty.Hook{Secrets: []string{"new", "old"}}
	before := len(h.replies)
	answer, err := hooked.Receive(t.Context(), hook.Request{Method: http.MethodPost, Header: pagerdutytest.Sign(body, "old"), Body: body, At: came}, h.do)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("%s: %d, %v", w.Type, answer.Status, err)
	}
	if len(h.replies) == before {
		return incidents.Reply{}
	}
	return h.replies[before]
}

func TestSignaturesAreChecked(t *testing.T) {
	t.Parallel()
	vector := "v1=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494" // of {"a":1} with the secret "secret"
	for name, c := range map[string]struct {
		secrets  []string
		header   string
		accepted bool
	}{
		"good":                       {[]string{"secret"}, vector, true},
		"one of several":             {[]string{"secret"}, "v1=00, " + vector, true},
		"by the secret before":       {[]string{"other", "secret"}, vector, true},
		"none":                       {[]string{"secret"}, "", false},
		"of another secret":          {[]string{"other"}, vector, false},
		"of another version":         {[]string{"secret"}, strings.Replace(vector, "v1", "v0", 1), false},
		"cut off":                    {[]string{"secret"}, vector[:40], false},
		"no hex":                     {[]string{"secret"}, "v1=zz", false},
		"without a secret of ours":   {nil, vector, false},
		"with a secret that is \"\"": {[]string{""}, "v1=" + strings.Repeat("0", 64), false},
	} {
		h := pagerduty.Hook{Secrets: c.secrets}
		_, err := h.Receive(t.Context(), hook.Request{Header: http.Header{"X-Pagerduty-Signature": {c.header}}, Body: []byte(`{"a":1}`)}, nil)
		if got := !fault.Is(err, fault.Unauthorized); got != c.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatPeopleDoInPagerDutyIsSaidHere(t *testing.T) {
	t.Parallel()
	ada := pagerdutytest.User("PADA", "Ada")
	at := came.Add(-time.Minute)
	h := &heard{}
	for _, c := range []struct {
		kind   string
		action incidents.ReplyAction
		text   string
	}{
		{"incident.triggered", incidents.ReplyLinked, ""},
		{"incident.acknowledged", incidents.ReplyAcknowledge, ""},
		{"incident.resolved", incidents.ReplyResolve, "PagerDuty"},
		{"incident.unacknowledged", incidents.ReplyUnacknowledged, "run out"},
		{"incident.reopened", incidents.ReplyNote, "Reopened"},
		{"incident.escalated", incidents.ReplyNote, "assigned to Ben"},
		{"incident.delegated", incidents.ReplyNote, "policy Core"},
		{"incident.priority_updated", incidents.ReplyNote, "P1"},
		{"incident.annotated", incidents.ReplyNote, "rolling back"},
	} {
		got := deliver(t, h, pagerdutytest.Webhook{
			ID: "01" + c.kind, Type: c.kind, OccurredAt: at, Agent: ada, Incident: "Q1", Key: "i1/shop", Note: "rolling back",
			Assignees: []pagerdutytest.Reference{*pagerdutytest.User("PBEN", "Ben")}, Policy: &pagerdutytest.Reference{Summary: "Core"},
			Priority: &pagerdutytest.Reference{Summary: "P1"},
		})
		if got.Action != c.action || !strings.Contains(got.Text, c.text) || got.ID != "01"+c.kind || got.ProviderID != "Q1" ||
			got.By != (incidents.Actor{ID: "pagerduty:PADA", Name: "Ada"}) || !got.At.Equal(at) || got.Provider != "pagerduty" {
			t.Errorf("%s: %+v", c.kind, got)
		}
		if key := got.DedupKey; key != "i1/shop" && c.kind != "incident.annotated" {
			t.Errorf("%s: key %q", c.kind, key)
		}
	}
}

// TestWhatWeToldPagerDutyIsNoPersonsWord: an acknowledgement or resolution by an integration, or by a timer, only tells how
// PagerDuty calls the incident.
func TestWhatWeToldPagerDutyIsNoPersonsWord(t *testing.T) {
	t.Parallel()
	for _, agent := range []*pagerdutytest.Reference{nil, {ID: "PINT", Type: "inbound_integration_reference"}, {ID: "PSVC", Type: "service_reference"}} {
		for _, kind := range []string{"incident.acknowledged", "incident.resolved"} {
			h := &heard{}
			if got := deliver(t, h, pagerdutytest.Webhook{ID: "1", Type: kind, Agent: agent, Incident: "Q1", Key: "k", OccurredAt: came}); got.Action != incidents.ReplyLinked {
				t.Errorf("%s by %+v: %s", kind, agent, got.Action)
			}
		}
	}
}

func TestWhatSaysNothingIsAccepted(t *testing.T) {
	t.Parallel()
	h := &heard{}
	for _, kind := range []string{"pagey.ping", "service.updated", "incident.responder.added", "incident.annotated"} {
		deliver(t, h, pagerdutytest.Webhook{ID: "1", Type: kind, OccurredAt: came})
	}
	if len(h.replies) > 0 {
		t.Errorf("%+v", h.replies)
	}
}

// TestPagerDutySendsAgainOnlyWhatMaySucceed: three dropped webhooks would disable the subscription.
func TestPagerDutySendsAgainOnlyWhatMaySucceed(t *testing.T) {
	t.Parallel()
	w := pagerdutytest.Webhook{ID: "1", Type: "incident.acknowledged", Agent: pagerdutytest.User("P", "Ada"), Incident: "Q", Key: "k", OccurredAt: came}
	for kind, retried := range map[fault.Kind]bool{
		fault.NotFound: false, fault.Conflict: false, fault.Invalid: false, fault.Forbidden: false,
		fault.Unavailable: true, fault.Internal: true, fault.Timeout: true, fault.Limited: true,
	} {
		h := &heard{err: fault.New(kind, "no")}
		hooked := pagerduty.Hook{Secrets: []string{"s"}}
		_, err := hooked.Receive(t.Context(), hook.Request{Header: pagerdutytest.Sign(w.Body(), "s"), Body: w.Body(), At: came}, h.do)
		if (err != nil) != retried {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func FuzzWebhook(f *testing.F) {
	for _, kind := range []string{"incident.acknowledged", "incident.annotated", "incident.delegated", "pagey.ping"} {
		f.Add(pagerdutytest.Webhook{ID: "1", Type: kind, OccurredAt: came, Agent: pagerdutytest.User("P", "Ada"), Incident: "Q", Key: "k", Note: "n"}.Body())
	}
	f.Add([]byte(`{"event":{"id":"1","event_type":"incident.escalated","data":{"id":"Q","assignees":[{}],"priority":null}}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h := &heard{}
		hooked := pagerduty.Hook{Secrets: []string{"s"}}
		_, err := hooked.Receive(t.Context(), hook.Request{Header: pagerdutytest.Sign(body, "s"), Body: body, At: came}, h.do)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%v", err)
		}
		for _, r := range h.replies {
			if r.ID == "" || r.Action == "" || r.At.After(came) || (r.DedupKey == "" && r.ProviderID == "") {
				t.Errorf("%+v", r)
			}
		}
	})
}
