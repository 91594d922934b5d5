package pagerduty

import (
	"cmp"
	"context"
	"net/http"
	"time"

	api "github.com/PagerDuty/go-pagerduty"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Change is a change to a service, for the timeline of the PagerDuty service that is paged for it. It pages nobody.
type Change struct {
	Summary string // what was changed; cut to MaxSummary
	Source  string // the service
	At      time.Time
	Details map[string]any
	URL     string // of the change; "" for none
}

// TellChange sends a change event. 202 is accepted; 400 is final; 429, 5xx and no answer are worth another try.
func (n *Notifier) TellChange(ctx context.Context, target incidents.PagerDutyTarget, c Change) error {
	key, err := notify.Resolve(target.RoutingKey, n.baseDir)
	if err != nil {
		return err
	}
	exchange := notify.NewExchange(n.transport)
	client := api.NewClient("", api.WithV2EventsAPIEndpoint(endpoint(target)))
	client.HTTPClient = exchange.Client()
	event := api.ChangeEvent{RoutingKey: key, Payload: api.ChangeEventPayload{
		Summary: cmp.Or(notify.Line(c.Summary, MaxSummary), "Change"), Source: notify.Line(c.Source, 255),
		Timestamp: c.At.UTC().Format(time.RFC3339), CustomDetails: c.Details,
	}}
	if address := notify.Link(c.URL, maxLink); address != "" {
		event.Links = []api.ChangeEventLink{{Href: address, Text: "Change"}}
	}
	_, err = client.CreateChangeEventWithContext(ctx, event)
	if err := exchange.Fault(ctx, "PagerDuty", notify.Scrub(said(exchange.Body), key), err); err != nil {
		return err
	}
	if exchange.Status != http.StatusAccepted {
		return fault.New(fault.Unavailable, "PagerDuty answered %d without accepting the change", exchange.Status)
	}
	return nil
}
