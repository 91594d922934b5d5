package twilio_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/twilio"
	"github.com/nines-sre/nines/incidents/notify/twilio/twiliotest"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// desk is what replies reach.
type desk struct {
	replies []incidents.Reply
	err     error
}

func (d *desk) answer(_ context.Context, r incidents.Reply) (incidents.Incident, error) {
	d.replies = append(d.replies, r)
	return incidents.Incident{ID: "i1", Number: 12}, d.err
}

func newHook() *twilio.Hook {
	return &twilio.Hook{Tokens: []string{twiliotest.Token}, Knows: func(number string) bool { return number == telephone }}
}

// receive gives a request to the hook and returns what the answer says.
func receive(t *testing.T, h *twilio.Hook, d *desk, r hook.Request) string {
	t.Helper()
	answer, err := h.Receive(t.Context(), r, d.answer)
	if err != nil {
		t.Fatal(err)
	}
	script, err := twiliotest.ReadTwiML(string(answer.Body))
	if err != nil || answer.Status != 200 || !strings.HasPrefix(answer.ContentType, "text/xml") {
		t.Fatalf("answer %+v: %v", answer, err)
	}
	return script.Said()
}

func TestAMessageIsAReply(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		message string
		action  incidents.ReplyAction
		text    string
		answer  string
	}{
		{"12a", incidents.ReplyAcknowledge, "", "#12 is acknowledged."},
		{" 12A\n", incidents.ReplyAcknowledge, "", "#12 is acknowledged."},
		{"ack 12", incidents.ReplyAcknowledge, "", "#12 is acknowledged."},
		{"Ack #12!", incidents.ReplyAcknowledge, "", "#12 is acknowledged."},
		{"#12 ack", incidents.ReplyAcknowledge, "", "#12 is acknowledged."},
		{"r12 fixed", incidents.ReplyResolve, "fixed", "#12 is resolved."},
		{"12r: rolled back,\nall fine", incidents.ReplyResolve, "rolled back,\nall fine", "#12 is resolved."},
		{"resolve 12", incidents.ReplyResolve, "", "#12 is resolved."},
		{"12e", incidents.ReplyEscalate, "", "#12 is escalated."},
		{"note 12 käse läuft aus", incidents.ReplyNote, "käse läuft aus", "#12 has your note."},
	} {
		d := &desk{}
		if said := receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", telephone, test.message, t0)); said != test.answer {
			t.Errorf("%q is answered with %q; want %q", test.message, said, test.answer)
		}
		want := incidents.Reply{
			ID: "SM1", Provider: "sms", Action: test.action, Number: 12, Text: test.text, At: t0,
			By: incidents.Actor{ID: "sms:" + telephone, Name: telephone},
		}
		if len(d.replies) != 1 || d.replies[0] != want {
			t.Errorf("%q is %+v; want %+v", test.message, d.replies, want)
		}
	}
}

func TestAMessageThatAsksForNothingGetsHelp(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"hello", "12", "a", "12 all good", "12n", "0a", "99999999999999999999a", "12a34", "", "-12a"} {
		d := &desk{}
		said := receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", telephone, message, t0))
		if len(d.replies) > 0 || !strings.Contains(said, "12a acknowledges") {
			t.Errorf("%q: %+v, answered with %q", message, d.replies, said)
		}
	}
}

func TestNothingIsAnsweredToStrangersAndToTwiliosOwnWords(t *testing.T) {
	t.Parallel()
	d := &desk{}
	nobody := newHook()
	nobody.Knows = nil
	for name, said := range map[string]string{
		"a machine's answer": receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", telephone, "I am driving and will answer you later.", t0)),
		"a stranger":         receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", "+4915100000000", "12a", t0)),
		"no known numbers":   receive(t, nobody, d, twiliotest.Reply(hookURL, "SM1", telephone, "12a", t0)),
		"stop":               receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", telephone, "Stop", t0)),
		"help":               receive(t, newHook(), d, twiliotest.Reply(hookURL, "SM1", telephone, "HELP ", t0)),
	} {
		if said != "" {
			t.Errorf("%s: answered with %q", name, said)
		}
	}
	if len(d.replies) > 0 {
		t.Errorf("replies %+v", d.replies)
	}
}

func TestAReplyThatCannotBeDoneIsTold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.Conflict, "the incident is resolved already"), "the incident is resolved already."},
		{fault.New(fault.NotFound, "nothing"), "Nines knows no such incident."},
		{fault.New(fault.Internal, "password hunter2"), "Nines could not do that just now. Please try again."},
		{fault.New(fault.Unavailable, "the database is away"), "Nines could not do that just now. Please try again."},
	} {
		if said := receive(t, newHook(), &desk{err: test.err}, twiliotest.Reply(hookURL, "SM1", telephone, "12a", t0)); said != test.want {
			t.Errorf("%v is told as %q; want %q", test.err, said, test.want)
		}
	}
}

func TestAKeyPressedInACallIsAReply(t *testing.T) {
	s, n := start(t)
	if _, err := n.Send(t.Context(), voice(s, incidents.ActionTrigger)); err != nil {
		t.Fatal(err)
	}
	placed := s.Calls()[0]
	for _, test := range []struct {
		key    string
		action incidents.ReplyAction
		said   string
	}{
		{"4", incidents.ReplyAcknowledge, "Incident 12 is acknowledged. Goodbye."},
		{"6", incidents.ReplyResolve, "Incident 12 is resolved. Goodbye."},
		{"5", incidents.ReplyEscalate, "Incident 12 is escalated. Goodbye."},
	} {
		d := &desk{}
		r, ok := placed.Press(test.key, t0)
		if !ok {
			t.Fatal("the call takes no keys")
		}
		if said := receive(t, newHook(), d, r); said != test.said {
			t.Errorf("key %s is answered with %q", test.key, said)
		}
		want := incidents.Reply{
			ID: placed.SID + "/" + test.key, Provider: "voice", Action: test.action, Incident: "i1", ProviderID: placed.SID, At: t0,
			By: incidents.Actor{ID: "voice:" + telephone, Name: telephone},
		}
		if len(d.replies) != 1 || d.replies[0] != want {
			t.Errorf("key %s is %+v; want %+v", test.key, d.replies, want)
		}
	}
	d := &desk{}
	r, _ := placed.Press("9", t0)
	if said := receive(t, newHook(), d, r); !strings.Contains(said, "Press 4") || len(d.replies) > 0 {
		t.Errorf("a wrong key: %q, %+v", said, d.replies)
	}
}

func TestOnlyTheLastWordOnADeliveryCounts(t *testing.T) {
	s, n := start(t)
	if _, err := n.Send(t.Context(), sms(s, incidents.ActionTrigger)); err != nil {
		t.Fatal(err)
	}
	sent := s.Messages()[0]
	d := &desk{}
	for _, status := range []string{"queued", "sending", "delivered", "sent", "accepted"} { // sent comes late
		receive(t, newHook(), d, sent.Report(status, "", t0))
	}
	if len(d.replies) != 1 || d.replies[0].Action != incidents.ReplyDelivered || d.replies[0].ProviderID != sent.SID || d.replies[0].Provider != "sms" {
		t.Errorf("replies %+v", d.replies)
	}
	d = &desk{}
	receive(t, newHook(), d, sent.Report("undelivered", "30003", t0))
	receive(t, newHook(), d, sent.Report("failed", "30999", t0))
	if want := "the telephone is off or out of reach (Twilio 30003)"; d.replies[0].Action != incidents.ReplyUndelivered || d.replies[0].Text != want {
		t.Errorf("reply %+v; want %q", d.replies[0], want)
	}
	if d.replies[0].ID != d.replies[1].ID || d.replies[0].ID == "" {
		t.Errorf("ids %q and %q; want the same, so that it counts once", d.replies[0].ID, d.replies[1].ID)
	}
}

func TestACallThatIsPickedUpIsDeliveredAndOneThatIsNotIsNot(t *testing.T) {
	s, n := start(t)
	if _, err := n.Send(t.Context(), voice(s, incidents.ActionTrigger)); err != nil {
		t.Fatal(err)
	}
	placed := s.Calls()[0]
	for status, want := range map[string]incidents.ReplyAction{
		"queued": "", "ringing": "", "in-progress": incidents.ReplyDelivered, "completed": incidents.ReplyDelivered,
		"busy": incidents.ReplyUndelivered, "no-answer": incidents.ReplyUndelivered, "failed": incidents.ReplyUndelivered,
	} {
		d := &desk{}
		receive(t, newHook(), d, placed.CallReport(status, t0))
		got := incidents.ReplyAction("")
		if len(d.replies) == 1 {
			got = d.replies[0].Action
		}
		if got != want {
			t.Errorf("%s is %q; want %q", status, got, want)
		}
	}
}

func TestAReportOfAnUnknownMessageIsNobodysFaultAndOneThatCannotBeStoredIsOurs(t *testing.T) {
	t.Parallel()
	report := twiliotest.Request(hookURL, t0, "MessageSid", "SM1", "MessageStatus", "delivered")
	receive(t, newHook(), &desk{err: fault.New(fault.NotFound, "no such page")}, report)
	d := &desk{err: fault.New(fault.Unavailable, "the database is away")}
	if _, err := newHook().Receive(t.Context(), report, d.answer); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v; want unavailable", err)
	}
}

func TestSomebodyWhoCallsOurNumberIsToldSo(t *testing.T) {
	t.Parallel()
	d := &desk{}
	said := receive(t, newHook(), d, twiliotest.Request(hookURL, t0, "CallSid", "CA1", "CallStatus", "ringing", "Direction", "inbound"))
	if said != "This number only calls out. Goodbye." || len(d.replies) > 0 {
		t.Errorf("%q, %+v", said, d.replies)
	}
}

func TestOnlyTwilioIsHeard(t *testing.T) {
	t.Parallel()
	good := func() hook.Request { return twiliotest.Reply(hookURL, "SM1", telephone, "12a", t0) }
	for name, change := range map[string]func(*hook.Request){
		"no signature":    func(r *hook.Request) { r.Header.Del("X-Twilio-Signature") },
		"empty signature": func(r *hook.Request) { r.Header.Set("X-Twilio-Signature", "") },
		"not base64":      func(r *hook.Request) { r.Header.Set("X-Twilio-Signature", "!!") },
		"another body":    func(r *hook.Request) { r.Body = []byte(strings.Replace(string(r.Body), "12a", "13a", 1)) },
		"a field more":    func(r *hook.Request) { r.Body = append(r.Body, "&Extra=1"...) },
		"another URL":     func(r *hook.Request) { r.URL += "?incident=i2" },
		"another token": func(r *hook.Request) {
			form, _ := url.ParseQuery(string(r.Body))
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign("guessed", r.URL, form))
		},
		"signed with no token at all": func(r *hook.Request) {
			form, _ := url.ParseQuery(string(r.Body))
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign("", r.URL, form))
		},
		"as GET, so that the form is not signed": func(r *hook.Request) { r.Method = http.MethodGet },
		"the body's digest of another body": func(r *hook.Request) {
			sum := sha256.Sum256([]byte("x"))
			r.URL += "?bodySHA256=" + hex.EncodeToString(sum[:])
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign(twiliotest.Token, r.URL, nil))
		},
	} {
		r, d := good(), &desk{}
		change(&r)
		h := newHook()
		h.Tokens = append(h.Tokens, "") // a previous token that is not set opens nothing
		if _, err := h.Receive(t.Context(), r, d.answer); !fault.Is(err, fault.Unauthorized) || len(d.replies) > 0 {
			t.Errorf("%s: %v, %+v; want unauthorized and no effect", name, err, d.replies)
		}
	}
}

func TestTheTokenBeforeHoldsDuringRotation(t *testing.T) {
	t.Parallel()
	h, d := newHook(), &desk{}
	h.Tokens = []string{"the-new-token", twiliotest.Token}
	receive(t, h, d, twiliotest.Reply(hookURL, "SM1", telephone, "12a", t0))
	if len(d.replies) != 1 {
		t.Errorf("replies %+v", d.replies)
	}
}

func TestTheUsualPortMayBeWrittenOrNot(t *testing.T) {
	t.Parallel()
	withPort := "https://nines.example.com:443/hooks/phones"
	for signedFor, arrivesAt := range map[string]string{hookURL: withPort, withPort: hookURL} {
		r, d := twiliotest.Reply(signedFor, "SM1", telephone, "12a", t0), &desk{}
		r.URL = arrivesAt
		receive(t, newHook(), d, r)
		if len(d.replies) != 1 {
			t.Errorf("signed for %s, arrived at %s: %+v", signedFor, arrivesAt, d.replies)
		}
	}
}

func TestABodyOfJSONIsSignedByItsDigest(t *testing.T) {
	t.Parallel()
	body := []byte(`{"MessageSid":"SM1","MessageStatus":"delivered","NumMedia":0}`)
	sum := sha256.Sum256(body)
	address := hookURL + "?bodySHA256=" + hex.EncodeToString(sum[:])
	r := hook.Request{Method: http.MethodPost, URL: address, Body: body, At: t0, Header: http.Header{
		"Content-Type": {"application/json"}, "X-Twilio-Signature": {twiliotest.Sign(twiliotest.Token, address, nil)},
	}}
	d := &desk{}
	receive(t, newHook(), d, r)
	if len(d.replies) != 1 || d.replies[0].Action != incidents.ReplyDelivered {
		t.Errorf("replies %+v", d.replies)
	}
	r.Body = append(r.Body, ' ')
	if _, err := newHook().Receive(t.Context(), r, d.answer); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("changed body: %v; want unauthorized", err)
	}
}

// TestTheSignatureIsTwilios holds against the values of Twilio's own libraries.
func TestTheSignatureIsTwilios(t *testing.T) {
	t.Parallel()
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"},
	}
	r := hook.Request{
		Method: http.MethodPost, URL: "https://mycompany.com/myapp.php?foo=1&bar=2", Body: []byte(form.Encode()), At: t0,
		Header: http.Header{"X-Twilio-Signature": {"RSOYDt4T1cUTdK1PDd93/VVr8B8="}},
	}
	h := &twilio.Hook{Tokens: []string{"12345"}}
	// The signature holds; what is wrong is that the URL names no incident.
	if _, err := h.Receive(t.Context(), r, (&desk{}).answer); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v; want invalid, not unauthorized", err)
	}
}

func FuzzHook(f *testing.F) {
	for _, r := range []hook.Request{
		twiliotest.Reply(hookURL, "SM1", telephone, "12a", t0),
		twiliotest.Reply(hookURL, "SM1", telephone, "note 12 x\n\xff", t0),
		twiliotest.Request(hookURL, t0, "MessageSid", "SM1", "MessageStatus", "undelivered", "ErrorCode", "30003"),
		twiliotest.Request(hookURL+"?incident=i1", t0, "CallSid", "CA1", "Digits", "4"),
	} {
		f.Add(r.URL, string(r.Body), r.Header.Get("X-Twilio-Signature"), "application/x-www-form-urlencoded")
	}
	f.Add(hookURL+"?bodySHA256=00", `{"a":1}`, "x", "application/json")
	f.Fuzz(func(t *testing.T, address, body, signature, kind string) {
		r := hook.Request{Method: http.MethodPost, URL: address, Body: []byte(body), At: t0,
			Header: http.Header{"Content-Type": {kind}, "X-Twilio-Signature": {signature}}}
		d := &desk{}
		_, err := newHook().Receive(t.Context(), r, d.answer)
		if err != nil && len(d.replies) > 0 {
			t.Errorf("refused with %v, yet it had an effect: %+v", err, d.replies)
		}
		form, parseErr := url.ParseQuery(body)
		if parseErr != nil {
			return
		}
		// The same request, signed: what it says may be anything, and the answer is well-formed.
		r.Header.Set("X-Twilio-Signature", twiliotest.Sign(twiliotest.Token, address, form))
		answer, err := newHook().Receive(t.Context(), r, d.answer)
		if err == nil {
			if _, err := twiliotest.ReadTwiML(string(answer.Body)); err != nil {
				t.Errorf("answer %q: %v", answer.Body, err)
			}
		}
	})
}
