package service

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
)

// hooks takes the calls of integrations: it finds who calls by the definitions in force, lets the type's own package check
// and read the call, and keeps what it told.
type hooks struct {
	catalog      func() *definitions.Catalog
	secretDir    string // of relative secret files
	resolveAfter time.Duration
	store        hookStore
	alerts       alertIntake
	deliveries   deliveries
	read         sourceReader
	limits       *hookLimits
	log          *slog.Logger

	open        func(ctx context.Context, scope access.Scope) ([]incidents.Incident, error) // nil lists none
	incidentURL func(i incidents.Incident) string                                           // nil knows none
	whose       func(ctx context.Context, number string) (string, error)                    // who is paged at a telephone; nil knows nobody
}

// hookStore keeps what people and tools tell, each thing once.
type hookStore interface {
	Answer(ctx context.Context, who access.Principal, integration string, r incidents.Reply,
		origin func(incidents.Target) bool) (incidents.Incident, error)
	TellChange(ctx context.Context, who access.Principal, c slo.Change, key string) (slo.Change, error)
	TellOnce(ctx context.Context, integration, token, digest string) (bool, error)
}

// alertIntake is the same that Alertmanager's API uses.
type alertIntake interface {
	ReceiveAlerts(ctx context.Context, who access.Principal, told []alerting.Alert, router incidents.Router) error
}

// deliveries keeps what providers report of messages.
type deliveries interface {
	RecordDelivery(ctx context.Context, provider, providerID string, delivered bool, why string, at time.Time) error
}

// sourceReader checks a call of an alert or change source and reads it.
type sourceReader func(ctx context.Context, i definitions.Integration, secrets []string, r hook.Request) (toldAtHook, error)

// toldAtHook is what a source told.
type toldAtHook struct {
	alerts  []alerting.PostedAlert
	changes []toldChange
	answer  hook.Answer
	once    *inbound.Once
}

// toldChange is a change with the key by which its tool knows it.
type toldChange struct {
	slo.Change
	key string
}

// Known implements httpapi.Hooks.
func (h *hooks) Known(name string) bool {
	_, known := h.catalog().Integration(name)
	return known
}

// Receive implements httpapi.Hooks.
func (h *hooks) Receive(ctx context.Context, name string, r hook.Request) (hook.Answer, error) {
	i, known := h.catalog().Integration(name)
	if !known {
		return hook.Answer{}, fault.New(fault.NotFound, "there is nothing at this address")
	}
	secrets, err := h.secrets(i)
	if err != nil {
		h.log.Error("an integration's secret cannot be read, so that its calls are refused", "integration", name, "error", err)
		return hook.Answer{}, fault.New(fault.Unavailable, "this integration cannot take calls now; send them again later")
	}
	if !i.Replies() {
		return h.tell(ctx, i, secrets, r)
	}
	done, err := h.limits.begin(i.Name)
	if err != nil {
		return hook.Answer{}, err
	}
	defer done()
	return h.replyHook(i, secrets).Receive(ctx, r, h.answering(i))
}

// secrets are the one in force and, while it can be read, the one before.
func (h *hooks) secrets(i definitions.Integration) ([]string, error) {
	var found []string
	if i.Secret != (incidents.Secret{}) {
		secret, err := notify.Resolve(i.Secret, h.secretDir)
		if err != nil {
			return nil, err
		}
		found = append(found, secret)
	}
	if i.Previous != (incidents.Secret{}) {
		if secret, err := notify.Resolve(i.Previous, h.secretDir); err == nil {
			found = append(found, secret)
		}
	}
	return found, nil
}

// tell keeps what a source told: all of it is committed before the answer. What is wrong with single alerts is answered
// after the good ones are kept.
func (h *hooks) tell(ctx context.Context, i definitions.Integration, secrets []string, r hook.Request) (hook.Answer, error) {
	told, err := h.read(ctx, i, secrets, r)
	if err != nil {
		return hook.Answer{}, err
	}
	if err := h.limits.spend(i, r.At); err != nil {
		return hook.Answer{}, err
	}
	done, err := h.limits.begin(i.Name)
	if err != nil {
		return hook.Answer{}, err
	}
	defer done()
	if err := h.once(ctx, i, told.once); err != nil {
		return hook.Answer{}, err
	}
	who := access.Principal{ID: "integration:" + i.Name, Name: i.Name, Role: access.Responder, Tenant: i.Tenant}
	valid, bad := alerting.Parse(told.alerts, r.At, h.resolveAfter)
	for n := range valid {
		valid[n].Tenant = i.Tenant
		if i.Tenant == "" {
			valid[n].Tenant = valid[n].Labels["tenant"] // the operator's tools may speak of any tenant
		}
	}
	if len(valid) > 0 {
		if err := h.alerts.ReceiveAlerts(ctx, who, valid, incidents.Router{}); err != nil {
			return hook.Answer{}, err
		}
	}
	for _, c := range told.changes {
		if _, err := h.store.TellChange(ctx, who, c.Change, c.key); err != nil {
			return hook.Answer{}, err
		}
	}
	return told.answer, bad
}

// once refuses a call whose token has told something else before.
func (h *hooks) once(ctx context.Context, i definitions.Integration, o *inbound.Once) error {
	if o == nil {
		return nil
	}
	counts, err := h.store.TellOnce(ctx, i.Name, o.Token, o.Digest)
	if err == nil && !counts {
		return fault.New(fault.Unauthorized, "the call's token was used before, for something else")
	}
	return err
}

// answering does what replies through an integration say.
func (h *hooks) answering(i definitions.Integration) incidents.Answering {
	return func(ctx context.Context, r incidents.Reply) (incidents.Incident, error) {
		switch r.Action {
		case incidents.ReplyDelivered, incidents.ReplyUndelivered:
			delivered := r.Action == incidents.ReplyDelivered
			return incidents.Incident{}, h.deliveries.RecordDelivery(ctx, r.Provider, r.ProviderID, delivered, r.Text, r.At)
		}
		if i.Type == definitions.ReplyTwilio { // who answers counts as the person who was called
			r.By.Name = cmp.Or(h.personAt(r.By.Name), r.By.Name)
		}
		who := access.Principal{ID: r.By.ID, Name: r.By.Name, Role: access.Responder, Tenant: i.Tenant}
		return h.store.Answer(ctx, who, i.Name, r, h.origin(i))
	}
}

// origin says which targets are the integration itself, so that what came from there is not told there again. Only
// PagerDuty would call people by it; a chat message has to show what became of the incident, whoever said it. Where
// several PagerDuty services are paged and the integration does not say which it is, all of them are told: that changes
// nothing at the one that said it.
func (h *hooks) origin(i definitions.Integration) func(incidents.Target) bool {
	if i.Type != definitions.ReplyPagerDuty {
		return nil
	}
	if key := i.Options.RoutingKey; key != (incidents.Secret{}) {
		return func(t incidents.Target) bool { return t.PagerDuty != nil && t.PagerDuty.RoutingKey == key }
	}
	services := map[string]bool{}
	for t := range h.catalog().Targets() {
		if t.PagerDuty != nil {
			services[t.Key()] = true
		}
	}
	if len(services) > 1 {
		return nil
	}
	return func(t incidents.Target) bool { return t.PagerDuty != nil }
}
