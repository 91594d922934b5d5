package incidents

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// Where providers are reached unless a target says otherwise.
const (
	DefaultPagerDutyEndpoint = "https://events.pagerduty.com"
	DefaultSlackEndpoint     = "https://slack.com/api"
	DefaultTwilioEndpoint    = "https://api.twilio.com"
	DefaultPushoverEndpoint  = "https://api.pushover.net"
	DefaultOpsgenieEndpoint  = "https://api.opsgenie.com"
)

// destination is what each provider's target knows of itself.
type destination interface {
	provider() string
	key() string // canonical, without any secret
	String() string
	check(r *policyReader, path string)
}

// destinations returns those that are set; exactly one in a valid target.
func (t Target) destinations() []destination {
	var set []destination
	add := func(there bool, d destination) {
		if there {
			set = append(set, d)
		}
	}
	add(t.User != "", userTarget(t.User))
	add(t.Schedule != "", scheduleTarget(t.Schedule))
	add(t.PagerDuty != nil, t.PagerDuty)
	add(t.Slack != nil, t.Slack)
	add(t.Teams != nil, t.Teams)
	add(t.GoogleChat != nil, t.GoogleChat)
	add(t.Email != nil, t.Email)
	add(t.SMS != nil, phone{t.SMS, "sms"})
	add(t.Voice != nil, phone{t.Voice, "voice"})
	add(t.Ntfy != nil, t.Ntfy)
	add(t.Pushover != nil, t.Pushover)
	add(t.Opsgenie != nil, t.Opsgenie)
	add(t.Webhook != nil, t.Webhook)
	return set
}

// providers are the words for targets in definitions.
const providers = "user, schedule, pagerduty, slack, teams, googlechat, email, sms, voice, ntfy, pushover, opsgenie, webhook"

// Provider returns which provider the target is of, as definitions name it, and "" for none.
func (t Target) Provider() string {
	for _, d := range t.destinations() {
		return d.provider()
	}
	return ""
}

// Key returns the target's canonical identity: equal for equal destinations, without any secret, at most a few hundred
// characters for honest targets.
func (t Target) Key() string {
	for _, d := range t.destinations() {
		return d.provider() + ":" + d.key()
	}
	return ""
}

// String names the target for people: "PagerDuty (env PD_KEY)", "e-mail to ana@example.com".
func (t Target) String() string {
	for _, d := range t.destinations() {
		return d.String()
	}
	return "no target"
}

// Indirect reports whether the target names people, who are found when it is paged, and not where a page goes.
func (t Target) Indirect() bool { return t.User != "" || t.Schedule != "" }

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
