package incidents

import (
	"regexp"
	"strings"
)

// userTarget is a person, by e-mail address.
type userTarget string

func (u userTarget) provider() string { return "user" }
func (u userTarget) key() string      { return strings.ToLower(string(u)) }
func (u userTarget) String() string   { return string(u) }

func (u userTarget) check(r *policyReader, path string) {
	if !mailAddress(string(u)) {
		r.bad(path, "%q is not the e-mail address of a person's account, such as ana@example.com", clip(string(u), 80))
	}
}

// scheduleTarget is whoever is on call in a schedule.
type scheduleTarget string

func (s scheduleTarget) provider() string { return "schedule" }
func (s scheduleTarget) key() string      { return string(s) }
func (s scheduleTarget) String() string   { return "whoever is on call for " + string(s) }

func (s scheduleTarget) check(r *policyReader, path string) {
	if !scheduleName.MatchString(string(s)) {
		r.bad(path, "%q is not the name of a schedule, such as payments-primary", clip(string(s), 80))
	}
}

var scheduleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

func (p *PagerDutyTarget) provider() string { return "pagerduty" }

func (p *PagerDutyTarget) key() string { return at(p.RoutingKey, p.Endpoint, DefaultPagerDutyEndpoint) }

func (p *PagerDutyTarget) String() string { return "PagerDuty (" + p.RoutingKey.words() + ")" }

func (p *PagerDutyTarget) check(r *policyReader, path string) {
	r.secret(path+".routingKey", p.RoutingKey)
	r.endpoint(path+".endpoint", p.Endpoint)
}

func (s *SlackTarget) provider() string { return "slack" }

func (s *SlackTarget) key() string {
	if s.Channel != "" {
		return s.Channel + "/" + at(s.Token, s.Endpoint, DefaultSlackEndpoint)
	}
	return s.URL.String()
}

func (s *SlackTarget) String() string {
	if s.Channel != "" {
		return "Slack " + s.Channel
	}
	return "Slack (" + s.URL.words() + ")"
}

func (s *SlackTarget) check(r *policyReader, path string) {
	app := s.Channel != "" || s.Token != (Secret{})
	switch {
	case app && s.URL != (Secret{}):
		r.bad(path, "names both a webhook's url and an app's token and channel; keep one")
	case app:
		r.secret(path+".token", s.Token)
		if s.Channel == "" || len(s.Channel) > 100 {
			r.bad(path+".channel", "is missing; write the channel that the app posts to, such as #incidents or C0123456789")
		}
	default:
		r.secret(path+".url", s.URL)
	}
	r.endpoint(path+".endpoint", s.Endpoint)
}

func (t *TeamsTarget) provider() string { return "teams" }
func (t *TeamsTarget) key() string      { return t.URL.String() }
func (t *TeamsTarget) String() string   { return "Teams (" + t.URL.words() + ")" }

func (t *TeamsTarget) check(r *policyReader, path string) { r.secret(path+".url", t.URL) }

func (g *GoogleChatTarget) provider() string { return "googlechat" }
func (g *GoogleChatTarget) key() string      { return g.URL.String() }
func (g *GoogleChatTarget) String() string   { return "Google Chat (" + g.URL.words() + ")" }

func (g *GoogleChatTarget) check(r *policyReader, path string) { r.secret(path+".url", g.URL) }

func (e *EmailTarget) provider() string { return "email" }
func (e *EmailTarget) key() string      { return strings.Join(e.canonical(), ",") }
func (e *EmailTarget) String() string   { return "e-mail to " + strings.Join(e.To, ", ") }

func (e *EmailTarget) check(r *policyReader, path string) { r.addresses(path+".to", e.To) }

// phone is a telephone by one of its two ways.
type phone struct {
	*TwilioTarget
	way string // "sms" or "voice"
}

func (p phone) provider() string { return p.way }

func (p phone) key() string {
	endpoint := p.Endpoint
	if endpoint == "" {
		endpoint = DefaultTwilioEndpoint
	}
	return p.To + "/" + p.Account + "@" + stripURL(strings.TrimRight(endpoint, "/"))
}

func (p phone) String() string {
	if p.way == "voice" {
		return "call to " + p.To
	}
	return "SMS to " + p.To
}

var (
	e164       = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	accountSID = regexp.MustCompile(`^[A-Za-z0-9]{2,64}$`)
)

func (p phone) check(r *policyReader, path string) {
	for _, n := range []struct{ field, number string }{{"to", p.To}, {"from", p.From}} {
		if !e164.MatchString(n.number) {
			r.bad(path+"."+n.field, "is not a telephone number with its country, such as +4915112345678")
		}
	}
	if !accountSID.MatchString(p.Account) {
		r.bad(path+".account", "is not an account's id; Twilio's begin with AC")
	}
	r.secret(path+".token", p.Token)
	r.endpoint(path+".endpoint", p.Endpoint)
}

func (n *NtfyTarget) provider() string { return "ntfy" }
func (n *NtfyTarget) key() string      { return stripURL(n.URL) }
func (n *NtfyTarget) String() string   { return "ntfy " + stripURL(n.URL) }

func (n *NtfyTarget) check(r *policyReader, path string) {
	r.url(path+".url", n.URL)
	r.optional(path+".token", n.Token)
}

func (p *PushoverTarget) provider() string { return "pushover" }

func (p *PushoverTarget) key() string {
	return p.User.String() + "/" + at(p.Token, p.Endpoint, DefaultPushoverEndpoint)
}

func (p *PushoverTarget) String() string { return "Pushover (" + p.User.words() + ")" }

func (p *PushoverTarget) check(r *policyReader, path string) {
	r.secret(path+".user", p.User)
	r.secret(path+".token", p.Token)
	r.endpoint(path+".endpoint", p.Endpoint)
}

func (o *OpsgenieTarget) provider() string { return "opsgenie" }
func (o *OpsgenieTarget) key() string      { return at(o.Key, o.Endpoint, DefaultOpsgenieEndpoint) }
func (o *OpsgenieTarget) String() string   { return "Opsgenie (" + o.Key.words() + ")" }

func (o *OpsgenieTarget) check(r *policyReader, path string) {
	r.secret(path+".key", o.Key)
	r.endpoint(path+".endpoint", o.Endpoint)
}

func (w *WebhookTarget) provider() string { return "webhook" }
func (w *WebhookTarget) key() string      { return stripURL(w.URL) }
func (w *WebhookTarget) String() string   { return "webhook " + hostOf(w.URL) }

func (w *WebhookTarget) check(r *policyReader, path string) {
	r.url(path+".url", w.URL)
	r.secret(path+".secret", w.Secret)
	r.optional(path+".previousSecret", w.Previous)
}

// at is a secret's place and the API that it is for.
func at(s Secret, endpoint, standard string) string {
	if endpoint = strings.TrimRight(endpoint, "/"); endpoint == "" {
		endpoint = standard
	}
	return s.String() + "@" + stripURL(endpoint)
}
