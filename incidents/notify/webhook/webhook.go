// Package webhook posts incidents to any HTTP endpoint, signed as Standard Webhooks describes
// (https://www.standardwebhooks.com). It leaves out what the receiver makes of them.
package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.opentelemetry.io/otel/propagation"
)

// Payload is the body of a webhook. Fields may be added; none is renamed or removed.
type Payload struct {
	Type      string    `json:"type"`      // "incident.triggered", "incident.acknowledged" or "incident.resolved"
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
	URL            string            `json:"url"`        // the incident's page
	RunbookURL     string            `json:"runbookUrl"` // "" where there is none
}

// Page says which page of the incident's escalation this is.
type Page struct {
	Policy string `json:"policy"`
	Step   int    `json:"step"`  // 1-based; 0 for acknowledge and resolve
	Round  int    `json:"round"` // 1-based
}

// Bounds of a signing secret, in bytes, as Standard Webhooks asks for.
const (
	minSecret = 24
	maxSecret = 64
)

// Notifier posts signed webhooks. It is safe for concurrent use.
type Notifier struct {
	baseDir   string
	transport http.RoundTripper
}

// New returns a notifier that reads signing secrets below baseDir where they are kept in relative files.
func New(baseDir string) *Notifier {
	return &Notifier{baseDir: baseDir, transport: notify.NewTransport()}
}

// Send implements incidents.Notifier. A 2xx is accepted; 408, 425, 429, 5xx and no answer are tried again; every other
// answer is final, redirects included. The receipt's ProviderID is the webhook-id.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Webhook
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for a webhook")
	}
	signer, err := n.signer(target.Secret)
	if err != nil {
		return incidents.Receipt{}, err
	}
	request, err := newRequest(ctx, target.URL, note, signer)
	if err != nil {
		return incidents.Receipt{}, err
	}
	exchange := notify.NewExchange(n.transport)
	resp, err := exchange.Client().Do(request)
	if err == nil {
		resp.Body.Close()
	}
	receipt := incidents.Receipt{StatusCode: exchange.Status, ProviderID: request.Header.Get(standardwebhooks.HeaderWebhookID)}
	// What the endpoint says in its body stays out: it is anybody's text.
	return receipt, exchange.Fault(ctx, "the webhook", "", err)
}

func (n *Notifier) signer(s incidents.Secret) (*standardwebhooks.Webhook, error) {
	secret, err := notify.Resolve(s, n.baseDir)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, fault.New(fault.Invalid, "the secret %s is not a signing secret: base64 of %d to %d bytes, with or without whsec_ before it", s, minSecret, maxSecret)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

func newRequest(ctx context.Context, url string, note incidents.Notification, signer *standardwebhooks.Webhook) (*http.Request, error) {
	body, err := json.Marshal(payload(note))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the webhook's body cannot be written")
	}
	at, id := note.At, messageID(note.Page)
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the webhook cannot be signed")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the webhook's address is not a URL")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Nines")
	r.Header.Set(standardwebhooks.HeaderWebhookID, id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	return r, nil
}

// messageID is the page's identity, so that a receiver knows a retry for what it is.
func messageID(p incidents.Page) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d\n%s", p.Incident, p.Action, p.Step, p.Loop, p.Target.Key()))
	return "msg_" + hex.EncodeToString(sum[:16])
}

var typeOf = map[incidents.Action]string{
	incidents.ActionTrigger: "incident.triggered", incidents.ActionAcknowledge: "incident.acknowledged", incidents.ActionResolve: "incident.resolved",
}

func payload(note incidents.Notification) Payload {
	i := note.Incident
	return Payload{
		Type: typeOf[note.Page.Action], Timestamp: note.Page.CreatedAt.UTC(),
		Data: Data{
			DedupKey: note.Page.DedupKey, Page: Page{Policy: i.Policy.Name, Step: note.Page.Step, Round: note.Page.Loop + 1},
			ID: i.ID, Number: i.Number, Title: i.Title, Summary: i.Summary, Severity: string(i.Severity), State: string(i.State),
			Tenant: i.Tenant, Service: i.Service, SLO: i.SLO, Labels: i.Labels, BudgetSpent: i.BudgetSpent,
			StartedAt: i.StartedAt.UTC(), OpenedAt: i.OpenedAt.UTC(), AcknowledgedAt: i.AcknowledgedAt, AcknowledgedBy: i.AcknowledgedBy,
			ResolvedAt: i.ResolvedAt, ResolvedBy: i.ResolvedBy, URL: note.IncidentURL, RunbookURL: i.RunbookURL,
		},
	}
}
