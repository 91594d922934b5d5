// Package opsgenie sends incidents to Opsgenie, or to what speaks its alert API: one alert an incident and policy, by its
// alias. It leaves out reading anything back: the API accepts first and works afterwards, so that its word on a request
// is only that it came.
package opsgenie

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of an alert, in characters.
const (
	maxMessage     = 130
	maxAlias       = 512
	maxDescription = 15_000
	maxTag         = 50
	maxDetails     = 8_000 // names and values together
	maxEntity      = 512
	maxUser        = 100
	maxNote        = 25_000
)

// Notifier sends alerts. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads API keys below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. A trigger creates the alert, or counts on the open one with its alias; the other
// actions acknowledge and close it. A 422 and every other 4xx is final but for 429. The receipt's ProviderID is the
// request's id, under which Opsgenie's log has what became of it.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Opsgenie
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for Opsgenie")
	}
	key, err := notify.Resolve(target.Key, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	r, err := newRequest(ctx, endpoint(*target), note)
	if err != nil {
		return incidents.Receipt{}, err
	}
	r.Header.Set("Authorization", "GenieKey "+key)
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(r)
	said := notify.ReadAnswer[answer](exchange.Body)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	if err := exchange.Fault(ctx, "Opsgenie", notify.Scrub(said.words(), key), err); err != nil {
		return receipt, err
	}
	if exchange.Status != http.StatusAccepted { // such as the welcome page of something in between
		return receipt, fault.New(fault.Unavailable, "Opsgenie answered %d without accepting the request", exchange.Status)
	}
	receipt.ProviderID = notify.Line(said.RequestID, 64)
	return receipt, nil
}

func endpoint(t incidents.OpsgenieTarget) string {
	if t.Endpoint == "" {
		return incidents.DefaultOpsgenieEndpoint
	}
	return strings.TrimRight(t.Endpoint, "/")
}

// alert is the body of a trigger.
type alert struct {
	Message     string            `json:"message"`
	Alias       string            `json:"alias"`
	Description string            `json:"description,omitempty"`
	Priority    string            `json:"priority"`
	Tags        []string          `json:"tags,omitempty"`
	Details     map[string]string `json:"details,omitempty"`
	Entity      string            `json:"entity,omitempty"`
	Source      string            `json:"source"`
}

// remark is the body of an acknowledgement and of a close.
type remark struct {
	User   string `json:"user,omitempty"`
	Source string `json:"source"`
	Note   string `json:"note,omitempty"`
}

const source = "Nines"

func newRequest(ctx context.Context, endpoint string, note incidents.Notification) (*http.Request, error) {
	i, key := note.Incident, alias(note.Page.DedupKey)
	path, content := "/v2/alerts", any(alertOf(note))
	switch note.Page.Action {
	case incidents.ActionAcknowledge:
		path = "/v2/alerts/" + url.PathEscape(key) + "/acknowledge?identifierType=alias"
		content = remark{notify.Line(i.AcknowledgedBy, maxUser), source, notify.Cut(notify.Headline(note), maxNote)}
	case incidents.ActionResolve:
		path = "/v2/alerts/" + url.PathEscape(key) + "/close?identifierType=alias"
		content = remark{notify.Line(i.ResolvedBy, maxUser), source, notify.Cut(notify.Headline(note), maxNote)}
	}
	return notify.NewPost(ctx, endpoint+path, "the endpoint", content)
}

func alertOf(note incidents.Notification) alert {
	i := note.Incident
	title := notify.Line(i.Title, 300)
	if i.Tenant != "" {
		title = notify.Line(i.Tenant, 60) + ": " + title
	}
	return alert{
		Message: cmp.Or(notify.Line(title, maxMessage), "Incident"), Alias: alias(note.Page.DedupKey),
		Description: description(note), Priority: priority(i.Severity), Tags: tags(i), Details: details(note),
		Entity: notify.Line(cmp.Or(i.Service, i.SLO), maxEntity), Source: source,
	}
}

// alias fits a dedup key into what the API takes; of a longer one a hash keeps it distinct.
func alias(key string) string {
	if key = strings.ToValidUTF8(key, "\uFFFD"); len(key) <= maxAlias {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:maxAlias-65], "") + "-" + hex.EncodeToString(sum[:])
}

// priority leaves P5 to those who want to say of an alert that it is none.
func priority(s incidents.Severity) string {
	switch s {
	case incidents.Critical:
		return "P1"
	case incidents.Error:
		return "P2"
	case incidents.Info:
		return "P4"
	}
	return "P3"
}

func description(note incidents.Notification) string {
	i := note.Incident
	var lines []string
	if s := strings.TrimSpace(strings.ToValidUTF8(i.Summary, "\uFFFD")); s != "" {
		lines = append(lines, notify.Cut(s, 10_000), "")
	}
	for _, f := range notify.Facts(note) {
		lines = append(lines, f.Name+": "+f.Value)
	}
	for _, link := range []notify.Fact{{Name: "Incident", Value: note.IncidentURL}, {Name: "Runbook", Value: i.RunbookURL}} {
		if address := notify.Link(link.Value, 1000); address != "" {
			lines = append(lines, link.Name+": "+address)
		}
	}
	return notify.Cut(strings.Join(lines, "\n"), maxDescription)
}

func tags(i incidents.Incident) []string {
	var out []string
	for _, tag := range []string{string(i.Severity), i.Tenant, i.Service, i.SLO} {
		if tag = notify.Line(tag, maxTag); tag != "" && !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

// details are the incident's labels and what identifies it, as many as there is room for.
func details(note incidents.Notification) map[string]string {
	out, room := map[string]string{}, maxDetails
	add := func(name, value string) {
		name, value = notify.Line(name, 100), notify.Line(value, 1000)
		if cost := len([]rune(name)) + len([]rune(value)); name != "" && value != "" && cost <= room {
			out[name] = value
			room -= cost
		}
	}
	i := note.Incident
	add("nines_incident", i.ID)
	add("nines_url", notify.Link(note.IncidentURL, 1000))
	add("nines_runbook", notify.Link(i.RunbookURL, 1000))
	for _, name := range slices.Sorted(maps.Keys(i.Labels)) {
		add(name, i.Labels[name])
	}
	return out
}

// answer is the API's: a result where it accepted, a message and errors by field where it did not.
type answer struct {
	Message   string            `json:"message"`
	Errors    map[string]string `json:"errors"`
	RequestID string            `json:"requestId"`
}

func (a answer) words() string {
	parts := []string{a.Message}
	for _, field := range slices.Sorted(maps.Keys(a.Errors)) {
		parts = append(parts, field+": "+a.Errors[field])
	}
	return strings.Trim(strings.Join(parts, " "), " ")
}
