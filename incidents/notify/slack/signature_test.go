package slack_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/slack"
	"github.com/nines-sre/nines/incidents/notify/slack/slacktest"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// TestTheSignatureIsTheOneOfSlacksDocumentation holds the fake to the example of Slack's page on verifying requests, so
// that both sides cannot be wrong in the same way.
func TestTheSignatureIsTheOneOfSlacksDocumentation(t *testing.T) {
	t.Parallel()
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
		"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	r := slacktest.Sign("application/x-www-form-urlencoded", []byte(body), slacktest.Secret, time.Unix(1531420618, 0))
	if got, want := r.Header.Get("X-Slack-Signature"),
		"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"; got != want {
		t.Errorf("signature %s; want %s", got, want)
	}
	if _, err := newHook().Receive(t.Context(), r, (&desk{}).do); err != nil {
		t.Error(err)
	}
}

func TestOnlySlackIsHeard(t *testing.T) {
	t.Parallel()
	good := func() hook.Request { return slacktest.Form(pressed("acknowledge", "i1", ""), t0) }
	sign := func(secret string, at time.Time) hook.Request {
		r := good()
		r = slacktest.Sign("application/x-www-form-urlencoded", r.Body, secret, at)
		r.At = t0
		return r
	}
	with := func(change func(r *hook.Request)) hook.Request {
		r := good()
		change(&r)
		return r
	}
	header := func(name, value string) hook.Request {
		return with(func(r *hook.Request) { r.Header.Set(name, value) })
	}
	signature := good().Header.Get("X-Slack-Signature")
	for name, r := range map[string]hook.Request{
		"another secret":        sign("hunter2", t0),
		"no secret":             sign("", t0),
		"a replay":              sign(slacktest.Secret, t0.Add(-5*time.Minute-time.Second)),
		"the future":            sign(slacktest.Secret, t0.Add(5*time.Minute+time.Second)),
		"the beginning of time": sign(slacktest.Secret, time.Unix(0, 0)),
		"another body":          with(func(r *hook.Request) { r.Body = append(r.Body, '&') }),
		"another time":          header("X-Slack-Request-Timestamp", "1762139046"),
		"no time":               header("X-Slack-Request-Timestamp", ""),
		"a time that is none":   header("X-Slack-Request-Timestamp", "now"),
		"a time out of range":   header("X-Slack-Request-Timestamp", "9223372036854775807"),
		"no signature":          header("X-Slack-Signature", ""),
		"half a signature":      header("X-Slack-Signature", signature[:len(signature)/2]),
		"only the version":      header("X-Slack-Signature", "v0="),
		"another version":       header("X-Slack-Signature", strings.Replace(signature, "v0=", "v1=", 1)),
		"no version":            header("X-Slack-Signature", strings.TrimPrefix(signature, "v0=")),
		"a signature of no hex": header("X-Slack-Signature", "v0=zz"),
		"two signatures in one": header("X-Slack-Signature", signature+","+signature),
		"an event without a key": {Header: map[string][]string{"Content-Type": {"application/json"}},
			Body: []byte(`{"type":"url_verification"}`), At: t0},
	} {
		d := &desk{}
		answer, err := newHook().Receive(t.Context(), r, d.do)
		if !fault.Is(err, fault.Unauthorized) || len(d.replies) > 0 || answer.Status != 0 {
			t.Errorf("%s: %+v, %v, %v; want it refused", name, answer, err, d.replies)
		}
	}
	for _, secrets := range [][]string{nil, {""}} {
		h := &slack.Hook{Secrets: secrets}
		if _, err := h.Receive(t.Context(), sign("", t0), (&desk{}).do); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("with the secrets %q: %v; want it refused", secrets, err)
		}
	}
}

func TestBothSecretsAreGoodDuringARotation(t *testing.T) {
	t.Parallel()
	h := &slack.Hook{Secrets: []string{"the new one", slacktest.Secret}}
	for _, secret := range h.Secrets {
		d := &desk{}
		r := slacktest.Sign("application/x-www-form-urlencoded", []byte(pressed("acknowledge", "i1", "").Encode()), secret, t0)
		if _, err := h.Receive(t.Context(), r, d.do); err != nil || len(d.replies) != 1 {
			t.Errorf("%s: %v, %v", secret, d.replies, err)
		}
	}
}

func TestASignedRequestThatCannotBeReadIsInvalid(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]hook.Request{
		"no form":           slacktest.Sign("application/x-www-form-urlencoded", []byte("a=%zz"), slacktest.Secret, t0),
		"an empty form":     slacktest.Form(url.Values{}, t0),
		"no JSON":           slacktest.Event("<xml/>", t0),
		"a payload of none": slacktest.Form(url.Values{"payload": {"{"}}, t0),
		"a button of nobody": slacktest.Form(url.Values{
			"payload": {`{"type":"block_actions","actions":[{"action_id":"resolve","value":"i1"}]}`},
		}, t0),
		"a button about nothing": slacktest.Form(pressed("resolve", "", ""), t0),
		"a command of nobody":    slacktest.Form(url.Values{"command": {"/nines"}, "text": {"ack 12"}}, t0),
	} {
		d := &desk{}
		if _, err := newHook().Receive(t.Context(), r, d.do); !fault.Is(err, fault.Invalid) || len(d.replies) > 0 {
			t.Errorf("%s: %v, %v; want invalid", name, err, d.replies)
		}
	}
}

// FuzzSignedRequests feeds what is signed: whatever it is, nothing breaks, and every reply says who, what and about which
// incident.
func FuzzSignedRequests(f *testing.F) {
	f.Add(true, event("it is the <#C1|cache> &amp; <@U2>", ""))
	f.Add(true, `{"type":"url_verification","challenge":"x"}`)
	f.Add(true, `{"type":"event_callback","event":null}`)
	f.Add(false, pressed("acknowledge", "i1", "https://hooks.slack.com/actions/T0/1/x").Encode())
	f.Add(false, pressed("resolve", "i1", "://").Encode())
	f.Add(false, commanded("resolve #12 rolled back").Encode())
	f.Add(false, commanded("note 12 <https://x|y> <!here> <@U1>").Encode())
	f.Add(false, "payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B%5D%7D")
	f.Fuzz(func(t *testing.T, asJSON bool, body string) {
		kind := "application/x-www-form-urlencoded"
		if asJSON {
			kind = "application/json"
		}
		h, d := newHook(), &desk{}
		h.Transport = hangs{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody is told anything outside
		_, _ = h.Receive(ctx, slacktest.Sign(kind, []byte(body), slacktest.Secret, t0), d.do)
		for _, r := range d.replies {
			if !strings.HasPrefix(r.By.ID, "slack:") || r.By.Name == "" || r.Action == "" || !r.At.Equal(t0) {
				t.Errorf("%+v", r)
			}
			if r.Incident == "" && r.Number <= 0 && r.ProviderID == "" {
				t.Errorf("about nothing: %+v", r)
			}
			if r.Action == incidents.ReplyNote && strings.TrimSpace(r.Text) == "" {
				t.Errorf("an empty note: %+v", r)
			}
		}
	})
}
