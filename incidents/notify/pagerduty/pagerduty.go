// Package pagerduty tells PagerDuty of incidents through its Events API v2. It leaves out PagerDuty's REST API: who is
// called there is PagerDuty's business.
package pagerduty

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	api "github.com/PagerDuty/go-pagerduty"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Bounds of the Events API v2: longer keys and summaries are refused.
const (
	MaxDedupKey = 255  // characters
	MaxSummary  = 1024 // characters

	maxLink = 2000 // bytes
)

// Notifier sends events. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads routing keys below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. 202 is accepted; 400 is final; 429, 5xx and no answer are tried again. The
// receipt's ProviderID is the dedup key under which PagerDuty has the alert.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.PagerDuty
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for PagerDuty")
	}
	key, err := notify.Resolve(target.RoutingKey, n.baseDir)
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	client := api.NewClient("", api.WithV2EventsAPIEndpoint(endpoint(*target)))
	client.HTTPClient = exchange.Client()
	event := eventOf(note, key)
	answer, err := client.ManageEventWithContext(ctx, &event)
	receipt := incidents.Receipt{StatusCode: exchange.Status}
	if err := exchange.Fault(ctx, "PagerDuty", notify.Scrub(said(exchange.Body), key), err); err != nil {
		return receipt, err
	}
	// 202 is what counts, whatever its body is. Any other 2xx may come from something in between.
	if exchange.Status != http.StatusAccepted && (err != nil || answer.Status != "success") {
		return receipt, fault.New(fault.Unavailable, "PagerDuty answered %d without accepting the event", exchange.Status)
	}
	receipt.ProviderID = event.DedupKey
	return receipt, nil
}

func endpoint(t incidents.PagerDutyTarget) string {
	if t.Endpoint == "" {
		return incidents.DefaultPagerDutyEndpoint
	}
	return strings.TrimSuffix(strings.TrimRight(t.Endpoint, "/"), "/v2/enqueue")
}

// said reads PagerDuty's error object: a status, a message and a list of errors.
func said(body []byte) string {
	var answer struct {
		Status  string   `json:"status"`
		Message string   `json:"message"`
		Errors  []string `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	parts := []string{answer.Status, answer.Message}
	parts = append(parts, answer.Errors...)
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

func eventOf(note incidents.Notification, routingKey string) api.V2Event {
	event := api.V2Event{
		RoutingKey: routingKey, Action: string(note.Page.Action), DedupKey: DedupKey(note.Page.DedupKey),
	}
	if note.Page.Action != incidents.ActionTrigger {
		return event
	}
	i := note.Incident
	event.Client, event.ClientURL = "Nines", notify.Link(note.IncidentURL, maxLink)
	event.Payload = &api.V2Payload{
		Summary:   summary(i),
		Source:    cmp.Or(notify.Line(i.Service, 255), cmp.Or(notify.Line(i.SLO, 255), "nines")),
		Severity:  severity(i.Severity),
		Timestamp: i.StartedAt.UTC().Format(time.RFC3339),
		Component: notify.Line(i.Service, 255),
		Group:     notify.Line(i.Tenant, 255),
		Class:     notify.Line(cmp.Or(i.SLO, i.Labels["alertname"]), 255),
		Details:   details(note),
	}
	event.Links = links(note)
	return event
}

// summary is never empty: the API refuses an event without one.
func summary(i incidents.Incident) string {
	title := cmp.Or(notify.Line(i.Title, MaxSummary), "Incident")
	if tenant := notify.Line(i.Tenant, 100); tenant != "" {
		title = tenant + ": " + title
	}
	return notify.Cut(title, MaxSummary)
}

// severity is one of the four words that the API knows.
func severity(s incidents.Severity) string {
	if !s.Valid() {
		return string(incidents.Warning)
	}
	return string(s)
}

// DedupKey fits a key into the API's 255 characters; of a longer one a hash keeps it distinct.
func DedupKey(key string) string {
	if len(key) <= MaxDedupKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:MaxDedupKey-65], "") + "-" + hex.EncodeToString(sum[:])
}

const maxLabels = 40 // in custom_details, to stay far below the API's 512 KB

func details(note incidents.Notification) map[string]any {
	out := map[string]any{"incident": note.Incident.Number}
	for _, f := range notify.Facts(note) {
		out[strings.ReplaceAll(strings.ToLower(f.Name), " ", "_")] = f.Value
	}
	if s := note.Incident.Summary; s != "" {
		out["summary"] = notify.Cut(s, 2000)
	}
	if u := note.Incident.RunbookURL; u != "" {
		out["runbook"] = u
	}
	labels := map[string]string{}
	names := slices.Sorted(maps.Keys(note.Incident.Labels))
	for _, name := range names[:min(len(names), maxLabels)] {
		labels[name] = notify.Line(note.Incident.Labels[name], 300)
	}
	if len(labels) > 0 {
		out["labels"] = labels
	}
	return out
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

func links(note incidents.Notification) []any {
	var out []any
	for _, l := range []link{{note.IncidentURL, "Incident in Nines"}, {note.Incident.RunbookURL, "Runbook"}} {
		if l.Href = notify.Link(l.Href, maxLink); l.Href != "" {
			out = append(out, l)
		}
	}
	return out
}
