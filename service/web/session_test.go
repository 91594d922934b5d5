package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
)

func TestSafeNext(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/": "/", "/incidents/42": "/incidents/42", "/slos/a?tenant=b&range=1h": "/slos/a?tenant=b&range=1h", "/reports?month=2026-11#x": "/reports?month=2026-11#x",
		"": "/", "incidents": "/", "https://evil.example/": "/", "//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\/evil.example`: "/",
		"/\t/evil.example": "/", "/\n/evil.example": "/", " /x": "/", "javascript:alert(1)": "/", "/%0d%0aSet-Cookie:x=y": "/%0d%0aSet-Cookie:x=y",
		"/%5cevil.example": "/", "/%2fevil.example": "/", "/sign-in?next=/sign-in": "/", "/sign-out": "/", "/api/v1/events": "/", "/static/app.js": "/",
		"http:evil.example": "/", "/" + strings.Repeat("a", 3000): "/", "/\u00a0x": "/\u00a0x",
	} {
		if got := safeNext(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func FuzzSafeNext(f *testing.F) {
	for _, seed := range []string{"/", "//x", `/\x`, "/a?b#c", "https://x", "/%2f%2fx", "/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := safeNext(next)
		base, _ := url.Parse("https://nines.example/sign-in")
		u, err := base.Parse(got)
		if err != nil || u.Host != "nines.example" || u.Scheme != "https" || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q leads to %q (%v)", next, got, err)
		}
	})
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	nobody := access.Principal{}
	app := w.app(as(nobody))
	a := post(t, app, "/sign-in", url.Values{"email": {" ada@example.com "}, "password": {"right"}, "next": {"/incidents/42"}})
	cookie := a.Header.Get("Set-Cookie")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/incidents/42" {
		t.Errorf("%d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	for _, want := range []string{"nines_session=session-token;", "HttpOnly", "SameSite=Lax", "path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q lacks %s", cookie, want)
		}
	}
	if strings.Contains(strings.ToLower(cookie), "secure") {
		t.Error("over plain http the cookie is Secure, so that nobody could sign in")
	}
	for password, want := range map[string]int{"wrong": 401, "slow": 429} {
		a := post(t, app, "/sign-in", url.Values{"email": {`a"><b>`}, "password": {password}, "next": {"//evil.example"}})
		sound(t, "sign-in "+password, a)
		if a.StatusCode != want || a.has(password) || a.has("evil.example") || a.Header.Get("Set-Cookie") != "" || !a.has(`role="alert"`) {
			t.Errorf("%s password: %d", password, a.StatusCode)
		}
	}
	w.failing = errEngine
	if a := post(t, app, "/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"right"}}); a.StatusCode != 503 || !a.has("not your password") {
		t.Errorf("with storage away: %d", a.StatusCode)
	}
}

func TestSecureCookieOverHTTPS(t *testing.T) {
	t.Parallel()
	w := newWorld()
	app := fiber.New()
	if err := Mount(app, Config{CookieName: "__Host-nines", BaseURL: "https://nines.example"}, Deps{Sessions: w, Incidents: w, Insight: w, Definitions: w}); err != nil {
		t.Fatal(err)
	}
	a := post(t, app, "/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"right"}})
	if cookie := a.Header.Get("Set-Cookie"); !strings.Contains(cookie, "secure") || !strings.HasPrefix(cookie, "__Host-nines=") {
		t.Errorf("%s", cookie)
	}
}

func TestSignOutForgetsTheSession(t *testing.T) {
	t.Parallel()
	a := post(t, newWorld().app(as(ada)), "/sign-out", nil)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in" || !strings.Contains(a.Header.Get("Set-Cookie"), "nines_session=; expires=Thu, 01 Jan 1970") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}
