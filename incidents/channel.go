package incidents

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// ChannelKind is the kind of documents that ReadChannel reads.
const ChannelKind = "Channel"

// The ways by which people are reached. All but e-mail need a Channel, which holds the account to send from.
const (
	ByEmail = "email"
	BySMS   = "sms"
	ByVoice = "voice"
	ByNtfy  = "ntfy"
	BySlack = "slack"
)

// Ways lists the ways in the order in which people are offered them.
var Ways = []string{ByEmail, BySMS, ByVoice, ByNtfy, BySlack}

// Channel is the operator's side of reaching people in one way, so that a person only has to type an address.
type Channel struct {
	Name string
	Way  string // BySMS, ByVoice, ByNtfy or BySlack

	Telephone TwilioTarget // of SMS and calls; To is a person's
	Server    string       // of ntfy, such as https://ntfy.sh
	Token     Secret       // of ntfy's server, or of the Slack app
	Endpoint  string       // of Slack's Web API; "" is Slack's own
}

// Channels are those in force, by name.
type Channels map[string]Channel

type channelSpec struct {
	SMS   *telephoneSpec `yaml:"sms"`
	Voice *telephoneSpec `yaml:"voice"`
	Ntfy  *ntfySpec      `yaml:"ntfy"`
	Slack *slackSpec     `yaml:"slack"`
}

type telephoneSpec struct {
	From     string `yaml:"from"`
	Account  string `yaml:"account"`
	Token    Secret `yaml:"token"`
	Endpoint string `yaml:"endpoint"`
}

type ntfySpec struct {
	Server string `yaml:"server"`
	Token  Secret `yaml:"token"`
}

type slackSpec struct {
	Token    Secret `yaml:"token"`
	Endpoint string `yaml:"endpoint"`
}

// ReadChannel reads a Channel document and names every problem in it with its line.
func ReadChannel(d manifest.Document) (Channel, manifest.Problems) {
	var spec channelSpec
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	c := Channel{Name: d.Metadata.Name}
	ways := 0
	for _, t := range []struct {
		way  string
		spec *telephoneSpec
	}{{BySMS, spec.SMS}, {ByVoice, spec.Voice}} {
		if t.spec != nil {
			ways++
			c.Way, c.Telephone = t.way, TwilioTarget{From: t.spec.From, Account: t.spec.Account, Token: t.spec.Token, Endpoint: t.spec.Endpoint}
			sample := c.Telephone
			sample.To = "+15005550006" // a person's; Twilio keeps it for tests
			phone{&sample, t.way}.check(&r, "spec."+t.way)
		}
	}
	if n := spec.Ntfy; n != nil {
		ways++
		c.Way, c.Server, c.Token = ByNtfy, strings.TrimRight(n.Server, "/"), n.Token
		r.url("spec.ntfy.server", n.Server)
		r.optional("spec.ntfy.token", n.Token)
	}
	if s := spec.Slack; s != nil {
		ways++
		c.Way, c.Token, c.Endpoint = BySlack, s.Token, s.Endpoint
		r.secret("spec.slack.token", s.Token)
		r.endpoint("spec.slack.endpoint", s.Endpoint)
	}
	if ways != 1 && len(r.problems) == 0 {
		r.bad("spec", "names %d ways to reach people; write exactly one of sms, voice, ntfy, slack", ways)
	}
	return c, r.problems
}

var (
	ntfyTopic = regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`)
	slackUser = regexp.MustCompile(`^[UW][A-Z0-9]{5,20}$`)
)

// Reach returns where pages go to the address of a person, by a way and a channel; the channel is "" for e-mail, and may be
// "" where there is only one of the way. What is no address, or a channel that is not there, is a fault.Invalid.
func (c Channels) Reach(way, channel, address string) (Target, error) {
	address = strings.TrimSpace(address)
	if way == ByEmail {
		if !mailAddress(address) {
			return Target{}, fault.New(fault.Invalid, "address: %q is not an e-mail address such as ana@example.com", clip(address, 80))
		}
		return Target{Email: &EmailTarget{To: []string{strings.ToLower(address)}}}, nil
	}
	if !slices.Contains(Ways, way) {
		return Target{}, fault.New(fault.Invalid, "way: %q is none of %s", clip(way, 20), strings.Join(Ways, ", "))
	}
	ch, err := c.of(way, channel)
	if err != nil {
		return Target{}, err
	}
	switch {
	case way == ByNtfy && ntfyTopic.MatchString(address):
		return Target{Ntfy: &NtfyTarget{URL: ch.Server + "/" + url.PathEscape(address), Token: ch.Token}}, nil
	case way == ByNtfy:
		return Target{}, fault.New(fault.Invalid, "address: is not a topic of ntfy: up to 64 letters, digits, - and _")
	case way == BySlack && slackUser.MatchString(address):
		return Target{Slack: &SlackTarget{Channel: address, Token: ch.Token, Endpoint: ch.Endpoint}}, nil
	case way == BySlack:
		return Target{}, fault.New(fault.Invalid, "address: is not a member's id of Slack, such as U012AB3CD; copy it from the profile")
	case !e164.MatchString(address):
		return Target{}, fault.New(fault.Invalid, "address: is not a telephone number with its country, such as +4915112345678")
	}
	t := ch.Telephone
	t.To = address
	if way == ByVoice {
		return Target{Voice: &t}, nil
	}
	return Target{SMS: &t}, nil
}

// of returns the channel of that name and way, or the only one of the way.
func (c Channels) of(way, name string) (Channel, error) {
	var found []Channel
	for _, ch := range c {
		if ch.Way == way && (name == "" || ch.Name == name) {
			found = append(found, ch)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Channel{}, fault.New(fault.Invalid, "channel: there are %d of the way %s; name one", len(found), way)
	case name != "":
		return Channel{}, fault.New(fault.Invalid, "channel: there is no channel %q of the way %s", clip(name, 80), way)
	}
	return Channel{}, fault.New(fault.Invalid, "way: nothing is set up to reach people by %s; an editor has to define a Channel", way)
}

// Offered are the ways that people can be reached by, each with its channels' names.
func (c Channels) Offered() map[string][]string {
	offered := map[string][]string{ByEmail: {}}
	for name, ch := range c {
		offered[ch.Way] = append(offered[ch.Way], name)
	}
	for way := range offered {
		slices.Sort(offered[way])
	}
	return offered
}

// CodeNotification tells a person the code that proves that an address is theirs.
func CodeNotification(t Target, code, who string, now time.Time) Notification {
	n := TestNotification(t, who, now)
	n.Incident.Title = "Your code for Nines is " + code
	n.Incident.Summary = "Type it where this way to reach you was added. Who has not asked for it may leave it alone."
	return n
}
