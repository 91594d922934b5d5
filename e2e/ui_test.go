//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/nines-sre/nines/incidents"
)

// shots is a folder to keep pictures of the pages in, for looking at them.
var shots = os.Getenv("NINES_SHOTS")

// A person signs in with the password that the first start printed, sees the incident arrive without pressing anything,
// acknowledges it with one press and follows it to the promise, the postmortem and the customer's report.
func TestAPersonWalksThePages(t *testing.T) {
	t.Parallel()
	w := startWorld(t, "http://127.0.0.1:1")
	ctx := startBrowser(t)
	password := regexp.MustCompile(`with the password\s+(\S+)`).FindStringSubmatch(w.out.String())
	if password == nil {
		t.Fatalf("no password was printed:\n%s", w.out.String())
	}
	visit(t, ctx, w.url("/"))
	shoot(t, ctx, "sign-in")
	err := chromedp.Do(ctx, chromedp.SendKeys(`input[name="email"]`, "admin@localhost"), chromedp.SendKeys(`input[name="password"]`, password[1]),
		chromedp.Click(`form button[type="submit"]`))
	if err != nil {
		t.Fatal(err)
	}
	see(t, ctx, 20*time.Second, "shop")
	eventually(t, 30*time.Second, "acme has traffic", func() error {
		for _, s := range w.statuses() {
			if s.Labels["tenant"] == "acme" && s.Counts.Total > 20 {
				return nil
			}
		}
		return fmt.Errorf("none")
	})
	w.shop.post("/break?tenant=acme")
	incident := w.waitForIncident("acme")
	see(t, ctx, 15*time.Second, "burn rate is too fast") // the overview is live
	shoot(t, ctx, "overview")
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.ID(fmt.Sprintf("ack-%d", incident.Number)))); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the press acknowledges", func() error {
		if i := w.incident(incident.ID); i.State != incidents.Acknowledged {
			return fmt.Errorf("it is %s", i.State)
		}
		return nil
	})
	see(t, ctx, 10*time.Second, "admin@localhost is on it") // the press has led back to the overview
	if shots != "" {
		time.Sleep(3 * time.Second) // something to see in the plots' pictures
	}
	w.shop.post("/heal")
	for _, p := range []struct{ name, path, text string }{
		{"incident", "/incidents/" + incident.ID, "admin@localhost"},
		{"slo", "/slos/shop-availability?tenant=acme", "99.9"},
		{"incidents", "/incidents", "acme"},
		{"oncall", "/oncall", "On-call"},
		{"postmortems", "/postmortems", "Find by words"},
		{"action-items", "/action-items", "Action items"},
		{"postmortem", "/incidents/" + incident.ID + "/postmortem", "Root causes"},
		{"report", "/reports?tenant=acme&month=" + time.Now().UTC().Format("2006-01"), "Acme GmbH"},
		{"runbook", "/runbooks/slo-burn", "budget"},
		{"missing", "/incidents/4711", "4711"},
	} {
		visit(t, ctx, w.url(p.path))
		see(t, ctx, 10*time.Second, p.text)
		shoot(t, ctx, p.name)
	}
	w.silencesInTheBrowser(t, ctx)
	w.testInTheBrowser(t, ctx)
}

// testInTheBrowser finds the policy from the incidents, sends its first target a test, and sees that it was accepted, in
// the page and where it has arrived.
func (w *world) testInTheBrowser(t *testing.T, ctx context.Context) {
	t.Helper()
	visit(t, ctx, w.url("/incidents"))
	press(t, ctx, `a[href="/policies"]`)
	see(t, ctx, 10*time.Second, "never tested")
	shoot(t, ctx, "policies")
	press(t, ctx, `.correction a`)
	see(t, ctx, 10*time.Second, "Step 1")
	press(t, ctx, `form[action$="/test"] button`)
	see(t, ctx, 15*time.Second, "The provider has accepted the test.")
	see(t, ctx, 10*time.Second, "accepted")
	shoot(t, ctx, "policy")
	for _, p := range w.sink.pages() {
		if strings.Contains(string(p.Raw), incidents.TestTitle) {
			return
		}
	}
	t.Error("the test has not arrived")
}

// silencesInTheBrowser finds an alert by a filter, silences it with two presses, and lifts that again.
func (w *world) silencesInTheBrowser(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, service := range []string{"disks", "queues"} {
		body := []map[string]any{{"labels": map[string]string{"alertname": "AlmostFull", "severity": "warning", "service": service},
			"annotations": map[string]string{"summary": "almost full: " + service}}}
		if code, raw, _, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", body); err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, raw, err)
		}
	}
	visit(t, ctx, w.url("/alerts?filter="+url.QueryEscape(`service="disks"`)))
	see(t, ctx, 10*time.Second, "almost full: disks")
	if body, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`)); strings.Contains(body, "almost full: queues") {
		t.Error("the filter lets another service's alert through")
	}
	press(t, ctx, ".alert-row summary")
	shoot(t, ctx, "alerts-silencing")
	press(t, ctx, `.alert-row button[value="4h"]`)
	see(t, ctx, 10*time.Second, "suppressed")
	visit(t, ctx, w.url("/alerts"))
	see(t, ctx, 10*time.Second, "almost full: queues")
	shoot(t, ctx, "alerts")
	visit(t, ctx, w.url("/silences"))
	see(t, ctx, 10*time.Second, "disks")
	shoot(t, ctx, "silences")
	press(t, ctx, `form[action$="/expire"] button`)
	eventually(t, 10*time.Second, "the alert is no longer suppressed", func() error {
		var all []struct{ Status struct{ State string } }
		if err := w.get("/alertmanager/api/v2/alerts?filter="+url.QueryEscape(`service="disks"`), &all); err != nil {
			return err
		}
		if len(all) != 1 || all[0].Status.State != "active" {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
}

// press clicks what the selector finds first.
func press(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	script := fmt.Sprintf("(()=>{const e=document.querySelector(%q); if(!e) return false; e.click(); return true})()", selector)
	eventually(t, 10*time.Second, "the page has "+selector, func() error {
		found, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		if err == nil && !found {
			err = errors.New("it has not")
		}
		return err
	})
}

func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(find(t, "chromium", "chromium-browser", "google-chrome")),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900), chromedp.UserDataDir(tempDir(t)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	ctx, cancelTime := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancelTime)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return ctx
}

// visit opens the page. A live page may be fetching itself just then, which the browser reports as an aborted load.
func visit(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	eventually(t, 10*time.Second, "the browser opens "+url, func() error { return chromedp.Do(ctx, chromedp.Navigate(url)) })
}

// see waits until the page shows the text.
func see(t *testing.T, ctx context.Context, within time.Duration, text string) {
	t.Helper()
	eventually(t, within, "the page shows "+text, func() error {
		body, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
		if err == nil && !strings.Contains(body, text) {
			err = fmt.Errorf("it shows:\n%s", body)
		}
		return err
	})
}

func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if shots == "" {
		return
	}
	whole := true
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &whole})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shots, name+".png"), shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
}
