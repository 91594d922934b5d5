package notify_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASecretIsReadFromWhereItIsKept(t *testing.T) {
	t.Setenv("NOTIFY_TEST", " hunter2\n")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pd.key"), "hunter2\n")
	for name, s := range map[string]incidents.Secret{
		"env": {Env: "NOTIFY_TEST"}, "relative file": {File: "pd.key"}, "absolute file": {File: filepath.Join(dir, "pd.key")},
	} {
		if got, err := notify.Resolve(s, dir); got != "hunter2" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestASecretThatCannotBeReadIsTroubleThatPasses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside := filepath.Join(dir, "base")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "outside"), "hunter2")
	write(t, filepath.Join(inside, "empty"), " \n")
	write(t, filepath.Join(inside, "huge"), strings.Repeat("x", 65<<10))
	if err := os.Symlink(filepath.Join(dir, "outside"), filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]incidents.Secret{
		"no variable": {Env: "NOTIFY_TEST_NOT_SET"}, "no file": {File: "nothing"}, "empty": {File: "empty"}, "huge": {File: "huge"},
		"a folder": {File: "."}, "leaves the folder": {File: "../outside"}, "leaves the folder by a link": {File: "link"},
	} {
		if got, err := notify.Resolve(s, inside); !fault.Is(err, fault.Unavailable) || got != "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v; want unavailable", name, got, err)
		}
	}
	for name, s := range map[string]incidents.Secret{"neither": {}, "both": {Env: "A", File: "b"}} {
		if _, err := notify.Resolve(s, inside); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want invalid", name, err)
		}
	}
}

func TestAnswersAreClassifiedByStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]fault.Kind{
		301: fault.Invalid, 400: fault.Invalid, 401: fault.Invalid, 403: fault.Invalid, 404: fault.Invalid, 410: fault.Invalid,
		408: fault.Unavailable, 425: fault.Unavailable, 429: fault.Limited, 500: fault.Unavailable, 503: fault.Unavailable, 599: fault.Unavailable,
	} {
		x := &notify.Exchange{Status: status}
		if err := x.Fault(t.Context(), "it", "", nil); !fault.Is(err, want) {
			t.Errorf("%d: %v (%s); want %s", status, err, fault.KindOf(err), want)
		}
	}
	for _, status := range []int{200, 202, 204} {
		if err := (&notify.Exchange{Status: status}).Fault(t.Context(), "it", "", errors.New("body cut")); err != nil {
			t.Errorf("%d: %v; want it accepted", status, err)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "-5": 0, "soon": 0, "": 0, "99999999": 24 * time.Hour,
		time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(503)
		}))
		x := notify.NewExchange(nil)
		resp, err := x.Client().Get(server.URL)
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if diff := (x.RetryAfter - want).Abs(); diff > 3*time.Second {
			t.Errorf("%q: %s; want %s", value, x.RetryAfter, want)
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	visited := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	x := notify.NewExchange(nil)
	resp, err := x.Client().Post(server.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if visited || x.Status != 307 {
		t.Errorf("visited %v, status %d", visited, x.Status)
	}
}

func TestAnErrorOfTheNetworkShowsNoAddress(t *testing.T) {
	t.Parallel()
	x := notify.NewExchange(nil)
	_, err := x.Client().Get("http://127.0.0.1:1/services/T0/hunter2")
	f := x.Fault(t.Context(), "Slack", "", err)
	if got, want := f.Error(), "Slack cannot be reached: connection refused"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := notify.Unreachable(ctx, "Slack", err); f.Kind != fault.Timeout {
		t.Errorf("after its time: %s; want timeout", f.Kind)
	}
}

func TestTextsForPeople(t *testing.T) {
	t.Parallel()
	if got := notify.Line("a\r\nBcc: x\u2028b\x00c", 50); got != "a Bcc: x b c" {
		t.Errorf("Line: %q", got)
	}
	if got := notify.Cut("äöü", 2); got != "ä…" {
		t.Errorf("Cut: %q", got)
	}
	for share, want := range map[float64]string{0: "0.0 %", 0.123: "12 %", 0.034: "3.4 %", 0.0005: "0.05 %", 1.5: "150 %"} {
		if got := notify.Percent(share); got != want {
			t.Errorf("Percent(%g) = %q; want %q", share, got, want)
		}
	}
}

func TestAHeadlineHasNoNumberWhereThereIsNone(t *testing.T) {
	t.Parallel()
	for number, want := range map[int64][]string{
		12: {"#12 CRITICAL: acme: Orders fail", "Acknowledged #12: acme: Orders fail", "Resolved #12: acme: Orders fail"},
		0:  {"CRITICAL: acme: Orders fail", "Acknowledged: acme: Orders fail", "Resolved: acme: Orders fail"},
	} {
		for i, action := range []incidents.Action{incidents.ActionTrigger, incidents.ActionAcknowledge, incidents.ActionResolve} {
			got := notify.Headline(incidents.Notification{
				Page:     incidents.Page{Action: action},
				Incident: incidents.Incident{Number: number, Tenant: "ac\xffme", Title: "Orders\nfail", Severity: incidents.Critical},
			})
			if got != strings.ReplaceAll(want[i], "acme", "ac\uFFFDme") {
				t.Errorf("%q; want %q", got, want[i])
			}
		}
	}
}

func TestALinkIsAnAbsoluteAddressOverHTTP(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://runbooks.example.com/orders?a=1#b": true, "http://x/": true, "": false, "javascript:alert(1)": false,
		"/runbooks/orders": false, "https:///x": false, "https://\xff/": false, "https://x/" + strings.Repeat("y", 100): false,
	} {
		if got := notify.Link(address, 100); (got != "") != want {
			t.Errorf("%q is %q", address, got)
		}
	}
}
