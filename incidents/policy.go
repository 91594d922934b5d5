package incidents

import "time"

// Policy says who is paged, in which order. The zero Policy pages nobody, which a timeline shows as EventNobody.
type Policy struct {
	Name   string `json:"name"`
	Repeat int    `json:"repeat"` // further rounds after the first; -1 for ever
	Steps  []Step `json:"steps"`
	// RepeatAfter is the time between a round's last step and the next round; zero means as RoundDelay says.
	RepeatAfter time.Duration `json:"repeatAfter,omitempty"`
}

// Step pages its targets Delay after the step before it was paged; the first step Delay after the incident opened.
type Step struct {
	Delay   time.Duration `json:"delay"`
	Targets []Target      `json:"targets"`
}

// Target is one destination; exactly one provider is set. Secrets are references, never values.
type Target struct {
	PagerDuty *PagerDutyTarget `json:"pagerduty,omitempty" yaml:"pagerduty,omitempty"`
	Slack     *SlackTarget     `json:"slack,omitempty" yaml:"slack,omitempty"`
	Email     *EmailTarget     `json:"email,omitempty" yaml:"email,omitempty"`
	Webhook   *WebhookTarget   `json:"webhook,omitempty" yaml:"webhook,omitempty"`
}

// PagerDutyTarget is an Events API v2 integration.
type PagerDutyTarget struct {
	RoutingKey Secret `json:"routingKey" yaml:"routingKey"`
	Endpoint   string `json:"endpoint,omitempty" yaml:"endpoint,omitempty"` // https://events.pagerduty.com unless set
}

// SlackTarget is an incoming webhook.
type SlackTarget struct {
	URL Secret `json:"url" yaml:"url"`
}

// EmailTarget is a list of mail addresses; the server is the installation's.
type EmailTarget struct {
	To []string `json:"to" yaml:"to"`
}

// WebhookTarget is any HTTP endpoint, signed as Standard Webhooks describes.
type WebhookTarget struct {
	URL    string `json:"url" yaml:"url"`
	Secret Secret `json:"secret" yaml:"secret"` // whsec_... or base64, 24 to 64 bytes
}

// Secret says where a secret is kept; exactly one field is set. It is read at each send, so rotation needs no restart.
type Secret struct {
	Env  string `json:"env,omitempty" yaml:"env,omitempty"`   // name of an environment variable of the control plane
	File string `json:"file,omitempty" yaml:"file,omitempty"` // path of a file readable by the control plane
}
