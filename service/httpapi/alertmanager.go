package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// receiver is the receiver of alerts that page nobody: they are recorded and shown.
const receiver = "nines"

// mountAlertmanager serves Alertmanager's API v2 as Prometheus, Grafana and amtool know it, statuses included.
func (a *API) mountAlertmanager(r fiber.Router) {
	ready := func(c *fiber.Ctx) error { return c.SendString("OK") }
	r.Get("/-/ready", ready)
	r.Get("/-/healthy", ready)
	r.Post("/-/reload", allow(access.Responder), noReload)

	v2 := r.Group("/api/v2")
	v2.Get("/alerts", allow(access.Viewer), a.amAlerts)
	v2.Post("/alerts", allow(access.Responder), a.amPostAlerts)
	v2.Get("/alerts/groups", allow(access.Viewer), a.amGroups)
	v2.Get("/status", allow(access.Viewer), a.amStatus)
	v2.Get("/receivers", allow(access.Viewer), a.amReceivers)
	v2.Get("/silences", allow(access.Viewer), a.amSilences)
	v2.Post("/silences", allow(access.Responder), a.amPutSilence)
	v2.Get("/silence/:id", allow(access.Viewer), a.amSilence)
	v2.Delete("/silence/:id", allow(access.Responder), a.amExpireSilence)
}

// noReload answers what asks Alertmanager to read its file again.
func noReload(*fiber.Ctx) error {
	return refusal(http.StatusNotImplemented, "Nines has no file to reload: change its definitions with 'nines apply', which takes effect at once")
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

// amTime is a time as Alertmanager writes it, to the millisecond.
func amTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// amShown shows an alert, the receiver being the policy that it would page.
func (v *amView) amShown(al alerting.Alert) amAlert {
	status := amAlertState{State: stateOf(al), SilencedBy: []string{}, InhibitedBy: []string{}, MutedBy: []string{}}
	if by := al.Verdict; by != nil {
		status.SilencedBy, status.InhibitedBy, status.MutedBy = list(by.SilencedBy), list(by.InhibitedBy), list(by.MutedBy)
	}
	return amAlert{
		Labels: al.Labels, Annotations: al.Annotations, StartsAt: amTime(al.StartsAt), EndsAt: amTime(al.EndsAt), UpdatedAt: amTime(al.UpdatedAt),
		Fingerprint: al.Fingerprint, GeneratorURL: al.GeneratorURL, Receivers: []amReceiver{{v.receiverOf(al)}}, Status: status,
	}
}

// amView is how one principal sees alerts.
type amView struct {
	router   incidents.Router
	now      time.Time
	operator bool // policies are the operator's; tenants see one receiver
}

func (a *API) amView(c *fiber.Ctx) *amView {
	return &amView{router: a.deps.Router(), now: a.deps.Now(), operator: access.PrincipalOf(c.UserContext()).Tenant == ""}
}

func factsOf(al alerting.Alert) incidents.AlertFacts {
	return incidents.AlertFacts{
		Tenant: al.Tenant, Fingerprint: al.Fingerprint, Labels: al.Labels, Annotations: al.Annotations, StartsAt: al.StartsAt, EndsAt: al.EndsAt,
	}
}

func (v *amView) receiverOf(al alerting.Alert) string {
	if !v.operator {
		return receiver
	}
	s := v.router.Signal(factsOf(al), v.now)
	if s.Drop || !s.Severity.Pages() || s.Policy.Name == "" {
		return receiver
	}
	return s.Policy.Name
}

// receivers are the names of all receivers: Nines itself first, then the policies in order.
func (v *amView) receivers() []string {
	names := []string{receiver}
	if v.operator {
		for _, name := range slices.Sorted(maps.Keys(v.router.Policies)) {
			if name != receiver {
				names = append(names, name)
			}
		}
	}
	return names
}

func (a *API) amReceivers(c *fiber.Ctx) error {
	shown := []amReceiver{}
	for _, name := range a.amView(c).receivers() {
		shown = append(shown, amReceiver{name})
	}
	return c.JSON(shown)
}

func (a *API) amAlerts(c *fiber.Ctx) error {
	found, err := a.amFind(c)
	if err != nil {
		return err
	}
	return c.JSON(list(found))
}

// amGroups shows alerts grouped as their incidents are, in order of receiver and labels.
func (a *API) amGroups(c *fiber.Ctx) error {
	found, err := a.amFind(c)
	if err != nil {
		return err
	}
	view := a.amView(c)
	groups, at := []amGroup{}, map[string]int{}
	for _, al := range found {
		key, labels := view.router.Group(incidents.AlertFacts{Labels: al.Labels, Annotations: al.Annotations, Fingerprint: al.Fingerprint})
		key += "\x00" + al.Receivers[0].Name
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, amGroup{Labels: labels, Receiver: al.Receivers[0]})
		}
		groups[i].Alerts = append(groups[i].Alerts, al)
	}
	slices.SortStableFunc(groups, func(x, y amGroup) int {
		return cmp.Or(strings.Compare(x.Receiver.Name, y.Receiver.Name), strings.Compare(fmt.Sprint(x.Labels), fmt.Sprint(y.Labels)))
	})
	return c.JSON(groups)
}

// amFind answers Alertmanager's filter parameters. Every stored alert is processed.
func (a *API) amFind(c *fiber.Ctx) ([]amAlert, error) {
	matchers, err := alerting.ParseMatchers(queryAll(c, "filter"))
	if err != nil {
		return nil, err
	}
	shows, err := readAmFlags(c)
	if err != nil {
		return nil, err
	}
	wanted := regexp.MustCompile("")
	if pattern := c.Query("receiver"); pattern != "" {
		if len(pattern) > alerting.MaxMatcherBytes {
			return nil, fault.New(fault.Invalid, "receiver: is too long")
		}
		if wanted, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "receiver: is not a regular expression")
		}
	}
	all, err := a.alertsIn(c.UserContext(), access.PrincipalOf(c.UserContext()).Scope(), true, matchers)
	if err != nil {
		return nil, err
	}
	view := a.amView(c)
	var found []amAlert
	for _, al := range all {
		if shown := view.amShown(al); shows.lets(shown.Status) && wanted.MatchString(shown.Receivers[0].Name) {
			found = append(found, shown)
		}
	}
	return found, nil
}

// amFlags says which alerts are asked for.
type amFlags struct{ active, silenced, inhibited, muted bool }

func (f amFlags) lets(s amAlertState) bool {
	return (f.active || s.State != "active") && (f.silenced || len(s.SilencedBy) == 0) && (f.inhibited || len(s.InhibitedBy) == 0) &&
		(f.muted || len(s.MutedBy) == 0)
}

// readAmFlags reads the state filters, all true unless set.
func readAmFlags(c *fiber.Ctx) (f amFlags, err error) {
	var unprocessed bool
	for name, flag := range map[string]*bool{
		"active": &f.active, "silenced": &f.silenced, "inhibited": &f.inhibited, "muted": &f.muted, "unprocessed": &unprocessed,
	} {
		switch value := c.Query(name, "true"); value {
		case "true", "1":
			*flag = true
		case "false", "0":
		default:
			return f, fault.New(fault.Invalid, "%s: must be true or false", name)
		}
	}
	return f, nil
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
		"config":  fiber.Map{"original": a.amView(c).config(a.deps.AlertRules())},
		"uptime":  a.began.UTC(),
		"versionInfo": fiber.Map{
			"version": a.config.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
		},
	})
}

// answerAlertmanagerProblem words a Problem as Alertmanager does: a JSON string where its handlers refuse what they read,
// an object with code and message for what never reaches them.
func answerAlertmanagerProblem(c *fiber.Ctx, p *Problem) error {
	switch p.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusInternalServerError:
		if !p.worded {
			return c.JSON(p.Detail)
		}
	}
	return c.JSON(fiber.Map{"code": p.Status, "message": p.Detail})
}
