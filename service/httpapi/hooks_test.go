package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// Known has some integrations, which know their caller by a token in the body.
func (w *world) Known(name string) bool { return name == "pager" || name == "other" || name == "x" }

func (w *world) Receive(ctx context.Context, name string, r hook.Request) (hook.Answer, error) {
	w.set(func() { w.hooked = append(w.hooked, r) })
	switch {
	case !bytes.Contains(r.Body, []byte("token")):
		return hook.Answer{}, fault.New(fault.Unauthorized, "the second signature is wrong at byte 7")
	case bytes.Contains(r.Body, []byte("twiml")):
		return hook.Answer{ContentType: "text/xml", Body: []byte("<Response/>")}, w.gate(ctx)
	}
	return hook.Answer{Status: http.StatusAccepted}, w.gate(ctx)
}

func (w *world) lastHook() hook.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hooked) == 0 {
		return hook.Request{}
	}
	return w.hooked[len(w.hooked)-1]
}

func TestAnIntegrationIsAnsweredAsItExpects(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"accepted":              {"POST", "/hooks/pager", "token", 202, ""},
		"by GET":                {"GET", "/hooks/pager?a=b", "token", 202, ""},
		"in its own words":      {"POST", "/hooks/pager", "token twiml", 200, "<Response/>"},
		"a stranger":            {"POST", "/hooks/pager", "", 401, "not signed"},
		"nobody's name":         {"POST", "/hooks/pagerr", "token", 404, "nothing at this address"},
		"no name":               {"POST", "/hooks/", "token", 404, ""},
		"a name and more":       {"POST", "/hooks/pager/x", "token", 404, ""},
		"too large":             {"POST", "/hooks/pager", "token" + strings.Repeat("x", 1<<20), 413, "larger than"},
		"a method of no sender": {"DELETE", "/hooks/pager", "token", 405, ""},
	} {
		resp, body := call(t, app, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %q", name, resp.StatusCode, body)
		}
		if strings.Contains(body, "byte 7") {
			t.Errorf("%s says why a call was refused: %q", name, body)
		}
	}
}

// TestACallReachesItsIntegrationUntouched: with the public address, which is what senders sign, and with credentials that
// are not ours and that only the integration understands.
func TestACallReachesItsIntegrationUntouched(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t, func(c *Config, _ *Deps) { c.BaseURL = "https://nines.example.com/" })
	r := httptest.NewRequest(http.MethodPost, "/hooks/pager?bodySHA256=ab%20c", strings.NewReader("token\r\n  "))
	r.Header.Set("Authorization", "Bearer of-the-integration")
	r.Header.Set("Origin", "https://elsewhere.example")
	r.Header.Add("X-Signature", "one")
	r.Header.Add("X-Signature", "two")
	resp, body := call(t, app, r)
	got := w.lastHook()
	if resp.StatusCode != 202 || got.URL != "https://nines.example.com/hooks/pager?bodySHA256=ab%20c" || string(got.Body) != "token\r\n  " ||
		got.Header.Get("Authorization") != "Bearer of-the-integration" || len(got.Header.Values("X-Signature")) != 2 || got.At.IsZero() {
		t.Errorf("%d %q: %+v", resp.StatusCode, body, got)
	}
}

func TestTroubleOfOursIsToldSoThatTheSenderTriesAgain(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	busy := fault.New(fault.Limited, "this integration sends too much")
	busy.RetryAfter = 3 * time.Second
	for want, err := range map[int]error{
		503: fault.New(fault.Unavailable, "storage is away"), 429: busy, 500: context.Canceled,
	} {
		w.set(func() { w.fail = err })
		resp, body := call(t, app, httptest.NewRequest(http.MethodPost, "/hooks/pager", strings.NewReader("token")))
		if want == 500 {
			want = 503 // what was canceled may be sent again
		}
		if resp.StatusCode != want || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %q, Retry-After %q", err, resp.StatusCode, body, resp.Header.Get("Retry-After"))
		}
	}
}

// TestAStormAtOneIntegrationLeavesOthersAlone: also one of strangers who only know the name.
func TestAStormAtOneIntegrationLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)
	app, _ := newWorld(t, func(_ *Config, d *Deps) { d.Now = func() time.Time { return now } })
	status := func(name string) int {
		resp, _ := call(t, app, httptest.NewRequest(http.MethodPost, "/hooks/"+name, strings.NewReader("")))
		return resp.StatusCode
	}
	for range hookCallsBurst {
		if got := status("pager"); got != http.StatusUnauthorized {
			t.Fatal(got)
		}
	}
	if got := status("pager"); got != http.StatusTooManyRequests {
		t.Errorf("beyond the burst: %d", got)
	}
	if got := status("other"); got != http.StatusUnauthorized {
		t.Errorf("another integration: %d", got)
	}
}

func call(t *testing.T, app *fiber.App, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}
