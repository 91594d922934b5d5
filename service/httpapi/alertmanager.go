package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// receiver is the one receiver that Alertmanager's API shows: who is paged is said by escalation policies.
const receiver = "nines"

// grouping are the labels that alerts are shown in groups by.
var grouping = []string{"alertname", "sloth_id", "service"}

// alertmanagerConfig is a configuration that amtool can read and that says what is true of us.
var alertmanagerConfig = `# Routing is done by Nines: escalation policies of SLOs and services say who is paged.
route:
  receiver: ` + receiver + `
  group_by: [` + strings.Join(grouping, ", ") + `]
receivers:
  - name: ` + receiver + `
`

// mountAlertmanager serves Alertmanager's API v2 as Prometheus, Grafana and amtool know it, statuses included.
func (a *API) mountAlertmanager(r fiber.Router) {
	ready := func(c *fiber.Ctx) error { return c.SendString("OK") }
	r.Get("/-/ready", ready)
	r.Get("/-/healthy", ready)

	v2 := r.Group("/api/v2")
	v2.Get("/alerts", allow(access.Viewer), a.amAlerts)
	v2.Post("/alerts", allow(access.Responder), a.amPostAlerts)
	v2.Get("/alerts/groups", allow(access.Viewer), a.amGroups)
	v2.Get("/status", allow(access.Viewer), a.amStatus)
	v2.Get("/receivers", allow(access.Viewer), func(c *fiber.Ctx) error { return c.JSON([]amReceiver{{receiver}}) })
	v2.Get("/silences", allow(access.Viewer), func(c *fiber.Ctx) error { return c.JSON([]struct{}{}) })
	v2.Post("/silences", allow(access.Responder), noSilences)
	v2.Get("/silence/:id", allow(access.Viewer), noSuchSilence)
	v2.Delete("/silence/:id", allow(access.Responder), noSuchSilence)
}

// allow lets through whoever has the role, tenants' people included: they get their own data.
func allow(role access.Role) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if err := access.PrincipalOf(c.UserContext()).Require(role); err != nil {
			return err
		}
		return c.Next()
	}
}

func noSilences(*fiber.Ctx) error {
	return refusal(http.StatusNotImplemented, "Nines keeps no silences; acknowledge the incident to stop its pages")
}

func noSuchSilence(*fiber.Ctx) error { return fault.New(fault.NotFound, "there is no such silence") }

type amReceiver struct {
	Name string `json:"name"`
}

type amAlertState struct {
	State       string   `json:"state"`
	SilencedBy  []string `json:"silencedBy"`
	InhibitedBy []string `json:"inhibitedBy"`
	MutedBy     []string `json:"mutedBy"`
}

// amAlert is an alert as Alertmanager shows it.
type amAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	UpdatedAt    time.Time         `json:"updatedAt"`
	Fingerprint  string            `json:"fingerprint"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Receivers    []amReceiver      `json:"receivers"`
	Status       amAlertState      `json:"status"`
}

type amGroup struct {
	Labels   map[string]string `json:"labels"`
	Receiver amReceiver        `json:"receiver"`
	Alerts   []amAlert         `json:"alerts"`
}

func amAlertOf(al alerting.Alert) amAlert {
	return amAlert{
		Labels: al.Labels, Annotations: al.Annotations, StartsAt: al.StartsAt.UTC(), EndsAt: al.EndsAt.UTC(), UpdatedAt: al.UpdatedAt.UTC(),
		Fingerprint: al.Fingerprint, GeneratorURL: al.GeneratorURL, Receivers: []amReceiver{{receiver}},
		Status: amAlertState{State: "active", SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}},
	}
}

func (a *API) amAlerts(c *fiber.Ctx) error {
	found, err := a.amFind(c)
	if err != nil {
		return err
	}
	shown := make([]amAlert, 0, len(found))
	for _, al := range found {
		shown = append(shown, amAlertOf(al))
	}
	return c.JSON(shown)
}

func (a *API) amGroups(c *fiber.Ctx) error {
	found, err := a.amFind(c)
	if err != nil {
		return err
	}
	groups, at := []amGroup{}, map[string]int{}
	for _, al := range found {
		labels := map[string]string{}
		for _, name := range grouping {
			if v := al.Labels[name]; v != "" {
				labels[name] = v
			}
		}
		key := fmt.Sprint(labels) // sorted by name
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, amGroup{Labels: labels, Receiver: amReceiver{receiver}})
		}
		groups[i].Alerts = append(groups[i].Alerts, amAlertOf(al))
	}
	return c.JSON(groups)
}

// amFind answers Alertmanager's filter parameters. Nothing is silenced or inhibited, so every alert is active, and
// processed once it is stored.
func (a *API) amFind(c *fiber.Ctx) ([]alerting.Alert, error) {
	matchers, err := alerting.ParseMatchers(queryAll(c, "filter"))
	if err != nil {
		return nil, err
	}
	active, err := amFlags(c)
	if err != nil {
		return nil, err
	}
	if pattern := c.Query("receiver"); pattern != "" {
		if len(pattern) > alerting.MaxMatcherBytes {
			return nil, fault.New(fault.Invalid, "receiver: is too long")
		}
		wanted, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "receiver: is not a regular expression")
		}
		active = active && wanted.MatchString(receiver)
	}
	if !active {
		return nil, nil
	}
	return a.alertsIn(c.UserContext(), access.PrincipalOf(c.UserContext()).Scope(), true, matchers)
}

// amFlags reads the state filters, all true unless set, and reports whether active alerts are asked for.
func amFlags(c *fiber.Ctx) (active bool, err error) {
	active = true
	for _, name := range []string{"active", "silenced", "inhibited", "unprocessed"} {
		switch value := c.Query(name, "true"); value {
		case "true", "1":
		case "false", "0":
			active = active && name != "active"
		default:
			return false, fault.New(fault.Invalid, "%s: must be true or false", name)
		}
	}
	return active, nil
}

func queryAll(c *fiber.Ctx, name string) []string {
	var values []string
	for _, v := range c.Context().QueryArgs().PeekMulti(name) {
		values = append(values, string(v))
	}
	return values
}

// alertsIn returns the alerts in scope that the matchers select, in order of fingerprint and tenant.
func (a *API) alertsIn(ctx context.Context, scope access.Scope, firing bool, matchers alerting.Matchers) ([]alerting.Alert, error) {
	all, err := a.deps.Alerts.Alerts(ctx, scope, firing)
	if err != nil {
		return nil, err
	}
	found := make([]alerting.Alert, 0, len(all))
	for _, al := range all {
		if scope.Allows(al.Tenant) && matchers.Match(al.Labels) {
			al.Labels, al.Annotations = labelsOf(al.Labels), labelsOf(al.Annotations)
			found = append(found, al)
		}
	}
	slices.SortFunc(found, func(x, y alerting.Alert) int {
		return strings.Compare(x.Fingerprint+x.Tenant, y.Fingerprint+y.Tenant)
	})
	return found, nil
}

func (a *API) amStatus(c *fiber.Ctx) error {
	return c.JSON(fiber.Map{
		"cluster": fiber.Map{"status": "disabled", "peers": []string{}},
		"config":  fiber.Map{"original": alertmanagerConfig},
		"uptime":  a.began.UTC(),
		"versionInfo": fiber.Map{
			"version": a.config.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
		},
	})
}

// answerAlertmanagerProblem words a Problem as Alertmanager does: a JSON string where its API names the status, an object
// with code and message elsewhere.
func answerAlertmanagerProblem(c *fiber.Ctx, p *Problem) error {
	switch p.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusInternalServerError:
		return c.JSON(p.Detail)
	}
	return c.JSON(fiber.Map{"code": p.Status, "message": p.Detail})
}
