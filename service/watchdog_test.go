package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/telemetry"
	"github.com/prometheus/client_golang/prometheus"
)

func TestTheOutsideSwitchIsToldOnlyWhileAlertsReachPeople(t *testing.T) {
	t.Parallel()
	var asked []string
	answer := http.StatusOK
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answer)
	}))
	defer outside.Close()
	var log bytes.Buffer
	var trouble []string
	w := &watchdog{
		address: func() (string, error) { return outside.URL + "/secret-4711", nil }, method: http.MethodPost, client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		trouble: func(context.Context) []string { return trouble }, metrics: telemetry.NewWatchdogMetrics(prometheus.NewRegistry()),
		log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	for _, c := range []struct {
		trouble []string
		answer  int
		want    string
		asked   int
	}{
		{nil, http.StatusOK, "sent", 1}, {nil, http.StatusNoContent, "sent", 2},
		{[]string{"the database does not answer"}, http.StatusOK, "withheld", 2},
		{nil, http.StatusInternalServerError, "failed", 3}, {nil, http.StatusFound, "failed", 4}, {nil, http.StatusOK, "sent", 5},
	} {
		trouble, answer = c.trouble, c.answer
		if got := w.ping(t.Context()); got != c.want || len(asked) != c.asked || asked[0] != "POST /secret-4711" {
			t.Errorf("%v, %d: %s after %v; want %s", c.trouble, c.answer, got, asked, c.want)
		}
	}
	outside.Close()
	if got := w.ping(t.Context()); got != "failed" {
		t.Errorf("a switch that is gone: %s", got)
	}
	w.address = func() (string, error) { return "", errors.New("no such file") }
	if got := w.ping(t.Context()); got != "failed" {
		t.Errorf("an address that cannot be read: %s", got)
	}
	if text := log.String(); strings.Contains(text, "4711") || !strings.Contains(text, "the database does not answer") {
		t.Errorf("the log says %s", text)
	}
}

func TestTheSwitchsAddressMayBeInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte("https://switch.example.com/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.WatchdogURLFile = path
	if got, err := c.watchdogAddress(); err != nil || got != "https://switch.example.com/x" {
		t.Errorf("%q, %v", got, err)
	}
	c.WatchdogURL, c.WatchdogMethod, c.WatchdogEvery = "ftp://x", "PUT", 0
	var named []string
	for _, d := range fault.Public(c.Check()).Details {
		named = append(named, d.Where)
	}
	if got := strings.Join(named, " "); got != "watchdog-every watchdog-method watchdog-url" {
		t.Errorf("the problems are of %q", got)
	}
}
