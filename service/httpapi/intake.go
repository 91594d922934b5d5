package httpapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
)

// largePosting is the size of a body, in bytes, from which reading it lets what is urgent go first.
const largePosting = 8 << 10

// amPostAlerts answers 200 only after every good alert has been committed. Bad ones among them are a 400 all the same, so
// that their source learns of it.
func (a *API) amPostAlerts(c *fiber.Ctx) error {
	if err := wantJSON(c); err != nil {
		return err
	}
	if len(c.Body()) > largePosting {
		a.deps.Alerts.GiveWay(c.UserContext())
	}
	posted, err := readPosted(c.Body())
	if err != nil {
		return err
	}
	ctx, span := otel.Tracer(instrumentation).Start(c.UserContext(), "receive alerts")
	defer span.End()
	valid, bad := alerting.Parse(posted, a.deps.Now(), a.config.ResolveTimeout)
	span.SetAttributes(attribute.Int("nines.alerts.posted", len(posted)), attribute.Int("nines.alerts.valid", len(valid)))
	who := access.PrincipalOf(ctx)
	for i := range valid {
		valid[i] = owned(valid[i], who)
	}
	if len(valid) > 0 {
		if err := a.deps.Alerts.ReceiveAlerts(ctx, who, valid, a.deps.Router()); err != nil {
			span.SetStatus(codes.Error, "")
			return err
		}
	}
	if bad != nil {
		return bad
	}
	return c.SendStatus(http.StatusOK)
}

// owned says whose the alert is. The operator's sources name the tenant in a label; a tenant's own source speaks for that
// tenant alone, whatever the label says.
func owned(al alerting.Alert, who access.Principal) alerting.Alert {
	if who.Tenant == "" {
		al.Tenant = al.Labels["tenant"]
		return al
	}
	al.Tenant = who.Tenant
	if claimed := al.Labels["tenant"]; claimed != "" && claimed != who.Tenant {
		al.Labels = maps.Clone(al.Labels)
		al.Labels["tenant"] = who.Tenant
		al.Fingerprint = alerting.Fingerprint(al.Labels)
	}
	return al
}

// postedAlert tells labels that are missing from labels that are empty.
type postedAlert struct {
	Labels       *map[string]string `json:"labels"`
	Annotations  map[string]string  `json:"annotations"`
	StartsAt     time.Time          `json:"startsAt"`
	EndsAt       time.Time          `json:"endsAt"`
	GeneratorURL string             `json:"generatorURL"`
}

// readPosted reads the body of a posting. What is no list of alerts is a 400, a missing part a 422, as in Alertmanager.
func readPosted(body []byte) ([]alerting.PostedAlert, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, refusal(http.StatusUnprocessableEntity, "alerts in body is required")
	}
	var read []*postedAlert
	if err := json.Unmarshal(body, &read); err != nil {
		return nil, unreadable(err, "parsing alerts body failed: send a list of alerts with string labels and RFC 3339 times")
	}
	posted := make([]alerting.PostedAlert, 0, len(read))
	for i, p := range read {
		if p == nil || p.Labels == nil {
			return nil, refusal(http.StatusUnprocessableEntity, "%d.labels in body is required", i)
		}
		posted = append(posted, alerting.PostedAlert{
			Labels: *p.Labels, Annotations: p.Annotations, StartsAt: p.StartsAt, EndsAt: p.EndsAt, GeneratorURL: p.GeneratorURL,
		})
	}
	return posted, nil
}
