package slack

import (
	"strings"

	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// passing are the error codes of trouble that passes, and how it does. Every other code is final: the same message would
// be refused again.
var passing = map[string]fault.Kind{
	"ratelimited": fault.Limited, "rate_limited": fault.Limited, "message_limit_exceeded": fault.Limited,
	"fatal_error": fault.Unavailable, "internal_error": fault.Unavailable, "service_unavailable": fault.Unavailable,
	"request_timeout": fault.Unavailable, "rollup_error": fault.Unavailable,
	"team_added_to_org":  fault.Unavailable, // the workspace moves to an organization, which ends
	"org_login_required": fault.Unavailable, // so it is while it moves
	"accesslimited":      fault.Unavailable,
}

// remedies say what to do about the final codes that an operator can do something about.
var remedies = map[string]string{
	"channel_not_found": "correct the channel, and invite the app to it where it is private",
	"not_in_channel":    "invite the app to the channel",
	"is_archived":       "the channel is archived; name another",
	"invalid_auth":      "the token is not valid; put the app's bot token in its place",
	"not_authed":        "the token is missing; put the app's bot token in its place",
	"account_inactive":  "the app was removed from the workspace; install it again",
	"token_revoked":     "the token was revoked; install the app again",
	"token_expired":     "the token has expired; put a new one in its place",
	"missing_scope":     "give the app the scope that it lacks and install it again",
	"restricted_action": "the workspace's settings keep the app from posting there",
}

// fault words what Slack refused.
func (a answer) fault(token string, exchange *notify.Exchange) error {
	code := notify.Scrub(a.Error, token)
	kind, passes := passing[a.Error]
	if !passes {
		kind = fault.Invalid
	}
	words := []string{code}
	if remedy := remedies[a.Error]; remedy != "" {
		words = append(words, remedy)
	}
	if a.Needed != "" {
		words = append(words, "needed: "+notify.Scrub(a.Needed, token))
	}
	if len(a.Details.Messages) > 0 {
		words = append(words, notify.Scrub(strings.Join(a.Details.Messages, "; "), token))
	}
	f := fault.New(kind, "Slack refused the message: %s", strings.Join(words, "; "))
	f.RetryAfter = exchange.RetryAfter
	return f
}
