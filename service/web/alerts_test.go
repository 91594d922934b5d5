package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// alertsOf is the world's alerts, judged by its silences.
type alertsOf struct{ w *world }

func (w *world) fillAlerts() {
	for _, a := range []struct{ tenant, name, severity string }{{"", "DiskFull", "warning"}, {"acme", "CheckoutDown", "critical"}, {"globex", "CheckoutDown", "critical"}} {
		labels := map[string]string{"alertname": a.name, "severity": a.severity, "service": "shop"}
		if a.tenant != "" {
			labels["tenant"] = a.tenant
		}
		w.alerts = append(w.alerts, alerting.Alert{
			Tenant: a.tenant, Fingerprint: alerting.Fingerprint(labels), Labels: labels, Annotations: map[string]string{"summary": "It burns for " + a.tenant},
			StartsAt: w.ago(20 * time.Minute), EndsAt: w.now.Add(time.Hour), GeneratorURL: "https://prometheus.example.com/graph",
		})
	}
}

// silence adds a silence in each state, of which one counts for an alert.
func (w *world) silence() {
	for _, s := range []struct {
		name, comment string
		begin, end    time.Duration
	}{{"DiskFull", "New disks are on their way; the old ones hold until Friday", -time.Hour, 3 * time.Hour}, {"CheckoutDown", "", 5 * time.Hour, 7 * time.Hour},
		{"CheckoutSlow", "load test", -3 * time.Hour, -time.Hour}} {
		w.silences = append(w.silences, alerting.Silence{
			ID: "6d8f0a52-" + s.name, Matchers: []alerting.Matcher{equalTo("alertname", s.name), {Name: "service", Value: "shop|search", IsRegex: true, IsEqual: true}},
			StartsAt: w.now.Add(s.begin), EndsAt: w.now.Add(s.end), CreatedBy: ada.Name, Comment: s.comment,
		})
	}
}

func (a alertsOf) Alerts(_ context.Context, scope access.Scope) ([]alerting.Alert, error) {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing != nil || w.empty {
		return nil, w.failing
	}
	judge := alerting.NewJudge(alerting.Rules{}, w.silences, nil, w.now)
	var found []alerting.Alert
	for _, al := range w.alerts {
		if v := judge.Verdict(al); v.Suppressed() {
			al.Verdict = &v
		}
		if scope.Allows(al.Tenant) {
			found = append(found, al)
		}
	}
	return found, nil
}

func (a alertsOf) Silences(_ context.Context, scope access.Scope, _ alerting.SilenceFilter) ([]alerting.Silence, error) {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.silences), func(s alerting.Silence) bool { return !scope.Allows(s.Tenant) }), w.failing
}

func (a alertsOf) PutSilence(_ context.Context, who access.Principal, s alerting.Silence) (alerting.Silence, error) {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if who.Tenant != "" {
		s.Tenant = who.Tenant
	}
	if err := alerting.CheckSilence(s, w.now); err != nil {
		return s, err
	}
	w.silences = append(w.silences, s.Begin("id-"+strings.ReplaceAll(s.Comment, " ", "-"), w.now))
	return w.silences[len(w.silences)-1], nil
}

func (a alertsOf) ExpireSilence(_ context.Context, who access.Principal, id string) error {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.silences {
		if s.ID == id && who.Scope().Allows(s.Tenant) {
			w.silences[i] = s.Expire(w.now)
			return nil
		}
	}
	return fault.New(fault.NotFound, "there is no such silence")
}

func TestOnePressSilencesAnAlertAndThePageSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	form := url.Values{"fingerprint": {w.alerts[1].Fingerprint}, "tenant": {"acme"}, "for": {"4h"}, "comment": {"new disks"}, "back": {"/alerts?state=active"}}
	a := post(t, app, "/silences", form)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/alerts?state=active" || len(w.silences) != 1 {
		t.Fatalf("%d %s %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	s := w.silences[0]
	if s.Tenant != "acme" || s.CreatedBy != ada.Name || !s.EndsAt.Equal(w.now.Add(4*time.Hour)) || len(s.Matchers) != 4 {
		t.Errorf("%+v", s)
	}
	if page := get(t, app, "/alerts?state=suppressed"); !page.has("silenced until 23 Nov, 18:27 UTC by ada@example.com: new disks") || page.has("DiskFull") {
		t.Error(page.body)
	}
	if page := get(t, app, "/alerts?state=active"); page.has("new disks") || !page.has("DiskFull") {
		t.Error(page.body)
	}
	if page := get(t, app, "/silences"); !page.has("new disks") || !page.has("alertname=&#34;CheckoutDown&#34;") || !page.has(">Expire<") {
		t.Error(page.body)
	}
	if a := post(t, app, "/silences/id-new-disks/expire", nil); a.StatusCode != http.StatusSeeOther || w.silences[0].State(w.now) != alerting.SilenceExpired {
		t.Errorf("%d %+v", a.StatusCode, w.silences[0])
	}
	if a := post(t, app, "/silences/"+w.silences[0].ID+"x/expire", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("%d", a.StatusCode)
	}
}

func TestAFilterSilencesAllThatItMatches(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	f := func(filter, lasts string, status, silences int) {
		t.Helper()
		a := post(t, app, "/silences", url.Values{"filter": {filter}, "for": {lasts}, "back": {"https://evil.example"}})
		if a.StatusCode != status || len(w.silences) != silences || status == http.StatusSeeOther && a.Header.Get("Location") != "/alerts" {
			t.Errorf("%q for %s: %d %s, %d silences", filter, lasts, a.StatusCode, a.Header.Get("Location"), len(w.silences))
		}
	}
	f(`{service="shop", alertname=~"Check.*,?"}`, "1h", http.StatusSeeOther, 1)
	f(`service="shop"`, "9y", http.StatusBadRequest, 1)
	f(`service=~".*"`, "1h", http.StatusBadRequest, 1) // every alert
	f(`service=~"["`, "1h", http.StatusBadRequest, 1)
	f(``, "1h", http.StatusSeeOther, 1) // nothing is said, so nothing is silenced
	if page := get(t, app, "/alerts?state=suppressed"); strings.Count(page.body, "alert-row held") != 2 {
		t.Error(page.body)
	}
}

func TestATenantSeesItsOwnAlertsAndNotWhoSilencedThem(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.silences = []alerting.Silence{{ID: "x", Matchers: []alerting.Matcher{equalTo("service", "shop")}, EndsAt: w.now.Add(time.Hour), CreatedBy: ada.Name, Comment: "secret"}}
	app := w.app(as(acme))
	page := get(t, app, "/alerts")
	if !page.has("It burns for acme") || page.has("globex") || page.has("DiskFull") || page.has("secret") || page.has(ada.Name) || !page.has("silenced by the people who run the service") {
		t.Error(page.body)
	}
	if page.has("<summary class=\"button\" aria-label=\"Silence") {
		t.Error("a viewer is offered to silence")
	}
	if a := post(t, app, "/silences", url.Values{"filter": {"service=shop"}, "for": {"1h"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("%d", a.StatusCode)
	}
	if page := get(t, app, "/silences"); page.has("secret") {
		t.Error(page.body)
	}
}

func FuzzReadFilter(f *testing.F) {
	for _, seed := range []string{``, `a=b`, `{a="b,c",d=~"e"}`, `a="\"",b!="c"`, `,,`, `a=~"["`, `{`, `a="`, `\`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, compiled, err := readFilter(text)
		if err == nil && len(read) != len(compiled) {
			t.Fatalf("%q: %v %v", text, read, compiled)
		}
	})
}
