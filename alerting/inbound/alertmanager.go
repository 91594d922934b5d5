package inbound

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// group is the body of Alertmanager's webhook, version 4, which Grafana's resembles.
type group struct {
	Version         text           `json:"version"`
	Alerts          []groupedAlert `json:"alerts"`
	TruncatedAlerts int            `json:"truncatedAlerts"`
	ExternalURL     text           `json:"externalURL"`
}

type groupedAlert struct {
	Status       text    `json:"status"`
	Labels       object  `json:"labels"`
	Annotations  object  `json:"annotations"`
	StartsAt     instant `json:"startsAt"`
	EndsAt       instant `json:"endsAt"`
	GeneratorURL text    `json:"generatorURL"`
	// Grafana's own
	SilenceURL   text `json:"silenceURL"`
	DashboardURL text `json:"dashboardURL"`
	PanelURL     text `json:"panelURL"`
	ValueString  text `json:"valueString"`
}

func readAlertmanager(src Source, r hook.Request) (Received, error) {
	var g group
	if err := readJSON(r.Body, &g); err != nil {
		return Received{}, err
	}
	if g.Version != "4" {
		return refuse("version: is %q; point a webhook receiver of Alertmanager 0.5 or later here, which sends version 4",
			clip(string(g.Version), 20))
	}
	return g.received(src, r)
}

// received reads the alerts of a group. They have labels of their own, which say what they are: the key is their
// fingerprint, and they share incidents by name and service as if Prometheus had told them. One that cannot be read does
// not lose the others.
func (g group) received(src Source, r hook.Request) (Received, error) {
	if len(g.Alerts) > alerting.MaxAlerts {
		return Received{}, fault.New(fault.TooLarge, "alerts: are %d; the most in one call is %d", len(g.Alerts), alerting.MaxAlerts)
	}
	var got Received
	var wrong problems
	for n, a := range g.Alerts {
		labels := a.Labels.strings()
		switch {
		case len(labels) == 0:
			wrong.add("alerts["+strconv.Itoa(n)+"].labels", "are missing; an alert needs at least one")
			continue
		case a.Status != "firing" && a.Status != "resolved":
			wrong.add("alerts["+strconv.Itoa(n)+"].status", "is %q; it has to be firing or resolved", clip(string(a.Status), 20))
			continue
		}
		got.Alerts = append(got.Alerts, src.post(a.event(labels), r.At))
	}
	if len(got.Alerts) == 0 {
		return got, wrong.err()
	}
	got.Answer = accepted(strings.Join(append(wrong.lines(), g.cutOff()...), "; "))
	return got, nil
}

// cutOff says what the sender left out by a limit of its own.
func (g group) cutOff() []string {
	if g.TruncatedAlerts <= 0 {
		return nil
	}
	return []string{strconv.Itoa(g.TruncatedAlerts) + " alerts were cut off by the sender; set max_alerts to 0"}
}

func (a groupedAlert) event(labels map[string]string) event {
	notes := a.Annotations.strings()
	for name, value := range map[string]text{
		"dashboard_url": a.DashboardURL, "panel_url": a.PanelURL, "silence_url": a.SilenceURL, "values": a.ValueString,
	} {
		if value != "" && notes[name] == "" {
			notes[name] = string(value)
		}
	}
	e := event{
		key: alerting.Fingerprint(labels), grouped: true, ended: a.Status == "resolved", name: labels["alertname"], labels: labels,
		starts: a.StartsAt.Time, annotations: notes, link: cmp.Or(string(a.GeneratorURL), string(a.PanelURL)),
	}
	if e.ended {
		e.ends = a.EndsAt.Time // of a firing one it is a guess of the sender's
	}
	return e
}

// The headers of Grafana's signed webhooks, by default and as its documentation suggests.
const (
	grafanaSignature = "X-Grafana-Alerting-Signature"
	grafanaTimestamp = "X-Grafana-Alerting-Timestamp"
)

// verifyGrafana takes a token, or the HMAC that Grafana 12 can sign with: over the body, or over its date, a colon and
// the body.
func verifyGrafana(ctx context.Context, src Source, r hook.Request) error {
	signature, date := r.Header.Get(grafanaSignature), r.Header.Get(grafanaTimestamp)
	switch {
	case signature == "":
		return verifyToken(ctx, src, r)
	case date == "" && src.signedBy(signature, r.Body):
		return nil
	case recent(date, r.At, replayWindow) && src.signedBy(signature, append([]byte(date+":"), r.Body...)):
		return nil
	}
	return unauthorized()
}

func readGrafana(src Source, r hook.Request) (Received, error) {
	var g group
	if err := readJSON(r.Body, &g); err != nil {
		return Received{}, err
	}
	if g.Alerts == nil {
		return refuse("alerts: are missing; send with a webhook contact point of Grafana Alerting without a payload of its own")
	}
	return g.received(src, r)
}
