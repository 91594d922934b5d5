package incidents

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Outcomes of an attempt.
const (
	OutcomeSent     = "sent"
	OutcomeRetry    = "retry"
	OutcomeFailed   = "failed"
	OutcomeCanceled = "canceled"
)

// attempt sends one message, a claimed page or a bundle of them, and writes down how that went for each.
func (d *dispatch) attempt(ctx context.Context, c Claim, claimedAt time.Time) {
	ctx, cancel := context.WithDeadline(ctx, claimedAt.Add(PageLease-time.Second))
	m := message{claims: append([]Claim{c}, c.With...), provider: c.Page.Target.Provider()}
	ctx, span := d.span(ctx, c, m.provider)
	started := d.Now()
	receipt, err := d.tell(ctx, &m)
	cancel()
	took := d.Now().Sub(started)
	for n, one := range m.claims {
		a := one.Attempt
		a.Provider, a.Took = m.provider, took
		why, failure := m.unwanted[n], err
		if why == "" {
			a.StatusCode, a.ProviderID = receipt.StatusCode, clip(receipt.ProviderID, 300)
		}
		if m.held[n] != nil {
			failure = m.held[n]
		}
		retryIn := d.conclude(&a, one, failure, why)
		d.finish(context.WithoutCancel(ctx), one, a, retryIn)
		if n == 0 {
			endSpan(span, a)
		}
		d.report(one, a, failure)
	}
}

// message is what goes to a target at once: a page, or a bundle of pages of several incidents.
type message struct {
	claims   []Claim
	provider string
	unwanted map[int]string // why a claim is not wanted any more
	held     map[int]error  // why a claim has to wait
}

// tell checks which of the message's pages are still wanted and sends those.
func (d *dispatch) tell(ctx context.Context, m *message) (Receipt, error) {
	notifier, ok := d.Notifiers[m.provider]
	if !ok {
		return Receipt{}, fault.New(fault.Invalid, "nothing is set up to send by %s", orUnknown(m.provider))
	}
	if broken := m.claims[0].Broken; broken != "" {
		return Receipt{}, fault.New(fault.Invalid, "%s", broken)
	}
	gate := d.gates[m.provider]
	if !gate.enter(ctx) {
		return Receipt{}, fault.New(fault.Unavailable, "%d earlier pages still wait for an answer of %s; not tried yet", d.Workers, m.provider)
	}
	defer gate.leave()
	note, wanted := d.lastLook(ctx, m)
	if !wanted {
		return Receipt{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, PageTimeout)
	defer cancel()
	return send(ctx, notifier, note)
}

// lastLook sorts out what is not wanted any more, or has to wait, and returns the notification about the rest.
func (d *dispatch) lastLook(ctx context.Context, m *message) (Notification, bool) {
	m.unwanted, m.held = map[int]string{}, map[int]error{}
	var pages []Claim
	for n, c := range m.claims {
		c.Incident = d.current(ctx, c)
		switch why := unwanted(c, c.Incident); {
		case why != "":
			m.unwanted[n] = why
		case c.Page.Action == ActionTrigger && c.Incident.Held != "":
			m.held[n] = fault.New(fault.Unavailable, "held by %s", c.Incident.Held)
		default:
			pages = append(pages, c)
		}
	}
	switch len(pages) {
	case 0:
		return Notification{}, false
	case 1:
		c := pages[0]
		return Notification{
			Page: c.Page, Incident: c.Incident, IncidentURL: d.incidentURL(c.Incident), Thread: c.Thread, Text: c.Page.Text, At: d.Now(),
		}, true
	}
	return d.bundle(pages), true
}

// current returns the incident at this moment. When the storage fails to answer, the incident as it was claimed, a few
// seconds ago at most, must do: a page too many is better than none.
func (d *dispatch) current(ctx context.Context, c Claim) Incident {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	incident, err := d.Outbox.Current(ctx, c.Page.Incident)
	if err != nil {
		d.Log.Warn("a page is sent without a last look at its incident", "incident", c.Page.Incident, "page", c.Page.ID, "error", err)
		return c.Incident
	}
	return incident
}

// unwanted says why a page is not to be sent any more, and "" if it is. Resolve pages always go, but to telephones that
// were not called, and updates wherever there is a thread.
func unwanted(c Claim, i Incident) string {
	a := c.Page.Action
	switch {
	case a == ActionUpdate && c.Thread == "":
		return "no page to it was accepted, so it has no thread"
	case a != ActionTrigger && c.Page.Target.Voice != nil && c.Thread == "":
		return "nobody was called, and nobody is called to be told that"
	case a == ActionResolve, a == ActionUpdate, a == ActionStatus:
		return ""
	case i.State == Resolved:
		return "the incident was resolved before it was sent"
	case a == ActionTrigger && c.Page.Turn != i.Turn:
		return "paging had begun anew before it was sent"
	case a == ActionTrigger && i.State == Acknowledged && !slices.Contains(i.Awaited, c.Page.Person):
		return "the incident was acknowledged before it was sent"
	case a == ActionAcknowledge && i.State == Triggered:
		return "the acknowledgement was taken back before it was sent"
	}
	return ""
}

// send calls the notifier; a panic in it is its failure, not ours.
func send(ctx context.Context, n Notifier, note Notification) (r Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "the notifier crashed")
		}
	}()
	return n.Send(ctx, note)
}

func (d *dispatch) incidentURL(i Incident) string {
	if d.BaseURL == "" {
		return ""
	}
	return strings.TrimRight(d.BaseURL, "/") + "/incidents/" + url.PathEscape(i.ID)
}

// conclude sets the attempt's outcome and returns when a retry is due.
func (d *dispatch) conclude(a *Attempt, c Claim, err error, why string) time.Duration {
	switch {
	case why != "":
		a.Outcome, a.Error = OutcomeCanceled, why
	case err == nil:
		a.Outcome = OutcomeSent
	case !transient(err):
		a.Outcome, a.Error = OutcomeFailed, publicWords(err)
	case c.Page.Attempts >= PageAttempts && d.Now().Sub(c.Page.CreatedAt) >= time.Hour:
		a.Outcome, a.Error = OutcomeFailed, fmt.Sprintf("%s; given up after %d attempts", publicWords(err), c.Page.Attempts)
	default:
		a.Outcome, a.Error, a.LeaveAlone = OutcomeRetry, publicWords(err), retryAfter(err)
		return RetryIn(c.Page.Attempts, retryAfter(err))
	}
	return 0
}

// transient reports whether trying again may help; see Notifier.
func transient(err error) bool {
	switch fault.KindOf(err) {
	case fault.Limited, fault.Unavailable, fault.Timeout, fault.Internal:
		return true
	}
	return false
}

// publicWords is what a person may read of a notifier's error: its message, and never its cause, which may hold an address
// with a secret in it.
func publicWords(err error) string {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return clip(f.Message, 500)
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return "the notifier failed in a way it does not explain"
}

func retryAfter(err error) time.Duration {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.RetryAfter
	}
	return 0
}

const (
	firstRetry = 15 * time.Second
	maxRetry   = 15 * time.Minute
)

// RetryIn returns how long to wait after the attempt with the number (1-based) failed: 15 s, doubling up to 15 min, plus
// up to a quarter so that retries of many pages spread; at least what the provider asks for, up to 15 min.
func RetryIn(attempt int, asked time.Duration) time.Duration {
	wait := maxRetry
	if attempt >= 1 && attempt <= 6 {
		wait = firstRetry << (attempt - 1)
	}
	wait = max(wait, min(asked, maxRetry))
	return wait + rand.N(wait/4+1)
}

func (d *dispatch) span(ctx context.Context, c Claim, provider string) (context.Context, trace.Span) {
	carrier := propagation.MapCarrier{"traceparent": c.Page.Trace}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier)
	return otel.Tracer("github.com/nines-sre/nines/incidents").Start(ctx, "page "+orUnknown(provider),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("nines.incident", c.Page.Incident),
			attribute.String("nines.page.action", string(c.Page.Action)),
			attribute.Int64("nines.page.id", c.Page.ID),
			attribute.Int("nines.page.attempt", c.Page.Attempts),
			attribute.String("nines.owner", d.Owner),
		))
}

func endSpan(span trace.Span, a Attempt) {
	span.SetAttributes(attribute.String("nines.page.outcome", a.Outcome))
	if a.StatusCode != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", a.StatusCode))
	}
	if a.Outcome == OutcomeRetry || a.Outcome == OutcomeFailed {
		span.SetStatus(codes.Error, a.Error)
	}
	span.End()
}

// report tells the log and the observer. A crash is logged with its cause, everything else with its message only.
func (d *dispatch) report(c Claim, a Attempt, err error) {
	if d.Observe != nil {
		d.Observe.Attempted(a.Provider, c.Page.Action, a.Outcome, a.Took, d.Now().Sub(c.Page.due()))
	}
	log := d.Log.With("incident", c.Page.Incident, "page", c.Page.ID, "provider", a.Provider,
		"action", c.Page.Action, "attempt", c.Page.Attempts, "owner", d.Owner)
	switch a.Outcome {
	case OutcomeRetry:
		log.Warn("a page was not sent; it is tried again", "reason", a.Error)
	case OutcomeFailed:
		log.Error("a page has failed for good", "reason", a.Error)
	default:
		log.Info("page "+a.Outcome, "took", a.Took)
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Internal && f.Cause != nil {
		log.Error("a notifier failed unexpectedly", "error", f.Cause)
	}
}

func orUnknown(provider string) string {
	if provider == "" {
		return "no provider"
	}
	return provider
}
