package incidents

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// DefaultPagerDutyEndpoint is where events go unless a target says otherwise.
const DefaultPagerDutyEndpoint = "https://events.pagerduty.com"

// Provider returns which provider the target is of: "pagerduty", "slack", "email" or "webhook", and "" for none.
func (t Target) Provider() string {
	switch {
	case t.PagerDuty != nil:
		return "pagerduty"
	case t.Slack != nil:
		return "slack"
	case t.Email != nil:
		return "email"
	case t.Webhook != nil:
		return "webhook"
	}
	return ""
}

// Key returns the target's canonical identity: equal for equal destinations, without any secret, at most a few hundred
// characters for honest targets.
func (t Target) Key() string {
	switch {
	case t.PagerDuty != nil:
		endpoint := strings.TrimRight(t.PagerDuty.Endpoint, "/")
		if endpoint == "" {
			endpoint = DefaultPagerDutyEndpoint
		}
		return "pagerduty:" + t.PagerDuty.RoutingKey.String() + "@" + stripURL(endpoint)
	case t.Slack != nil:
		return "slack:" + t.Slack.URL.String()
	case t.Email != nil:
		return "email:" + strings.Join(t.Email.canonical(), ",")
	case t.Webhook != nil:
		return "webhook:" + stripURL(t.Webhook.URL)
	}
	return ""
}

// String names the target for people: "PagerDuty (env PD_KEY)", "e-mail to ana@example.com".
func (t Target) String() string {
	switch {
	case t.PagerDuty != nil:
		return "PagerDuty (" + t.PagerDuty.RoutingKey.words() + ")"
	case t.Slack != nil:
		return "Slack (" + t.Slack.URL.words() + ")"
	case t.Email != nil:
		return "e-mail to " + strings.Join(t.Email.To, ", ")
	case t.Webhook != nil:
		return "webhook " + hostOf(t.Webhook.URL)
	}
	return "no target"
}

func (e EmailTarget) canonical() []string {
	to := make([]string, len(e.To))
	for i, address := range e.To {
		to[i] = strings.ToLower(strings.TrimSpace(address))
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// String returns where the secret is kept, never the secret: "env:NAME" or "file:PATH".
func (s Secret) String() string {
	if s.File != "" {
		return "file:" + s.File
	}
	return "env:" + s.Env
}

func (s Secret) words() string { return strings.Replace(s.String(), ":", " ", 1) }

// stripURL returns the URL without what may hold a secret: user, query and fragment. Where something was left out, a
// short hash of the whole keeps different URLs apart.
func stripURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "#" + shortHash(raw)
	}
	bare := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host), Path: u.Path}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return bare.String() + "#" + shortHash(raw)
	}
	return bare.String()
}

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	return "address"
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
