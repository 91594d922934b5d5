package incidents

import "time"

// Policy says who is paged, in which order. The zero Policy pages nobody, which a timeline shows as EventNobody.
type Policy struct {
	Name   string `json:"name"`
	Repeat int    `json:"repeat"` // further rounds after the first; -1 for ever
	Steps  []Step `json:"steps"`
	// RepeatAfter is the time between a round's last step and the next round; zero means as RoundDelay says.
	RepeatAfter time.Duration `json:"repeatAfter,omitempty"`
	// AcknowledgeTimeout is how long an acknowledgement counts; zero is until the incident is resolved.
	AcknowledgeTimeout time.Duration `json:"acknowledgeTimeout,omitempty"`
	// AutoResolve is how long after paging began an incident is resolved that nobody has resolved; zero is never.
	AutoResolve time.Duration `json:"autoResolve,omitempty"`
	// LowUrgency says that incidents of low urgency page too, by people's rules for low urgency.
	LowUrgency bool `json:"lowUrgency,omitempty"`
	// Support is when the service is looked after, as its definition says; nil is always.
	Support *Support `json:"support,omitempty"`
}

// Strategy is whom of a step's targets are paged.
type Strategy string

// The strategies.
const (
	PageAll    Strategy = ""            // all of them
	RoundRobin Strategy = "round_robin" // one, whose turn it is; the next one for the next incident
)

// Step pages its targets Delay after the step before it was paged; the first step Delay after the incident opened.
type Step struct {
	Delay    time.Duration `json:"delay"`
	Targets  []Target      `json:"targets"`
	Fallback *Fallback     `json:"fallback,omitempty"`
	Strategy Strategy      `json:"strategy,omitempty"`
	// Everyone says that each person of the step is paged until that person has acknowledged: one acknowledgement stops the
	// escalation and who gave it is not paged further, but the others are.
	Everyone bool `json:"everyone,omitempty"`
}

// Fallback says who is paged where none of a step's targets has accepted its page After the step was paged, or as soon
// as all of them have failed for good.
type Fallback struct {
	After   time.Duration `json:"after"`
	Targets []Target      `json:"targets"`
}

// Target is one destination; exactly one provider, user or schedule is set. Secrets are references, never values.
type Target struct {
	// User is a person's e-mail address, and Schedule the name of one. Whom they mean is found out at the moment of paging,
	// see Roster; no page goes to such a target itself.
	User     string `json:"user,omitempty" yaml:"user,omitempty"`
	Schedule string `json:"schedule,omitempty" yaml:"schedule,omitempty"`

	PagerDuty  *PagerDutyTarget  `json:"pagerduty,omitempty" yaml:"pagerduty,omitempty"`
	Slack      *SlackTarget      `json:"slack,omitempty" yaml:"slack,omitempty"`
	Teams      *TeamsTarget      `json:"teams,omitempty" yaml:"teams,omitempty"`
	GoogleChat *GoogleChatTarget `json:"googlechat,omitempty" yaml:"googlechat,omitempty"`
	Email      *EmailTarget      `json:"email,omitempty" yaml:"email,omitempty"`
	SMS        *TwilioTarget     `json:"sms,omitempty" yaml:"sms,omitempty"`
	Voice      *TwilioTarget     `json:"voice,omitempty" yaml:"voice,omitempty"`
	Ntfy       *NtfyTarget       `json:"ntfy,omitempty" yaml:"ntfy,omitempty"`
	Pushover   *PushoverTarget   `json:"pushover,omitempty" yaml:"pushover,omitempty"`
	Opsgenie   *OpsgenieTarget   `json:"opsgenie,omitempty" yaml:"opsgenie,omitempty"`
	Webhook    *WebhookTarget    `json:"webhook,omitempty" yaml:"webhook,omitempty"`
}

// PagerDutyTarget is an Events API v2 integration.
type PagerDutyTarget struct {
	RoutingKey Secret `json:"routingKey" yaml:"routingKey"`
	Endpoint   string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://events.pagerduty.com unless set
}

// SlackTarget is an incoming webhook, or a channel that a Slack app posts to, with buttons and a thread.
type SlackTarget struct {
	URL      Secret `json:"url,omitzero" yaml:"url,omitempty"`
	Token    Secret `json:"token,omitzero" yaml:"token,omitempty"` // the app's bot token, xoxb-...
	Channel  string `json:"channel,omitempty" yaml:"channel,omitempty"`
	Endpoint string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://slack.com/api unless set
}

// TeamsTarget is a Microsoft Teams channel, by the URL of its Workflows webhook.
type TeamsTarget struct {
	URL Secret `json:"url" yaml:"url"`
}

// GoogleChatTarget is a Google Chat space, by the URL of its webhook.
type GoogleChatTarget struct {
	URL Secret `json:"url" yaml:"url"`
}

// EmailTarget is a list of mail addresses; the server is the installation's.
type EmailTarget struct {
	To []string `json:"to" yaml:"to"`
}

// TwilioTarget is a telephone, reached through an API like Twilio's.
type TwilioTarget struct {
	To       string `json:"to" yaml:"to"`           // E.164, such as +4915112345678
	From     string `json:"from" yaml:"from"`       // E.164, a number of the account
	Account  string `json:"account" yaml:"account"` // account SID, AC...
	Token    Secret `json:"token" yaml:"token"`
	Endpoint string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://api.twilio.com unless set
}

// NtfyTarget is a topic of an ntfy server.
type NtfyTarget struct {
	URL   string `json:"url" yaml:"url"`                        // of the topic, such as https://ntfy.sh/shop-oncall
	Token Secret `json:"token,omitzero" yaml:"token,omitempty"` // access token; none where the topic needs none
}

// PushoverTarget is a user or group of a Pushover-compatible API.
type PushoverTarget struct {
	User     Secret `json:"user" yaml:"user"`
	Token    Secret `json:"token" yaml:"token"`                           // of the application
	Endpoint string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://api.pushover.net unless set
}

// OpsgenieTarget is an API integration of Opsgenie, or of what speaks its alert API.
type OpsgenieTarget struct {
	Key      Secret `json:"key" yaml:"key"`
	Endpoint string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://api.opsgenie.com unless set
}

// WebhookTarget is any HTTP endpoint, signed as Standard Webhooks describes.
type WebhookTarget struct {
	URL      string `json:"url" yaml:"url"`
	Secret   Secret `json:"secret" yaml:"secret"`                                    // whsec_... or base64, 24 to 64 bytes
	Previous Secret `json:"previousSecret,omitzero" yaml:"previousSecret,omitempty"` // signs too while the receiver still knows only this one
}

// Secret says where a secret is kept; exactly one field is set. It is read at each send, so rotation needs no restart.
type Secret struct {
	Env  string `json:"env,omitempty" yaml:"env,omitempty"`   // name of an environment variable of the control plane
	File string `json:"file,omitempty" yaml:"file,omitempty"` // path of a file readable by the control plane
}
