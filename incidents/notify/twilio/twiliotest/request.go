package twiliotest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/nines-sre/nines/internal/hook"
)

// Sign returns the X-Twilio-Signature of a form posted to a URL.
func Sign(token, address string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		mac.Write([]byte(name + form.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Request returns what Twilio posts to a hook, signed.
func Request(address string, at time.Time, fields ...string) hook.Request {
	form := url.Values{"AccountSid": {Account}, "ApiVersion": {"2010-04-01"}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return hook.Request{
		Method: http.MethodPost, URL: address, At: at, Body: []byte(form.Encode()),
		Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {Sign(Token, address, form)},
		},
	}
}

// Reply is a message that somebody sends from a telephone to one of our numbers.
func Reply(address, sid, from, text string, at time.Time) hook.Request {
	return Request(address, at, "MessageSid", sid, "SmsMessageSid", sid, "SmsSid", sid, "SmsStatus", "received",
		"From", from, "To", From, "Body", text, "NumMedia", "0", "NumSegments", "1")
}

// Report is what Twilio tells of a message: "sent", "delivered", "undelivered" with a code...
func (m Message) Report(status, code string, at time.Time) hook.Request {
	fields := []string{
		"MessageSid", m.SID, "SmsSid", m.SID, "MessageStatus", status, "SmsStatus", status, "To", m.To, "From", m.From,
	}
	if code != "" {
		fields = append(fields, "ErrorCode", code)
	}
	return Request(m.StatusCallback, at, fields...)
}

// CallReport is what Twilio tells of a call: "in-progress", "completed", "no-answer"...
func (m Message) CallReport(status string, at time.Time) hook.Request {
	return Request(m.StatusCallback, at, "CallSid", m.SID, "CallStatus", status, "Direction", "outbound-api",
		"To", m.To, "From", m.From, "CallbackSource", "call-progress-events", "SequenceNumber", "0")
}

// Press is a key pressed in a call, sent to where the call's script says; ok is false where it takes no keys.
func (m Message) Press(digits string, at time.Time) (r hook.Request, ok bool) {
	script, err := ReadTwiML(m.Twiml)
	if err != nil {
		return hook.Request{}, false
	}
	gather := script.Find("Gather")
	if gather == nil {
		return hook.Request{}, false
	}
	return Request(gather.Attr("action"), at, "CallSid", m.SID, "CallStatus", "in-progress", "Direction", "outbound-api",
		"To", m.To, "From", m.From, "Digits", digits, "msg", "Gather End"), true
}
