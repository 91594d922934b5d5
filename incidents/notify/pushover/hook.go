package pushover

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// Hook takes Pushover's call that somebody has acknowledged an emergency. The call is not signed, so that it is only a
// hint: the receipt is looked up at Pushover, and what is there counts.
type Hook struct {
	// Tokens are the application's tokens: the one in force and, during rotation, the one before.
	Tokens []string
	// Endpoint is the API's; "" is Pushover's own.
	Endpoint string

	transport http.RoundTripper
}

// NewHook returns a hook for an application.
func NewHook(endpoint string, tokens ...string) *Hook {
	return &Hook{Tokens: tokens, Endpoint: endpoint, transport: notify.NewTransport()}
}

var _ incidents.Hook = (*Hook)(nil)

// Receive implements incidents.Hook. A receipt that Pushover does not know, or that nobody has acknowledged, is a
// fault.Unauthorized: the call was not Pushover's. Where Pushover cannot be asked it is a fault that is tried again.
func (h *Hook) Receive(ctx context.Context, r hook.Request, do incidents.Answering) (hook.Answer, error) {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return hook.Answer{}, fault.New(fault.Invalid, "the body is not a form; send application/x-www-form-urlencoded")
	}
	receipt := form.Get("receipt")
	if !receiptForm.MatchString(receipt) {
		return hook.Answer{}, fault.New(fault.Invalid, "receipt is missing or not 30 letters and digits")
	}
	said, err := h.lookUp(ctx, receipt)
	if err != nil {
		return hook.Answer{}, err
	}
	_, err = do(ctx, reply(receipt, said, r.At))
	if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
		return hook.Answer{}, err
	}
	return hook.Answer{Status: http.StatusOK}, nil
}

// lookUp asks with each token until one knows the receipt.
func (h *Hook) lookUp(ctx context.Context, receipt string) (answer, error) {
	refused := fault.New(fault.Unauthorized, "Pushover knows no such acknowledgement")
	for _, token := range h.Tokens {
		if token == "" {
			continue
		}
		a := api{endpoint: endpoint(h.Endpoint), token: token, secrets: []string{token}, transport: h.transport}
		said, err := a.get(ctx, "/1/receipts/"+receipt+".json")
		switch {
		case err == nil && said.Status == 1 && said.Acknowledged == 1:
			return said, nil
		case err != nil && !fault.Is(err, fault.Invalid):
			return answer{}, err
		}
	}
	return answer{}, refused
}

func (a api) get(ctx context.Context, path string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.endpoint+path+"?token="+url.QueryEscape(a.token), http.NoBody)
	if err != nil {
		return answer{}, fault.New(fault.Invalid, "the endpoint is not a URL")
	}
	_, said, err := a.do(ctx, r)
	return said, err
}

// reply is the acknowledgement. The user's key is a credential, so that only a hash of it names who it was.
func reply(receipt string, said answer, at time.Time) incidents.Reply {
	if said.AcknowledgedAt > 0 {
		at = time.Unix(said.AcknowledgedAt, 0).UTC()
	}
	sum := sha256.Sum256([]byte(said.AcknowledgedBy))
	by := incidents.Actor{ID: "pushover:" + hex.EncodeToString(sum[:6]), Name: "Pushover"}
	if device := notify.Line(said.Device, 60); device != "" {
		by.Name = "Pushover (" + device + ")"
	}
	return incidents.Reply{
		ID: receipt, Provider: "pushover", Action: incidents.ReplyAcknowledge, ProviderID: receipt, By: by, At: at,
	}
}
