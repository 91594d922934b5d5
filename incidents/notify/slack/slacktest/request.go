package slacktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/hook"
)

// Secret signs what Slack sends.
const Secret = "8f742231b10e8888abcd99yyyzzz85a5"

// Form is a call with a form, as of a button ("payload") and of a slash command, signed by Slack.
func Form(form url.Values, at time.Time) hook.Request {
	return Sign("application/x-www-form-urlencoded", []byte(form.Encode()), Secret, at)
}

// Event is a call of the Events API, signed by Slack.
func Event(body string, at time.Time) hook.Request {
	return Sign("application/json", []byte(body), Secret, at)
}

// Sign signs a request as Slack does.
func Sign(contentType string, body []byte, secret string, at time.Time) hook.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	header := http.Header{}
	header.Set("Content-Type", contentType)
	header.Set("X-Slack-Request-Timestamp", stamp)
	header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return hook.Request{Method: http.MethodPost, URL: "https://nines.example.com/hooks/slack", Header: header, Body: body, At: at}
}
