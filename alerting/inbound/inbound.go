// Package inbound reads what other tools tell us over HTTP: alerts, and changes to services. It checks that a call is the
// tool's own and turns its body into our words. It leaves out how calls come in, and what becomes of the alerts and
// changes.
package inbound

import (
	"context"
	"net/http"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// The types of sources.
const (
	TypeEvents       = "events"       // our own events, PagerDuty's Events API v2 and its change events
	TypeAlertmanager = "alertmanager" // webhook receivers of Alertmanager
	TypeGrafana      = "grafana"      // webhook contact points of Grafana Alerting
	TypeSNS          = "sns"          // CloudWatch alarms and other messages by Amazon SNS
	TypeSentry       = "sentry"       // Sentry's integration platform
	TypeDatadog      = "datadog"      // Datadog's webhooks
	TypeMail         = "mail"         // mail by way of Mailgun, SendGrid or Postmark
	TypeUptime       = "uptime"       // probes that say up or down
	TypeTemplate     = "template"     // any JSON, by a mapping of one's own
	TypeChanges      = "changes"      // our own change events and PagerDuty's
	TypeGitHub       = "github"       // deployments, releases and pushes
	TypeGitLab       = "gitlab"       // deployments, releases and pushes
	TypeArgoCD       = "argocd"       // Argo CD's notifications
	TypeLaunchDarkly = "launchdarkly" // flag changes
)

// DefaultHold is how long an alert without an end stays when nobody tells of it again. Most tools tell of the beginning
// and of the end only, so it is long: an end that got lost must not end the trouble.
const DefaultHold = 30 * 24 * time.Hour

// MaxBody bounds the body of a call, in bytes.
const MaxBody = 1 << 20

// Source is a tool that calls us, as an integration defines it.
type Source struct {
	Name    string // of the integration; every alert gets it as the label source
	Type    string // one of Types
	Tenant  string // whose alerts they are; "" for the operator's own
	Service string // of alerts that name none; of changes that come from a repository
	// Environment is that of changes that name none.
	Environment string
	// Labels are for every alert; a label of the alert's own wins. A severity among them is for alerts without one.
	Labels map[string]string
	Secret string // resolved: a token, or the key of signatures; "" refuses what needs one
	// Previous is the secret before it was changed, good as well; "" means none.
	Previous string
	Topic    string        // ARN of the SNS topic; needed for signed messages, because everybody at Amazon may sign
	Hold     time.Duration // how long an alert without an end stays; 0 means DefaultHold
	Mapping  *Mapping      // of the type template
	// Certificate returns what an https URL of Amazon's holds, for SNS signatures. The URL is checked before.
	Certificate func(ctx context.Context, url string) ([]byte, error)
}

// Received is what a call told.
type Received struct {
	Alerts  []alerting.PostedAlert
	Changes []Change
	Answer  hook.Answer // what the tool expects to hear once all of it is kept
	Confirm string      // https URL to GET so that an SNS subscription begins; "" for none
	Once    *Once       // nil where the signature covers what was told
}

// Once is for a signature that covers a token but not what was told: whoever has seen a call could tell something else
// with its token. A token counts for one content alone; the same again is the sender's retry.
type Once struct {
	Token  string
	Digest string // of what was told, hex
}

// reading is how one type is read: first whether the call is the tool's own, then what it tells.
type reading struct {
	verify func(ctx context.Context, src Source, r hook.Request) error
	read   func(src Source, r hook.Request) (Received, error)
}

var readings = map[string]reading{
	TypeEvents:       {verifyEvents, readEvents},
	TypeAlertmanager: {verifyToken, readAlertmanager},
	TypeGrafana:      {verifyGrafana, readGrafana},
	TypeSNS:          {verifySNS, readSNS},
	TypeSentry:       {signed("Sentry-Hook-Signature", ""), readSentry},
	TypeDatadog:      {verifyToken, readDatadog},
	TypeMail:         {verifyMail, readMail},
	TypeUptime:       {verifyToken, readUptime},
	TypeTemplate:     {verifyToken, readTemplate},
	TypeChanges:      {verifyEvents, readChanges},
	TypeGitHub:       {signed("X-Hub-Signature-256", "sha256="), readGitHub},
	TypeGitLab:       {verifyGitLab, readGitLab},
	TypeArgoCD:       {verifyToken, readArgoCD},
	TypeLaunchDarkly: {signed("X-LD-Signature", ""), readLaunchDarkly},
}

// Types lists the types of sources in the order of the documentation.
var Types = []string{
	TypeEvents, TypeAlertmanager, TypeGrafana, TypeSNS, TypeSentry, TypeDatadog, TypeMail, TypeUptime, TypeTemplate,
	TypeChanges, TypeGitHub, TypeGitLab, TypeArgoCD, TypeLaunchDarkly,
}

// Read checks a call and reads it. A call that is not the source's is a fault.Unauthorized, a body that cannot be read a
// fault.Invalid that names the field, one that is too large a fault.TooLarge; then nothing was told. A certificate that
// cannot be fetched is a fault.Unavailable. What is well formed but means nothing to us is answered and tells nothing.
func Read(ctx context.Context, src Source, r hook.Request) (Received, error) {
	how, known := readings[src.Type]
	switch {
	case !known:
		return refuse("type: %q is not a type of integration that brings alerts or changes", clip(src.Type, 40))
	case r.Method != http.MethodPost && r.Method != http.MethodPut:
		return refuse("method: send the call as POST")
	case len(r.Body) > MaxBody:
		return Received{}, fault.New(fault.TooLarge, "body: has more than %d bytes", MaxBody)
	}
	if err := how.verify(ctx, src, r); err != nil {
		return Received{}, err
	}
	got, err := how.read(src, r)
	if err != nil {
		return Received{}, err
	}
	if got.Answer.Status == 0 {
		got.Answer = accepted("")
	}
	return got, nil
}
