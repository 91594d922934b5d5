package service

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

func TestAStepReachesOnlyAddressesThatTheOperatorAllows(t *testing.T) {
	t.Parallel()
	f := func(list, name, at string, want bool) {
		t.Helper()
		h, err := readHosts(list)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.allows(name, netip.MustParseAddrPort(at)); got != want {
			t.Errorf("%q lets %s at %s: %v", list, name, at, got)
		}
	}
	f("", "db.example", "192.0.2.1:80", false)
	f("db.example", "db.example", "192.0.2.1:80", true)
	f("db.example", "DB.example.", "192.0.2.1:80", true)
	f("db.example", "evil.example", "192.0.2.1:80", false)
	f("db.example:5432", "db.example", "192.0.2.1:5432", true)
	f("db.example:5432", "db.example", "192.0.2.1:80", false)
	f("192.0.2.0/24", "any.example", "192.0.2.1:80", true)
	f("192.0.2.0/24", "any.example", "192.0.3.1:80", false)
	f("192.0.2.1", "any.example", "[::ffff:192.0.2.1]:80", true)
	f("[2001:db8::1]:80", "2001:db8::1", "[2001:db8::1]:80", true)
	f("[2001:db8::1]:80", "2001:db8::1", "[2001:db8::1]:81", false)
	f("db.example", "db.example", "127.0.0.1:9991", false) // a name that is made to lead here
	f("db.example", "db.example", "[::1]:9991", false)
	f("localhost", "localhost", "127.0.0.1:80", true)
	f("127.0.0.1:80", "127.0.0.1", "127.0.0.1:80", true)
	for _, at := range []string{"169.254.169.254:80", "[fe80::1]:80", "[fd00:ec2::254]:80", "100.100.100.200:80", "168.63.129.16:80", "0.0.0.0:80",
		"[::]:80", "224.0.0.1:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80"} {
		f("0.0.0.0/0,::/0,meta.example,169.254.169.254,[fe80::1]:80", "meta.example", at, false)
	}
	for _, bad := range []string{"http://a", "a:", "a b", "10.0.0.0/99", "*.example", ":80", "user@host"} {
		if _, err := readHosts(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func filled(t *testing.T, block string) runbooks.Filled {
	t.Helper()
	steps, problems := runbooks.ReadSteps("```" + block + "\n```")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	f, err := steps[0].Fill(nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestARedirectIsAnAnswerAndAHostThatIsNotAllowedIsNeverAsked(t *testing.T) {
	asked := map[string]int{}
	outside := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked["outside"+r.Header.Get("Authorization")]++ }))
	defer outside.Close()
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked["inside"]++
		http.Redirect(w, r, outside.URL, http.StatusFound)
	}))
	defer inside.Close()
	t.Setenv("HTTP_PROXY", outside.URL)
	t.Setenv("http_proxy", outside.URL)
	f := filled(t, "http step=a source=api\nGET /x")
	allowed := hosts{}.with(inside.URL)
	_, _, err := askHTTP(t.Context(), allowed.client(), runbooks.Source{Name: "api", Type: "http", URL: inside.URL}, "secret", f)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "302") {
		t.Errorf("a redirect: %v", err)
	}
	_, _, err = askHTTP(t.Context(), allowed.client(), runbooks.Source{Name: "api", Type: "http", URL: outside.URL}, "secret", f)
	if !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "--runbook-hosts") {
		t.Errorf("another host: %v", err)
	}
	if asked["inside"] != 1 || len(asked) != 1 {
		t.Errorf("asked %v", asked)
	}
	if _, err := allowed.dial(t.Context(), "unix", "/run/docker.sock"); !errors.Is(err, errHostNotAllowed) {
		t.Errorf("a socket: %v", err)
	}
}

func TestOurOwnPrometheusIsReachedAndOnlyRead(t *testing.T) {
	t.Parallel()
	r := runner{&plane{config: Config{PrometheusURL: "http://127.0.0.1:9090"}}}
	own := netip.MustParseAddrPort("127.0.0.1:9090")
	if h, err := r.reachable(runbooks.Source{Type: "prometheus"}); err != nil || !h.allows("127.0.0.1", own) {
		t.Errorf("not reached: %v", err)
	}
	for _, other := range []string{"http", "loki", "postgres"} {
		if h, err := r.reachable(runbooks.Source{Type: other}); err != nil || h.allows("127.0.0.1", own) {
			t.Errorf("%s reaches it: %v", other, err)
		}
	}
}

func TestAnAnswerOfAStepIsBoundedAndEndsInTime(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
	}))
	defer s.Close()
	source, client := runbooks.Source{Name: "api", Type: "http", URL: s.URL}, hosts{}.with(s.URL).client()
	out, more, err := askHTTP(t.Context(), client, source, "", filled(t, "http step=a source=api output=100\nGET /big"))
	if err != nil || !more || len(out) > 101 {
		t.Errorf("%d bytes, %v, %v", len(out), more, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := askHTTP(ctx, client, source, "", filled(t, "http step=a source=api\nGET /slow")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	post := filled(t, "http step=a source=api changes=true\nPOST /x")
	if _, _, err := askHTTP(t.Context(), client, source, "", post); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a source that is only read took a POST: %v", err)
	}
}

func TestACommandIsRefusedUnlessAnAdminNamesIt(t *testing.T) {
	t.Parallel()
	admin := access.Principal{ID: "user:a", Role: access.Admin}
	f := func(what, allowed string, who access.Principal, command string, ok bool) {
		t.Helper()
		r := runner{&plane{config: Config{RunbookShell: allowed}}}
		if err := r.allowed(who, filled(t, "shell step=a\n"+command)); (err == nil) != ok || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
	f("by default", "", admin, "/bin/echo a", false)
	f("named", "/bin/echo", admin, "/bin/echo a", true)
	f("another", "/bin/echo", admin, "/bin/sh -c id", false)
	f("by its relative name", "echo", admin, "echo a", false)
	f("a responder", "/bin/echo", access.Principal{ID: "user:r", Role: access.Responder}, "/bin/echo a", false)
	f("a tenant's admin", "/bin/echo", access.Principal{ID: "user:t", Role: access.Admin, Tenant: "acme"}, "/bin/echo a", false)
}

func TestACommandSeesNothingOfOurEnvironmentAndIsNoShell(t *testing.T) {
	t.Setenv("NINES_SECRET", "hunter2")
	out, _, err := runCommand(t.Context(), filled(t, "shell step=a\n/usr/bin/env"))
	if err != nil || strings.Contains(out, "hunter2") || !strings.Contains(out, "HOME=/nonexistent") {
		t.Errorf("%q, %v", out, err)
	}
	out, _, err = runCommand(t.Context(), filled(t, "shell step=a\n/bin/echo '$(id)' ';' '|' '`id`'"))
	if err != nil || out != "$(id) ; | `id`\n" {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err = runCommand(ctx, filled(t, "shell step=a\n/bin/sleep 600")); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
