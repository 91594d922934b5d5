// Package webhook posts incidents to any HTTP endpoint, signed as Standard Webhooks describes
// (https://www.standardwebhooks.com), and verifies such webhooks for receivers written in Go. It leaves out what a
// receiver makes of them.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"go.opentelemetry.io/otel/propagation"
)

// Payload is the body of a webhook. Fields may be added; none is renamed or removed.
type Payload struct {
	Type      string    `json:"type"`      // "incident.triggered", "incident.acknowledged", "incident.resolved" or "incident.status"
	Timestamp time.Time `json:"timestamp"` // when the page was made; the same at every retry
	Data      Data      `json:"data"`
}

// Data is the incident as it was when the webhook was sent, which a retry may show further along.
type Data struct {
	DedupKey       string            `json:"dedupKey"` // the same for all webhooks of an incident
	Page           Page              `json:"page"`
	ID             string            `json:"id"`     // the incident's UUID
	Number         int64             `json:"number"` // the incident's number, for people
	Title          string            `json:"title"`
	Summary        string            `json:"summary"`
	Severity       string            `json:"severity"` // "critical", "error", "warning" or "info"
	State          string            `json:"state"`    // "triggered", "acknowledged" or "resolved"
	Tenant         string            `json:"tenant"`   // "" for the operator's own
	Service        string            `json:"service"`
	SLO            string            `json:"slo"` // "" where no SLO's alert opened it
	Labels         map[string]string `json:"labels"`
	BudgetSpent    *float64          `json:"budgetSpent"` // share of the error budget, 0.2 is a fifth; null is unknown
	StartedAt      time.Time         `json:"startedAt"`
	OpenedAt       time.Time         `json:"openedAt"`
	AcknowledgedAt *time.Time        `json:"acknowledgedAt"`
	AcknowledgedBy string            `json:"acknowledgedBy"`
	ResolvedAt     *time.Time        `json:"resolvedAt"`
	ResolvedBy     string            `json:"resolvedBy"`
	URL            string            `json:"url"`              // the incident's page
	RunbookURL     string            `json:"runbookUrl"`       // "" where there is none
	Level          int               `json:"level"`            // 1 to 5 for SEV1 to SEV5, 0 where it is not rated
	Status         *Status           `json:"status,omitempty"` // of "incident.status"
}

// Status is a status update.
type Status struct {
	Number int        `json:"number"` // counts up from 1 within the incident
	Phase  string     `json:"phase"`  // "investigating", "identified", "monitoring" or "resolved", as it is when this is sent
	Text   string     `json:"text"`
	NextAt *time.Time `json:"nextAt"` // when the next one was promised for; null where none was
}

// Page says which page of the incident's escalation this is.
type Page struct {
	Policy string `json:"policy"`
	Step   int    `json:"step"`  // 1-based; 0 for acknowledge and resolve
	Round  int    `json:"round"` // 1-based
}

// timeout bounds one attempt, so that a slow receiver is tried again rather than waited for.
const timeout = 5 * time.Second

// Notifier posts signed webhooks. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads signing secrets below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. A 2xx within five seconds is accepted; 408, 425, 429, 5xx and no answer are tried
// again; every other answer is final, redirects included. The receipt's ProviderID is the webhook-id.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Webhook
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for a webhook")
	}
	secrets, err := n.secrets(*target)
	if err != nil {
		return incidents.Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := newRequest(ctx, target.URL, note, secrets)
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	err = exchange.Do(request)
	receipt := incidents.Receipt{StatusCode: exchange.Status, ProviderID: request.Header.Get(headerID)}
	// What the endpoint says in its body stays out: it is anybody's text.
	return receipt, exchange.Fault(ctx, "the webhook", "", err)
}

// secrets returns the secret in force and, where it can be had, the one before it. That one is for a receiver that has
// not changed over yet; a page must not wait for it.
func (n *Notifier) secrets(t incidents.WebhookTarget) ([]secret, error) {
	current, err := n.secret(t.Secret)
	if err != nil {
		return nil, err
	}
	out := []secret{current}
	if t.Previous == (incidents.Secret{}) {
		return out, nil
	}
	if previous, err := n.secret(t.Previous); err == nil && previous.text != current.text {
		out = append(out, previous)
	}
	return out, nil
}

func (n *Notifier) secret(s incidents.Secret) (secret, error) {
	text, err := notify.Resolve(s, n.baseDir)
	if err != nil {
		return secret{}, err
	}
	out, err := readSecret(text)
	if err != nil {
		return secret{}, fault.New(fault.Invalid, "the secret %s is not a signing secret: %s", s, secretForm)
	}
	return out, nil
}

func newRequest(ctx context.Context, url string, note incidents.Notification, secrets []secret) (*http.Request, error) {
	body, err := json.Marshal(payload(note))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the webhook's body cannot be written")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the webhook's address is not a URL")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Nines")
	if err := sign(r.Header, messageID(note.Page), note.At, body, secrets); err != nil {
		return nil, err
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r, nil
}

// messageID is the page's identity, so that a receiver knows a retry for what it is.
func messageID(p incidents.Page) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d\n%d\n%d\n%s", p.Incident, p.Action, p.Step, p.Loop, p.Turn, p.Number, p.Target.Key()))
	return "msg_" + hex.EncodeToString(sum[:16])
}

var typeOf = map[incidents.Action]string{
	incidents.ActionTrigger: "incident.triggered", incidents.ActionAcknowledge: "incident.acknowledged",
	incidents.ActionResolve: "incident.resolved", incidents.ActionStatus: "incident.status",
}

// statusOf returns the status update that is told, nil for every other page.
func statusOf(note incidents.Notification) *Status {
	if note.Page.Action != incidents.ActionStatus {
		return nil
	}
	return &Status{Number: note.Page.Number, Phase: string(note.Incident.Phase), Text: note.Text, NextAt: note.Incident.UpdateDue}
}

func payload(note incidents.Notification) Payload {
	i := note.Incident
	if note.Page.Action == incidents.ActionStatus { // which people outside may read: not who sees to it
		i.AcknowledgedBy, i.ResolvedBy, i.Policy.Name = "", "", ""
	}
	return Payload{
		Type: typeOf[note.Page.Action], Timestamp: note.Page.CreatedAt.UTC(),
		Data: Data{
			DedupKey: note.Page.DedupKey, Page: Page{Policy: i.Policy.Name, Step: note.Page.Step, Round: note.Page.Loop + 1},
			ID: i.ID, Number: i.Number, Title: i.Title, Summary: i.Summary, Severity: string(i.Severity), State: string(i.State),
			Tenant: i.Tenant, Service: i.Service, SLO: i.SLO, Labels: i.Labels, BudgetSpent: i.BudgetSpent,
			StartedAt: i.StartedAt.UTC(), OpenedAt: i.OpenedAt.UTC(), AcknowledgedAt: i.AcknowledgedAt, AcknowledgedBy: i.AcknowledgedBy,
			ResolvedAt: i.ResolvedAt, ResolvedBy: i.ResolvedBy, URL: note.IncidentURL, RunbookURL: i.RunbookURL,
			Level: int(i.Level), Status: statusOf(note),
		},
	}
}
