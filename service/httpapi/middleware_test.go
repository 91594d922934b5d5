package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/time/rate"
)

// raw sends bytes as they are and returns the status line and whether the server closed the connection after it.
func raw(t *testing.T, address, request string) (status string, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(1500 * time.Millisecond))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "nothing: " + err.Error(), true
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	n, err := conn.Read(make([]byte, 1))
	return res.Status[:3], res.Close || n == 0 && err == io.EOF
}

func TestRequestsWithTwoEndingsAreRefusedAndTheConnectionIsClosed(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	address := serve(t, app)
	const line = "POST /alertmanager/api/v2/alerts HTTP/1.1\r\n"
	const rest = "Authorization: Bearer responder\r\nContent-Type: application/json\r\n"
	if status, _ := raw(t, address, line+"Host: a\r\n"+rest+"Content-Length: 2\r\n\r\n[]"); status != "200" {
		t.Fatalf("a sane request: %s", status)
	}
	for what, request := range map[string]string{
		"both lengths":             line + "Host: a\r\n" + rest + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"the other way round":      line + "Host: a\r\n" + rest + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"two different lengths":    line + "Host: a\r\n" + rest + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
		"two equal lengths":        line + "Host: a\r\n" + rest + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
		"two hosts":                line + "Host: a\r\nHost: b\r\n" + rest + "Content-Length: 2\r\n\r\n[]",
		"no host":                  line + rest + "Content-Length: 2\r\n\r\n[]",
		"a folded header":          line + "Host: a\r\n" + rest + "X-Fold: a\r\n b\r\nContent-Length: 2\r\n\r\n[]",
		"a tab-folded header":      line + "Host: a\r\n" + rest + "X-Fold: a\r\n\tb\r\nContent-Length: 2\r\n\r\n[]",
		"an unknown encoding":      line + "Host: a\r\n" + rest + "Transfer-Encoding: xchunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
		"a bad chunk":              line + "Host: a\r\n" + rest + "Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
		"a space before the colon": line + "Host: a\r\n" + rest + "Content-Length : 2\r\n\r\n[]",
	} {
		status, closed := raw(t, address, request)
		if status != "400" || !closed {
			t.Errorf("%s: status %s, closed %v", what, status, closed)
		}
	}
}

func FuzzAmbiguous(f *testing.F) {
	for _, seed := range []string{"", "Host: a\r\n", "Host: a\r\nHOST: b\r\n", "A: b\r\n c\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", ":\r\n", "\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, headers string) {
		if ambiguous([]byte(headers)) == "" && ambiguous([]byte("Host: x\r\nHost: y\r\n"+headers)) == "" {
			t.Fatalf("two hosts before %q pass", headers)
		}
	})
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t, func(c *Config, _ *Deps) { c.BodyLimit = 64 << 10 })
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.String()
	}
	f := func(what, content, encoding string, status int) {
		t.Helper()
		headers := []string{bearer("responder")}
		if encoding != "" {
			headers = append(headers, "Content-Encoding: "+encoding)
		}
		if got := ask(t, app, post, amAlertsPath, content, headers...); got.status != status {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
	}
	f("plain", `[{"labels":{"alertname":"plain"}}]`, "", 200)
	f("gzip", pack(`[{"labels":{"alertname":"packed"}}]`), "gzip", 200)
	f("bomb", pack(strings.Repeat(" ", 10<<20)), "gzip", 413)
	f("no gzip at all", `[]`, "gzip", 400)
	f("stacked", pack(pack(`[]`)), "gzip, gzip", 415)
	f("unknown", `[]`, "lzma", 415)
	if len(w.received) != 2 || w.received[1].Labels["alertname"] != "packed" {
		t.Errorf("received %v", w.received)
	}
	address := serve(t, app)
	request := "POST " + amAlertsPath + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n"
	if status, _ := raw(t, address, request); status != "413" {
		t.Errorf("a large body: %s", status)
	}
	if status, _ := raw(t, address, "GET / HTTP/1.1\r\nHost: a\r\nX-Long: "+strings.Repeat("x", 20<<10)+"\r\n\r\n"); status != "431" {
		t.Errorf("large headers: %s", status)
	}
}

func TestBrowsersAreToldHowToKeepPeopleSafe(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	app.Get("/page", func(c *fiber.Ctx) error { return c.SendString("hello") })
	page, api := ask(t, app, get, "/page", ""), ask(t, app, get, "/api/v1/me", "")
	csp := page.header.Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("CSP %q lacks %q", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("Server") != "" ||
		page.header.Get("Strict-Transport-Security") != "" || page.header.Get("Cache-Control") != "" {
		t.Errorf("%v", page.header)
	}
	if api.header.Get("Cache-Control") != "no-store" || api.header.Get("Content-Security-Policy") == "" {
		t.Errorf("%v", api.header)
	}
	secure, _ := newWorld(t, func(c *Config, _ *Deps) { c.BaseURL = "https://nines.example.com" })
	if got := ask(t, secure, get, "/api/v1/me", ""); !strings.HasPrefix(got.header.Get("Strict-Transport-Security"), "max-age=31536000") {
		t.Errorf("%v", got.header)
	}
}

func TestWhoIsBehindACredential(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(what string, status int, name string, headers ...string) {
		t.Helper()
		got := ask(t, app, get, "/api/v1/me", "", headers...)
		if got.status != status || !strings.Contains(got.text, `"name":"`+name) && name != "" {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
		if status == 401 && got.header.Get("WWW-Authenticate") != `Bearer realm="nines"` {
			t.Errorf("%s: WWW-Authenticate %q", what, got.header.Get("WWW-Authenticate"))
		}
	}
	f("bearer", 200, "viewer", "Authorization: Bearer viewer")
	f("bearer in small letters", 200, "viewer", "Authorization: bearer viewer")
	f("basic with the token as password", 200, "editor", "Authorization: Basic YW10b29sOmVkaXRvcg==")
	f("session", 200, "admin", "Cookie: nines_session=session-admin")
	f("token beats session", 200, "viewer", "Authorization: Bearer viewer", "Cookie: nines_session=session-admin")
	f("nothing", 401, "")
	f("unknown token", 401, "", "Authorization: Bearer revoked")
	f("unknown token beside a good session", 401, "", "Authorization: Bearer revoked", "Cookie: nines_session=session-admin")
	f("ended session", 401, "", "Cookie: nines_session=session-gone")
	f("the https cookie over http", 401, "", "Cookie: __Host-nines=session-admin")
	f("digest", 401, "", "Authorization: Digest username=x")
	f("basic without password", 401, "", "Authorization: Basic YW10b29s")
	f("basic that is no base64", 401, "", "Authorization: Basic !!!")
	f("tenant header", 401, "", "X-Scope-OrgID: acme")
}

func TestAnotherSiteCannotActForASignedInPerson(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t, func(c *Config, _ *Deps) { c.BaseURL = "http://nines.example.com" })
	f := func(what string, status int, headers ...string) {
		t.Helper()
		got := ask(t, app, post, "/api/v1/incidents/2/acknowledge", "", headers...)
		if got.status != status {
			t.Errorf("%s: %d %s", what, got.status, got.text)
		}
	}
	const session = "Cookie: nines_session=session-responder"
	f("own page", 200, session, "Sec-Fetch-Site: same-origin")
	f("typed by the person", 200, session, "Sec-Fetch-Site: none")
	f("own origin", 200, session, "Origin: http://nines.example.com")
	f("own host", 200, session, "Origin: http://example.com") // httptest's Host
	f("another site", 403, session, "Sec-Fetch-Site: cross-site")
	f("a sibling domain", 403, session, "Sec-Fetch-Site: same-site")
	f("another origin", 403, session, "Origin: https://evil.example")
	f("our name as a prefix", 403, session, "Origin: http://nines.example.com.evil.example")
	f("no origin at all", 403, session, "Origin: null")
	f("nothing said", 403, session)
	f("another site wins over a forged origin", 403, session, "Sec-Fetch-Site: cross-site", "Origin: http://nines.example.com")
	f("a token needs no origin", 200, bearer("responder"))
	f("reading is free", 200, bearer("responder"), "Sec-Fetch-Site: cross-site")

	cross := ask(t, app, post, "/api/v1/sign-in", sample["sign-in"].body, "Origin: https://evil.example")
	if cross.status != 403 {
		t.Errorf("another site signed somebody in: %d", cross.status)
	}
}

func TestSigningInAndOut(t *testing.T) {
	t.Parallel()
	for base, cookie := range map[string]string{"": "nines_session", "https://nines.example.com": "__Host-nines"} {
		app, w := newWorld(t, func(c *Config, _ *Deps) { c.BaseURL = base })
		in := ask(t, app, post, "/api/v1/sign-in", sample["sign-in"].body)
		set := in.header.Get("Set-Cookie")
		if in.status != 200 || !strings.Contains(in.text, `"role":"viewer"`) || !strings.HasPrefix(set, cookie+"=session-viewer; Path=/;") ||
			!strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") || strings.Contains(set, "Secure") != (base != "") || strings.Contains(set, "Domain") {
			t.Errorf("%d %s %q", in.status, in.text, set)
		}
		out := ask(t, app, post, "/api/v1/sign-out", "", "Cookie: "+cookie+"=session-viewer", "Sec-Fetch-Site: same-origin")
		if out.status != 204 || !strings.HasPrefix(out.header.Get("Set-Cookie"), cookie+"=;") || len(w.signOuts) != 1 || w.signOuts[0] != "session-viewer" {
			t.Errorf("%d %q %v", out.status, out.header.Get("Set-Cookie"), w.signOuts)
		}
		if wrong := ask(t, app, post, "/api/v1/sign-in", `{"email":"ada@example.com","password":"wrong"}`); wrong.status != 401 || wrong.header.Get("Set-Cookie") != "" {
			t.Errorf("%d %v", wrong.status, wrong.header)
		}
	}
}

func TestGuessingPasswordsIsSlow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	app, _ := newWorld(t, func(_ *Config, d *Deps) { d.Now = func() time.Time { return now } })
	app.Post("/sign-in", func(c *fiber.Ctx) error { return c.SendString("form") })
	try := func(email string) answer {
		return ask(t, app, post, "/api/v1/sign-in", `{"email":"`+email+`","password":"guess"}`)
	}
	for i := range accountBurst {
		if got := try("ada@example.com"); got.status != 401 {
			t.Fatalf("try %d: %d", i, got.status)
		}
	}
	for _, spelling := range []string{"ada@example.com", " ADA@Example.com"} {
		if got := try(spelling); got.status != 429 || got.header.Get("Retry-After") != "12" {
			t.Errorf("%s: %d Retry-After %q", spelling, got.status, got.header.Get("Retry-After"))
		}
	}
	form := ask(t, app, post, "/sign-in", "email=ada%40example.com&password=x", "Content-Type: application/x-www-form-urlencoded")
	if form.status != 429 {
		t.Errorf("the form: %d", form.status)
	}
	if got := try("grace@example.com"); got.status != 401 {
		t.Errorf("another account: %d", got.status)
	}
	now = now.Add(accountEvery)
	if got := try("ada@example.com"); got.status != 401 {
		t.Errorf("after a pause: %d", got.status)
	}
	for i := range addressBurst {
		try(fmt.Sprintf("x%d@example.com", i))
	}
	if got := try("new@example.com"); got.status != 429 {
		t.Errorf("many accounts from one address: %d", got.status)
	}
}

func TestAttemptsForgetWhoHasNotTriedForLong(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a := &attempts{keys: map[string]*rate.Limiter{}}
	for i := range mostAttemptKeys {
		a.limiter(string(rune(i))+"x", accountEvery, accountBurst)
	}
	a.allow(now, "10.0.0.1", "")
	if len(a.keys) > 10 {
		t.Errorf("%d keys kept", len(a.keys))
	}
}

func TestTheClientsAddressCannotBeForged(t *testing.T) {
	t.Parallel()
	a := &API{config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("10.0.0.0/8")}}}
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString(a.clientAddress(c)) })
	f := func(forwarded, want string) {
		t.Helper()
		if got := ask(t, app, get, "/", "", "X-Forwarded-For: "+forwarded); got.text != want {
			t.Errorf("%q: %s", forwarded, got.text)
		}
	}
	f("", "0.0.0.0") // app.Test's peer
	f("203.0.113.7", "203.0.113.7")
	f("1.1.1.1, 203.0.113.7, 10.1.2.3", "203.0.113.7")
	f("1.1.1.1, nonsense", "0.0.0.0")
	f("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")
	a.config.TrustedProxies = nil
	f("203.0.113.7", "0.0.0.0")
}

func TestTheRouteIsKnownBeforeTheHandler(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("home") })
	app.Get("/static/:name", func(c *fiber.Ctx) error { return c.SendString("file") })
	app.Get("/incidents/:id/postmortem.md", func(c *fiber.Ctx) error { return c.SendString("md") })
	app.Get("/files/*", func(c *fiber.Ctx) error { return c.SendString("any") })
	f := func(method, path, route string) {
		t.Helper()
		ask(t, app, method, path, "", bearer("admin"))
		last := w.observed[len(w.observed)-1]
		if last.route != route || last.method != method {
			t.Errorf("%s %s: observed %v", method, path, last)
		}
	}
	f("GET", "/", "/")
	f("GET", "/api/v1/incidents/2", "/api/v1/incidents/:id")
	f("GET", "/api/v1/incidents/2/", "/api/v1/incidents/:id")
	f("GET", "/api/v1/incidents", "/api/v1/incidents")
	f("GET", "/prometheus/api/v1/label/job/values", "/prometheus/api/v1/label/:name/values")
	f("GET", "/incidents/2/postmortem.md", "/incidents/:id/postmortem.md")
	f("GET", "/files/a/b", "/files/*")
	f("GET", "/static/app.css", "/static/:name")
	f("POST", "/api/v1/incidents/2", unmatched)
	f("GET", "/wp-login.php", unmatched)
	f("GET", "/API/v1/incidents", unmatched)
	f("GET", "//api/v1/incidents", unmatched)

	a := &routes{app: app}
	for _, r := range app.GetRoutes(true) {
		if strings.ContainsAny(r.Path, "*") {
			continue
		}
		path := strings.NewReplacer(":id", "x1", ":name", "n", ":kind", "K", ":workload", "w").Replace(r.Path)
		if got := a.template(r.Method, path); got != r.Path {
			t.Errorf("%s %s is %s, not %s", r.Method, path, got, r.Path)
		}
	}
}

func TestOddMethodsLeaveLabelsAlone(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	ask(t, app, get, "/api/v1/me", "", bearer("viewer@acme"))
	ask(t, app, "BREW", "/api/v1/me", "")
	ask(t, app, "TRACE", "/api/v1/me", "")
	if w.observed[0] != (observation{"GET", "/api/v1/me", 200, "tier-acme"}) {
		t.Errorf("observed %v", w.observed)
	}
	for _, o := range w.observed[1:] {
		if o.method != "_OTHER" || o.route != unmatched {
			t.Errorf("observed %v", o)
		}
	}
}

func TestARequestIsNamed(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(given string, kept bool) {
		t.Helper()
		got := ask(t, app, get, "/api/v1/me", "", "X-Request-Id: "+given).header.Get("X-Request-Id")
		if got == "" || (got == given) != kept {
			t.Errorf("%q became %q", given, got)
		}
	}
	f("deploy-42_a.b", true)
	f("", false)
	f("a b", false)
	f(`"},{"level":"ERROR"`, false)
	f(strings.Repeat("x", 65), false)
}

// This test sets the process's tracer provider, so it does not run beside others.
func TestTheTraceOfAPostingStartsAtTheCaller(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	before, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTracerProvider(before); otel.SetTextMapPropagator(propagator) })
	app, w := newWorld(t)
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	ask(t, app, post, amAlertsPath+"?token=s3cret", `[{"labels":{"alertname":"A"}}]`, bearer("responder"), "traceparent: 00-"+caller+"-00f067aa0ba902b7-01")
	if len(w.traced) != 1 || w.traced[0] != caller {
		t.Fatalf("ReceiveAlerts saw trace %v", w.traced)
	}
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Name() != "receive alerts" || ended[1].Name() != "POST /alertmanager/api/v2/alerts" || ended[0].Parent().SpanID() != ended[1].SpanContext().SpanID() {
		t.Fatalf("%d spans", len(ended))
	}
	attrs := map[string]string{}
	for _, kv := range ended[1].Attributes() {
		attrs[string(kv.Key)] = kv.Value.String()
		if strings.Contains(kv.Value.String(), "s3cret") {
			t.Errorf("%s holds the query string", kv.Key)
		}
	}
	for key, want := range map[string]string{
		"http.request.method": "POST", "http.route": "/alertmanager/api/v2/alerts", "http.response.status_code": "200", "url.path": "/alertmanager/api/v2/alerts", "url.scheme": "http",
	} {
		if attrs[key] != want {
			t.Errorf("%s is %q", key, attrs[key])
		}
	}
}
