package web

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	body string
}

func (a answer) has(text string) bool { return strings.Contains(a.body, text) }

func ask(t *testing.T, app *fiber.App, request *http.Request) answer {
	t.Helper()
	response, err := app.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, string(body)}
}

func get(t *testing.T, app *fiber.App, path string) answer {
	t.Helper()
	return ask(t, app, httptest.NewRequest(http.MethodGet, path, nil))
}

func post(t *testing.T, app *fiber.App, path string, form url.Values) answer {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ask(t, app, request)
}

var tagForm = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:[^>"]|"[^"]*")*)>`)

var voidTags = regexp.MustCompile(`^(meta|link|input|br|hr|img|!doctype)$`)

// malformed returns the first tag that does not fit, or "".
func malformed(page string) string {
	var open []string
	for _, m := range tagForm.FindAllStringSubmatch(page, -1) {
		name := strings.ToLower(m[2])
		switch {
		case voidTags.MatchString(name) || strings.HasSuffix(m[3], "/"):
		case m[1] == "":
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			return "</" + name + "> while open: " + strings.Join(open, " ")
		default:
			open = open[:len(open)-1]
		}
	}
	return strings.Join(open, " ")
}

var (
	inlineBody = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|href="javascript:`)
	inlineAttr = regexp.MustCompile(`(?i)\s(style|on[a-z]+)\s*=`)
	quoted     = regexp.MustCompile(`"[^"]*"`)
	brokenText = regexp.MustCompile(`NaN|Inf\b|%!|<nil>|0001-01-01|\bundefined\b`)
	idForm     = regexp.MustCompile(`\sid="([^"]*)"`)
)

// inlineCode returns the first script or style that stands in the page itself, or "".
func inlineCode(page string) string {
	if bad := inlineBody.FindString(page); bad != "" {
		return bad
	}
	for _, tag := range tagForm.FindAllStringSubmatch(page, -1) {
		if inlineAttr.MatchString(quoted.ReplaceAllString(tag[3], `""`)) {
			return tag[0]
		}
	}
	return ""
}

// sound checks what holds for every page, whatever is on it.
func sound(t *testing.T, name string, a answer) {
	t.Helper()
	if tag := malformed(a.body); tag != "" {
		t.Errorf("%s: not well formed at %s", name, tag)
	}
	if bad := inlineCode(a.body); bad != "" {
		t.Errorf("%s: the content policy forbids %q", name, bad)
	}
	if bad := brokenText.FindString(a.body); bad != "" {
		at := strings.Index(a.body, bad)
		t.Errorf("%s: shows %q in %q", name, bad, a.body[max(0, at-60):at])
	}
	seen := map[string]bool{}
	for _, m := range idForm.FindAllStringSubmatch(a.body, -1) {
		if seen[m[1]] {
			t.Errorf("%s: id %q stands twice", name, m[1])
		}
		seen[m[1]] = true
	}
	if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
		t.Errorf("%s: content policy %q", name, csp)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: may be cached: %q", name, a.Header.Get("Cache-Control"))
	}
}

var allPages = []string{
	"/", "/slos/shop-availability", "/slos/shop-availability?tenant=globex", "/slos/shop-availability?tenant=acme&range=1h", "/slos/shop-checkout-latency",
	"/slos/search-freshness", "/incidents", "/incidents?state=open", "/incidents?state=resolved&before=20", "/incidents?state=nonsense&before=x",
	"/alerts", "/alerts?state=suppressed", "/alerts?filter=severity%3D~%22c.*%22", "/alerts?filter=%3D%3D", "/silences", "/silences?filter=a%3Db", "/policies", "/policies/shop-oncall", "/policies/loud",
	"/incidents/42", "/incidents/41", "/incidents/40", "/incidents/42/postmortem", "/reports", "/reports?tenant=globex&month=2026-10",
	"/runbooks/error-budget-burn", "/sign-in",
}

func TestEveryPageRendersInEveryCondition(t *testing.T) {
	t.Parallel()
	conditions := map[string]func(*world){
		"full": func(*world) {}, "empty": func(w *world) { w.empty = true },
		"failing":  func(w *world) { w.failing = errEngine },
		"internal": func(w *world) { w.failing = io.ErrUnexpectedEOF },
		"not numbers": func(w *world) {
			for i := range w.statuses {
				w.statuses[i].Remaining, w.statuses[i].Burn, w.statuses[i].Coverage = math.NaN(), math.Inf(1), math.NaN()
			}
			w.incidents[0].BudgetSpent = new(float64)
			*w.incidents[0].BudgetSpent = math.NaN()
		},
	}
	for condition, prepare := range conditions {
		for _, who := range []access.Principal{ada, vic, acme} {
			w := newWorld()
			prepare(w)
			app := w.app(as(who))
			for _, path := range allPages {
				a := get(t, app, path)
				name := condition + " " + who.Name + " " + path
				if a.StatusCode == http.StatusSeeOther {
					continue // signed in already
				}
				sound(t, name, a)
				if a.StatusCode >= 500 && (condition == "full" || condition == "empty") {
					t.Errorf("%s: %d", name, a.StatusCode)
				}
				if strings.Contains(a.body, "unexpected EOF") {
					t.Errorf("%s: shows the cause of an internal error", name)
				}
			}
		}
	}
}

func TestMissingIsShownAsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	full := get(t, w.app(as(ada)), "/")
	for _, want := range []string{"no traffic seen", "coverage 40.4", "overspent by 15.4", "38.2\u00a0% left", "14.2×"} {
		if !full.has(want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	w.failing = errEngine
	app := w.app(as(ada))
	overview := get(t, app, "/")
	if overview.StatusCode != http.StatusOK || !overview.has("The metrics engine does not answer. Missing here: the state of the whole, promises, incidents.") {
		t.Errorf("the overview answers %d and does not say what is missing", overview.StatusCode)
	}
	if overview.has("No open incidents") || overview.has("No promises yet") {
		t.Error("what could not be asked is shown as nothing")
	}
	promise := get(t, app, "/slos/shop-availability?tenant=acme")
	if promise.StatusCode != http.StatusOK || promise.has("None so far") || promise.has("Nothing was seen") || !promise.has("Not known right now.</text>") {
		t.Errorf("a promise whose numbers are away answers %d, or claims that there are none", promise.StatusCode)
	}
	if report := get(t, app, "/reports?tenant=acme"); report.has("There is no report") {
		t.Error("a report that could not be made is said not to exist")
	}
	incident := get(t, app, "/incidents/42")
	if incident.StatusCode != http.StatusOK || incident.has("No page was sent") || incident.has("Nothing counted") || !incident.has(`id="acknowledge"`) {
		t.Error("an incident whose surroundings are away claims that there are none, or cannot be acknowledged")
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	w := newWorld()
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`
	w.incidents[0].Title, w.incidents[0].Summary, w.incidents[0].Service = hostile, hostile, hostile
	w.incidents[0].Labels = map[string]string{hostile: hostile}
	w.incidents[0].RunbookURL = "javascript:alert(3)"
	w.incidents[0].AcknowledgedBy, w.incidents[0].State = hostile, incidents.Acknowledged
	w.events[w.incidents[0].ID] = []incidents.Event{{At: w.now, Kind: incidents.EventNote, Actor: "user:1", Name: hostile, Text: hostile}}
	w.statuses[0].Name, w.statuses[0].Service, w.statuses[0].SLO = hostile, hostile, hostile
	app := w.app(as(access.Principal{ID: "user:1", Name: hostile, Role: access.Admin}))
	for _, path := range []string{"/", "/incidents", "/incidents/42", "/incidents/42/postmortem", "/alerts?filter=" + url.QueryEscape(hostile), "/silences?filter=" + url.QueryEscape(hostile), "/slos/" + url.PathEscape(hostile), "/incidents?slo=" + url.QueryEscape(hostile), "/runbooks/" + url.PathEscape(hostile), "/reports?tenant=" + url.QueryEscape(hostile)} {
		a := get(t, app, path)
		sound(t, path, a)
		for _, bad := range []string{"<script>alert", "<img"} {
			if a.has(bad) {
				t.Errorf("%s: emits %s", path, bad)
			}
		}
	}
}

func TestWhoMayAct(t *testing.T) {
	t.Parallel()
	responderOfAcme := access.Principal{ID: "user:8", Name: "rita@acme.example", Role: access.Responder, Tenant: "acme"}
	for _, c := range []struct {
		who  access.Principal
		acts bool
	}{{vic, false}, {ada, true}, {acme, false}, {responderOfAcme, false}} {
		w := newWorld()
		app := w.app(as(c.who))
		for _, path := range []string{"/", "/incidents", "/incidents/42"} {
			if a := get(t, app, path); a.has("/acknowledge") != c.acts {
				t.Errorf("%s of %q on %s: offers to acknowledge: %v", c.who.Role, c.who.Tenant, path, !c.acts)
			}
		}
		for _, action := range []string{"acknowledge", "escalate", "resolve", "notes"} {
			a := post(t, app, "/incidents/"+w.incidents[0].ID+"/"+action, url.Values{"text": {"x"}})
			if done := a.StatusCode == http.StatusSeeOther; done != c.acts {
				t.Errorf("%s of %q may %s: %v (%d)", c.who.Role, c.who.Tenant, action, done, a.StatusCode)
			}
		}
	}
}

func TestTenantsSeeTheirsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld()
	id := w.incidents[0].ID
	w.incidents[0].State, w.incidents[0].AcknowledgedBy = incidents.Acknowledged, "grace@example.com"
	app := w.app(as(acme))
	for _, path := range allPages {
		a := get(t, app, path)
		for _, secret := range []string{"globex", "initech", "SHOP_PAGERDUTY", "shop-leads", "grace@example.com", "Rolling back", "shop_requests_total", "/runbooks/", `/postmortem"`} {
			if strings.Contains(path, "globex") && secret == "globex" && a.StatusCode == http.StatusNotFound || strings.Contains(path, secret) {
				continue
			}
			if a.has(secret) {
				t.Errorf("%s shows %q to acme", path, secret)
			}
		}
	}
	for path, want := range map[string]int{"/incidents/40": 404, "/incidents/" + id + "/postmortem": 403, "/incidents/" + id + "/postmortem.md": 403, "/runbooks/error-budget-burn": 403, "/slos/search-freshness": 404} {
		if a := get(t, app, path); a.StatusCode != want {
			t.Errorf("%s answers %d to acme, want %d", path, a.StatusCode, want)
		}
	}
	if a := get(t, app, "/reports?tenant=globex"); !a.has("Acme Corporation") || a.has("Globex") {
		t.Error("a tenant's report page does not keep to the tenant")
	}
}

func TestNobodyIsSentToSignIn(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(access.Principal{}))
	a := get(t, app, "/incidents/42?x=1")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in?next=%2Fincidents%2F42%3Fx%3D1" {
		t.Errorf("%d %s", a.StatusCode, a.Header.Get("Location"))
	}
	fragment := httptest.NewRequest(http.MethodGet, "/incidents/42", nil)
	fragment.Header.Set(fragmentHeader, "1")
	if a := ask(t, app, fragment); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a fragment answers %d to nobody", a.StatusCode)
	}
	if a := post(t, app, "/incidents/42/acknowledge", nil); a.StatusCode != http.StatusUnauthorized || !a.has("/sign-in") {
		t.Errorf("a form answers %d to nobody", a.StatusCode)
	}
}

func TestActionsAnswerWithTheirOutcomeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	id := w.incidents[0].ID
	cases := []struct {
		path, from, back, word string
		form                   url.Values
	}{
		{"/incidents/" + id + "/acknowledge", "", "/incidents/" + id, "acknowledged", nil},
		{"/incidents/" + id + "/acknowledge", "overview", "/", "acknowledged", nil},
		{"/incidents/" + id + "/acknowledge", "https://evil.example", "/incidents/" + id, "acknowledged", nil},
		{"/incidents/" + id + "/notes", "", "/incidents/" + id + "#timeline", "noted", url.Values{"text": {"seen"}}},
		{"/incidents/" + id + "/notes", "", "/incidents/" + id + "#timeline", "empty", url.Values{"text": {" "}}},
		{"/incidents/" + id + "/resolve", "", "/incidents/" + id, "resolved", url.Values{"reason": {"rolled back"}}},
		{"/incidents/" + id + "/acknowledge", "", "/incidents/" + id, "conflict", nil},
	}
	for _, c := range cases {
		form := url.Values{"from": {c.from}}
		for k, v := range c.form {
			form[k] = v
		}
		a := post(t, app, c.path, form)
		cookie := a.Header.Get("Set-Cookie")
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != c.back || !strings.HasPrefix(cookie, flashCookie+"="+c.word+";") || !strings.Contains(cookie, "HttpOnly") {
			t.Errorf("%s from %q: %d to %s with %s", c.path, c.from, a.StatusCode, a.Header.Get("Location"), cookie)
		}
		next := httptest.NewRequest(http.MethodGet, "/", nil)
		next.AddCookie(&http.Cookie{Name: flashCookie, Value: c.word})
		shown := ask(t, app, next)
		if !shown.has(strings.Split(flashes[c.word].Text, "’")[0]) || !strings.Contains(shown.Header.Get("Set-Cookie"), flashCookie+"=;") {
			t.Errorf("%s: the outcome is not shown, or stays", c.word)
		}
	}
	planted := httptest.NewRequest(http.MethodGet, "/", nil)
	planted.AddCookie(&http.Cookie{Name: flashCookie, Value: "your account is locked"})
	if ask(t, app, planted).has("account is locked") {
		t.Error("a planted cookie puts words on the page")
	}
	w.failing = fault.New(fault.Unavailable, "storage is away")
	if a := post(t, app, "/incidents/"+id+"/acknowledge", nil); a.StatusCode != http.StatusServiceUnavailable || !a.has("Storage is away.") || !a.has("Try again") {
		t.Errorf("an acknowledgement that failed answers %d", a.StatusCode)
	}
}

func TestListPagesByCursor(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := w.app(as(ada))
	first := get(t, app, "/incidents")
	if !first.has("/incidents?before=3") || first.has(">Newest<") {
		t.Error("the first page does not lead to the next, or leads back")
	}
	second := get(t, app, "/incidents?before=3")
	if !second.has("#2<") || !second.has("#1<") || second.has("#3<") || second.has(">Older<") || !second.has(">Newest<") {
		t.Error("the second page does not hold the rest")
	}
	w.asked = nil
	get(t, app, "/incidents?state=open&slo=shop-availability&service=shop")
	if f := w.asked[0]; len(f.States) != 2 || f.SLO != "shop-availability" || f.Service != "shop" || f.Limit != listSize+1 {
		t.Errorf("asked for %+v", f)
	}
}

func TestFragmentIsThePageWithoutItsFrame(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(ada))
	request := httptest.NewRequest(http.MethodGet, "/incidents/42", nil)
	request.Header.Set(fragmentHeader, "1")
	a := ask(t, app, request)
	if !strings.HasPrefix(a.body, "<main") || !strings.HasSuffix(a.body, "</main>") || a.has("<html") {
		t.Errorf("the fragment is %.60s…", a.body)
	}
	whole := get(t, app, "/incidents/42")
	if !whole.has(a.body) {
		t.Error("the fragment is not what the whole page holds")
	}
}

func TestReportSaysWhatItRestsOn(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(ada))
	a := get(t, app, "/reports?tenant=acme&month=2026-11")
	for _, want := range []string{"Provisional", "the month is not over", "sha256:", "Contract version", "Europe/Berlin", "kept so far", "without data", "not defined any more"} {
		if !a.has(want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if a := get(t, app, "/reports?month=2026-13"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a month that is none answers %d", a.StatusCode)
	}
}

func TestPostmortemCanBeKept(t *testing.T) {
	t.Parallel()
	a := get(t, newWorld().app(as(vic)), "/incidents/42/postmortem.md")
	if !strings.HasPrefix(a.body, "# Postmortem") || a.Header.Get("Content-Disposition") != `attachment; filename="postmortem-42.md"` || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/markdown") {
		t.Errorf("%v %.40s", a.Header, a.body)
	}
}

func TestAssetsAreKeptForEver(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(access.Principal{}))
	for _, name := range []string{"app.css", "app.js", "favicon.svg"} {
		a := get(t, app, assetURL(name))
		if a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || a.Header.Get("Content-Type") != mimeOf(name) {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
		}
		if old := get(t, app, strings.Replace(assetURL(name), assets[name].hash, "0123456789ab", 1)); old.StatusCode != http.StatusOK || old.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s under an older hash: %d %q", name, old.StatusCode, old.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/static/none.css", "/static/..%2fweb.go", "/static/app.go"} {
		if a := get(t, app, path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %d", path, a.StatusCode)
		}
	}
}

func TestMountRefusesHoles(t *testing.T) {
	t.Parallel()
	w := newWorld()
	if err := Mount(fiber.New(), Config{CookieName: "c"}, Deps{Sessions: w, Incidents: w, Insight: w}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without definitions: %v", err)
	}
	if err := Mount(fiber.New(), Config{}, Deps{Sessions: w, Incidents: w, Insight: w, Definitions: w}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a cookie name: %v", err)
	}
}

func TestRunbookOfOursStaysHere(t *testing.T) {
	t.Parallel()
	s := &site{Config: Config{BaseURL: "https://nines.example.com/"}}
	for address, want := range map[string]string{
		"https://nines.example.com/runbooks/slo-burn": "/runbooks/slo-burn", "https://wiki.example.com/runbooks/x": "https://wiki.example.com/runbooks/x",
		"/runbooks/slo-burn": "/runbooks/slo-burn", "javascript:alert(1)": "", "//evil.example": "", "": "",
	} {
		if got := s.runbookLink(address); got != want {
			t.Errorf("%q becomes %q, want %q", address, got, want)
		}
	}
}

func TestYoungPromiseIsNotAnEdge(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range w.statuses {
		w.statuses[i].FirstSeen = w.ago(20 * time.Minute)
	}
	a := get(t, w.app(as(ada)), "/slos/shop-availability?tenant=acme")
	if !a.has(`range=1h&amp;tenant=acme" aria-current="true"`) {
		t.Error("a promise first seen 20 minutes ago is not shown over an hour")
	}
}
