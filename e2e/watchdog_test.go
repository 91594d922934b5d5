//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

// deadMansSwitch is the one outside: it pages when it was not told for two intervals.
type deadMansSwitch struct {
	url  string
	last atomic.Int64 // in Unix nanoseconds
}

const switchEvery = time.Second

func startSwitch(t *testing.T) *deadMansSwitch {
	t.Helper()
	s := &deadMansSwitch{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.last.Store(time.Now().UnixNano()) }))
	t.Cleanup(server.Close)
	s.url = server.URL + "/ping"
	return s
}

func (s *deadMansSwitch) fired() bool { return time.Since(time.Unix(0, s.last.Load())) > 2*switchEvery }

func (s *deadMansSwitch) become(t *testing.T, fired bool, within time.Duration, what string) {
	t.Helper()
	eventually(t, within, what, func() error {
		if s.fired() != fired {
			return fmt.Errorf("fired: %v", s.fired())
		}
		return nil
	})
}

// TestWhenAllOfItIsDeadTheSwitchOutsideNotices kills the control plane; its children go with it.
func TestWhenAllOfItIsDeadTheSwitchOutsideNotices(t *testing.T) {
	t.Parallel()
	s := startSwitch(t)
	w := startPaging(t, planeOptions{args: []string{"--prometheus-url", quietPrometheus(t), "--watchdog-url", s.url, "--watchdog-every", switchEvery.String()}})
	s.become(t, false, 10*time.Second, "the switch is told")
	w.kill()
	s.become(t, true, 2*switchEvery+2*time.Second, "the switch fires")
	w.plane.start()
	w.ready(30 * time.Second)
	s.become(t, false, 10*time.Second, "the switch is told again")
}

// TestWithoutTheEngineTheSwitchIsNotTold has no metrics to alert on.
func TestWithoutTheEngineTheSwitchIsNotTold(t *testing.T) {
	t.Parallel()
	s := startSwitch(t)
	w := startPaging(t, planeOptions{notReady: true,
		args: []string{"--prometheus-url", "http://127.0.0.1:1", "--watchdog-url", s.url, "--watchdog-every", switchEvery.String()}})
	eventually(t, 20*time.Second, "pings are withheld", func() error {
		if n := w.metric(`nines_watchdog_pings_total{outcome="withheld"}`); n < 3 {
			return fmt.Errorf("%v are", n)
		}
		return nil
	})
	if s.last.Load() != 0 {
		t.Error("the switch was told that all is well")
	}
}

// TestWhenNobodyCanBeReachedEverySideSaysSo has every channel of a policy refuse connections.
func TestWhenNobodyCanBeReachedEverySideSaysSo(t *testing.T) {
	t.Parallel()
	s := startSwitch(t)
	w := &world{sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{env: pageKeys,
		args: []string{"--prometheus-url", quietPrometheus(t), "--watchdog-url", s.url, "--watchdog-every", switchEvery.String()}})
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.NewReplacer("SINK/1", "http://127.0.0.1:1/a", "SINK/2", "http://127.0.0.1:1/b", "SINK/3", "http://127.0.0.1:1/c", "repeat: 1", "repeat: 0").Replace(threeSteps))
	w.cli("apply", "-f", path)
	s.become(t, false, 10*time.Second, "the switch is told")
	if code := w.postAlert("Unreachable"); code != http.StatusOK {
		t.Fatal(code)
	}
	i := w.openIncident(t, "Unreachable")
	eventually(t, time.Minute, "the metric says so", func() error {
		if n := w.metric("nines_pages_unreachable"); n != 1 {
			return fmt.Errorf("%v incidents", n)
		}
		return nil
	})
	if text := w.cli("incidents", "show", i.ID); !strings.Contains(text, "NOBODY IS REACHED") || !strings.Contains(text, "Step 3 of 3") {
		t.Errorf("the incident says\n%s", text)
	}
	s.become(t, true, 10*time.Second, "the switch fires")
	if _, err := w.tryCLI("", "incidents", "resolve", i.ID, "-m", "told by telephone"); err != nil {
		t.Fatal(err)
	}
	s.become(t, false, 10*time.Second, "the switch is told again")
}

// TestAPageThatIsAcceptedAndNeverAnsweredDoesNotEndTheEscalation: nobody knows whether it was delivered, and nobody came.
func TestAPageThatIsAcceptedAndNeverAnsweredDoesNotEndTheEscalation(t *testing.T) {
	t.Parallel()
	w := &world{sink: startSink(t)}
	w.plane = startPlane(t, planeOptions{env: pageKeys, args: []string{"--prometheus-url", quietPrometheus(t)}})
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.ReplaceAll(threeSteps, "SINK", w.sink.URL))
	w.cli("apply", "-f", path)
	if code := w.postAlert("NeverAnswered"); code != http.StatusOK {
		t.Fatal(code)
	}
	i := w.openIncident(t, "NeverAnswered")
	eventually(t, 30*time.Second, "the third step is paged", func() error {
		if now := w.incident(i.ID); now.Step != 3 || len(w.sink.pages()) < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if now := w.incident(i.ID); now.State != incidents.Triggered {
		t.Errorf("it is %s", now.State)
	}
}
