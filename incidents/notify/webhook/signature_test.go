package webhook_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/notifytest"
	"github.com/nines-sre/nines/incidents/notify/webhook"
	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// rotating sends one webhook while a secret is changed over, and returns what the receiver got.
func rotating(t *testing.T, previous string) (http.Header, []byte) {
	t.Helper()
	s := newReceiver(t)
	if previous != "" {
		t.Setenv("HOOK_TEST_PREVIOUS", previous)
	}
	n := note(s.URL, incidents.ActionTrigger)
	n.Page.Target.Webhook.Previous = incidents.Secret{Env: "HOOK_TEST_PREVIOUS"}
	if _, err := webhook.New("").Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return s.headers[0], s.bodies[0]
}

func TestTheSignatureIsTheBodysHMAC(t *testing.T) {
	t.Parallel()
	got := webhook.Signature("secret", []byte(`{"a":1}`))
	if want := "v1=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestDuringARotationBothSecretsVerify(t *testing.T) {
	header, body := rotating(t, oldSecret)
	for _, text := range []string{secret, oldSecret} {
		verifier, err := standardwebhooks.NewWebhook(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(body, header); err != nil {
			t.Errorf("the standard's library refuses %s: %v", text, err)
		}
		if err := webhook.Verify([]string{text}, header, body, time.Now()); err != nil {
			t.Errorf("Verify refuses %s: %v", text, err)
		}
	}
	plain := strings.Split(header.Get("X-Nines-Signature"), ",")
	if !slices.Equal(plain, []string{webhook.Signature(secret, body), webhook.Signature(oldSecret, body)}) {
		t.Errorf("X-Nines-Signature %q", plain)
	}
}

func TestAPageDoesNotWaitForTheSecretBefore(t *testing.T) {
	for name, previous := range map[string]string{"gone": "", "not a secret": "hunter2", "the same": secret} {
		header, _ := rotating(t, previous)
		if n := len(strings.Fields(header.Get("webhook-signature"))); n != 1 {
			t.Errorf("%s: %d signatures", name, n)
		}
	}
}

func TestVerifyRefusesWhatIsNotOursOrNotOfNow(t *testing.T) {
	header, body := rotating(t, oldSecret)
	now := time.Now()
	for name, test := range map[string]struct {
		secrets []string
		change  func(http.Header)
		body    string
		now     time.Time
		want    fault.Kind
	}{
		"another body":        {body: "{}", want: fault.Unauthorized},
		"another id":          {change: func(h http.Header) { h.Set("webhook-id", "msg_2") }, want: fault.Unauthorized},
		"no id":               {change: func(h http.Header) { h.Del("webhook-id") }, want: fault.Unauthorized},
		"another time":        {change: func(h http.Header) { h.Set("webhook-timestamp", "1793674800") }, want: fault.Unauthorized},
		"no time":             {change: func(h http.Header) { h.Del("webhook-timestamp") }, want: fault.Unauthorized},
		"no signature":        {change: func(h http.Header) { h.Del("webhook-signature") }, want: fault.Unauthorized},
		"an empty signature":  {change: func(h http.Header) { h.Set("webhook-signature", "v1,") }, want: fault.Unauthorized},
		"a replay":            {now: now.Add(6 * time.Minute), want: fault.Unauthorized},
		"from the future":     {now: now.Add(-6 * time.Minute), want: fault.Unauthorized},
		"another secret":      {secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))}, want: fault.Unauthorized},
		"no secret":           {secrets: []string{}, want: fault.Unauthorized},
		"a secret that is no": {secrets: []string{"hunter2"}, want: fault.Invalid},
	} {
		h, text, at := header.Clone(), string(body), now
		if test.change != nil {
			test.change(h)
		}
		if test.body != "" {
			text = test.body
		}
		if !test.now.IsZero() {
			at = test.now
		}
		secrets := test.secrets
		if secrets == nil {
			secrets = []string{oldSecret, secret}
		}
		err := webhook.Verify(secrets, h, []byte(text), at)
		if !fault.Is(err, test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want %s", name, err, test.want)
		}
	}
	if err := webhook.Verify([]string{oldSecret, secret}, header, body, now.Add(4*time.Minute)); err != nil {
		t.Errorf("within five minutes: %v", err)
	}
}

func TestFailuresAreTakenAsDocumented(t *testing.T) {
	t.Setenv("HOOK_TEST_SECRET", secret)
	s := notifytest.Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}), func(int) string { return "hunter2" })
	n := note(s.URL, incidents.ActionTrigger)
	n.Page.Target.Webhook.URL = s.URL + "/hook?key=hunter2"
	notifytest.TakesFailuresAsDocumented(t, s, webhook.New(""), n, secret, "hunter2")
}

func FuzzVerify(f *testing.F) {
	body := []byte(`{"type":"incident.triggered"}`)
	f.Add("msg_1", "1793674800", "v1,AAAA v1a,x", body)
	f.Add("", "-1", "", []byte{})
	f.Add("msg_1", "99999999999999999999", "v1 v1, ,", body)
	f.Fuzz(func(t *testing.T, id, stamp, signature string, body []byte) {
		header := http.Header{}
		header.Set("webhook-id", id)
		header.Set("webhook-timestamp", stamp)
		header.Set("webhook-signature", signature)
		if webhook.Verify([]string{secret}, header, body, time.Unix(1793674800, 0)) == nil {
			t.Errorf("%q at %q is taken for ours", signature, stamp)
		}
	})
}

// A receiver reads the whole body, verifies it and answers with a 2xx; then it does its work.
func ExampleVerify() {
	secrets := []string{secret} // and the one before, while it is changed over
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || webhook.Verify(secrets, r.Header, body, time.Now()) != nil {
			http.Error(w, "not a webhook of Nines", http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	stranger := httptest.NewRecorder()
	receive(stranger, httptest.NewRequest(http.MethodPost, "/nines", strings.NewReader(`{"type":"incident.triggered"}`)))
	fmt.Println(stranger.Code)
	// Output: 401
}
