package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

// browser starts Chromium once for a test, or skips the test where none is installed.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" || testing.Short() {
		t.Skip("needs Chromium, which make setup installs; not run with -short")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(profileDir(t)))
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

// profileDir is a folder for the browser that is removed as soon as the browser lets go of it.
func profileDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "nines-browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return dir
}

// served is a world that is served with its events.
type served struct {
	*world
	url  string
	down bool // the event stream is refused; guarded by the world's mutex
}

func serve(t *testing.T, w *world, who access.Principal) *served {
	t.Helper()
	s := &served{world: w}
	app := w.app(as(who))
	app.Get("/api/v1/events", s.events)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener) }()
	t.Cleanup(func() {
		w.mu.Lock()
		for l := range w.listeners {
			close(l)
			delete(w.listeners, l)
		}
		w.mu.Unlock()
		_ = app.ShutdownWithTimeout(time.Second)
	})
	s.url = "http://" + listener.Addr().String()
	return s
}

func (s *served) events(c *fiber.Ctx) error {
	events := make(chan string, 16)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return c.SendStatus(fiber.StatusServiceUnavailable)
	}
	s.listeners[events] = true
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Context().SetBodyStreamWriter(func(out *bufio.Writer) {
		fmt.Fprint(out, "retry: 200\n\n")
		_ = out.Flush()
		for data := range events {
			fmt.Fprintf(out, "data: %s\n\n", data)
			if out.Flush() != nil {
				return
			}
		}
	})
	return nil
}

// hangUp ends every event stream, and refuses new ones while down.
func (s *served) hangUp(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	for l := range s.listeners {
		close(l)
		delete(s.listeners, l)
	}
}

func tab(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	ctx, cancelTime := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// evaluate runs JavaScript in the page and returns what it says.
func evaluate[T any](t *testing.T, ctx context.Context, js string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return value
}

// until waits for a JavaScript condition, also across a navigation.
func until(t *testing.T, ctx context.Context, what, js string) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")")); err == nil && ok {
			return
		}
	}
	body, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("main").innerText`))
	t.Fatalf("%s did not come:\n%s", what, body)
}

func open(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
}

func look(t *testing.T, ctx context.Context, scheme string) {
	t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, params); err != nil {
		t.Fatal(err)
	}
}

// pagesToSee lists every page in each of its conditions, by name.
func pagesToSee(t *testing.T) map[string]string {
	full, empty, failing := newWorld(), newWorld(), newWorld()
	empty.empty = true
	failing.failing = errEngine
	full.silence()
	written := newWorld()
	written.writeReview()
	reviews := serve(t, written, ada).url
	rooms, called := serve(t, busy(), ada).url, serve(t, reachable(), ada).url
	base := serve(t, full, ada).url
	quiet, broken := serve(t, empty, ada).url, serve(t, failing, ada).url
	customer, gate := serve(t, newWorld(), acme).url, serve(t, newWorld(), access.Principal{}).url
	id := full.incidents[0].ID
	return map[string]string{
		"overview": base + "/", "overview-empty": quiet + "/", "overview-failing": broken + "/", "overview-tenant": customer + "/",
		"slo": base + "/slos/shop-availability?tenant=acme", "slo-idle": base + "/slos/search-freshness", "slo-day": base + "/slos/shop-availability?tenant=globex&range=24h",
		"alerts": base + "/alerts", "alerts-filter": base + "/alerts?filter=service%3Dshop", "alerts-wrong": base + "/alerts?filter=%3D", "silences": base + "/silences?filter=service%3Dshop",
		"oncall": base + "/oncall", "oncall-week": base + "/oncall/shop", "oncall-month": base + "/oncall/search?view=month",
		"figures": base + "/figures", "figures-year": base + "/figures?by=team&days=365", "figures-empty": quiet + "/figures", "figures-failing": broken + "/figures",
		"capacity": base + "/capacity", "workload": base + "/capacity/shop", "workload-unknown": base + "/capacity/search-index-of-all-customers", "capacity-failing": broken + "/capacity", "capacity-empty": quiet + "/capacity",
		"policies": base + "/policies", "policy": base + "/policies/shop-oncall",
		"incidents": base + "/incidents", "incident": base + "/incidents/" + id, "incident-failing": broken + "/incidents/" + id,
		"incident-resolved": base + "/incidents/40", "postmortem": base + "/incidents/" + id + "/postmortem",
		"reports": base + "/reports?tenant=acme", "runbook": base + "/runbooks/error-budget-burn",
		"postmortems": reviews + "/postmortems", "postmortem-page": reviews + "/postmortems/7", "postmortem-version": reviews + "/postmortems/7/versions/2", "action-items": reviews + "/action-items?state=all",
		"room": rooms + "/incidents/" + id, "room-tenant": serve(t, busy(), acme).url + "/incidents/" + id, "declare": rooms + "/incidents/declare?alerts=f1",
		"subscriptions": rooms + "/subscriptions", "runbooks": rooms + "/runbooks", "unsubscribe": gate + "/unsubscribe/s1",
		"me": called + "/me", "me-failing": broken + "/me", "me-viewer": serve(t, reachable(), vic).url + "/me", "oncall-links": called + "/oncall/shop",
		"sign-in": gate + "/sign-in?next=/incidents", "not-found": base + "/slos/nothing-here",
	}
}

// faintText finds text that stands out too little: WCAG 2.2 AA asks for 4.5, and 3 for large text.
const faintText = `(() => {
  const channels = (text) => {
    const n = text.match(/[\d.]+/g).map(Number);
    return text.startsWith("color(") ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const under = (e) => {
    for (; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0.8) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, style = getComputedStyle(e);
    if (!walker.currentNode.textContent.trim() || !e.checkVisibility() || ["TITLE", "DESC", "OPTION"].includes(e.tagName.toUpperCase())) continue;
    const [a, b] = [light(channels(e instanceof SVGElement ? style.fill : style.color)), light(under(e))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) faint.add(e.tagName + "." + (e.className.baseVal ?? e.className) + " " + contrast.toFixed(2) + " " + walker.currentNode.textContent.trim().slice(0, 20));
  }
  return [...faint].join("; ");
})()`

// TestPagesFitEveryScreen opens every page: nothing may stick out sideways on the smallest phone, nor may the browser
// complain about anything. With NINES_SHOTS set to a folder it keeps pictures of all of them there.
func TestPagesFitEveryScreen(t *testing.T) {
	ctx := browser(t)
	pages := pagesToSee(t)
	shots := os.Getenv("NINES_SHOTS")
	sizes := []struct {
		name, scheme  string
		width, height int64
	}{{"small", "light", 360, 740}, {"light", "light", 1280, 900}, {"dark", "dark", 1280, 900}, {"phone", "light", 390, 844}, {"phone-dark", "dark", 390, 844}, {"middle", "light", 834, 1112}, {"wide", "light", 1600, 1000}}
	for name, url := range pages {
		ctx := tab(t, ctx)
		if err := chromedp.Do(ctx); err != nil {
			t.Fatal(err)
		}
		var said []string
		var mu sync.Mutex
		messages := chromedp.Console(ctx)
		go func() {
			for m, err := range messages {
				if err != nil {
					return
				}
				mu.Lock()
				said = append(said, m.String())
				mu.Unlock()
			}
		}()
		for _, size := range sizes {
			if shots == "" && size.name != "small" && size.name != "dark" {
				continue
			}
			look(t, ctx, size.scheme)
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(size.width, size.height)); err != nil {
				t.Fatal(err)
			}
			open(t, ctx, url)
			if wide := evaluate[int](t, ctx, `document.documentElement.scrollWidth`); wide > int(size.width) {
				culprit := evaluate[string](t, ctx, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map(e => e.tagName + "." + (e.className.baseVal ?? e.className)).join(" ")`)
				t.Errorf("%s at %d px is %d px wide: %s", name, size.width, wide, culprit)
			}
			if faint := evaluate[string](t, ctx, faintText); faint != "" {
				t.Errorf("%s in %s: too little contrast: %s", name, size.scheme, faint)
			}
			if shots != "" {
				keep(t, ctx, filepath.Join(shots, name+"."+size.name+".png"), size.name == "phone" || size.name == "light")
			}
		}
		mu.Lock()
		for _, text := range said {
			if !strings.Contains(text, "404") || name != "not-found" {
				t.Errorf("%s: the browser says: %s", name, text)
			}
		}
		mu.Unlock()
		_ = chromedp.Cancel(ctx)
	}
}

func keep(t *testing.T, ctx context.Context, path string, whole bool) {
	t.Helper()
	shot, err := chromedp.Call(ctx, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{CaptureBeyondViewport: &whole})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAcknowledgeWithOnePress(t *testing.T) {
	w := newWorld()
	s, ctx := serve(t, w, ada), browser(t)
	open(t, ctx, s.url+"/")
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.ID("ack-42"))); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "the confirmation", `document.querySelector(".banner.good")?.innerText.includes("You are on it")`)
	until(t, ctx, "the name of who is on it", `document.querySelector(".incident-row .who").innerText === "ada@example.com is on it"`)
	if exists := evaluate[bool](t, ctx, `!!document.getElementById("ack-42")`); exists {
		t.Error("the button is still there after the incident was acknowledged")
	}
	open(t, ctx, s.url+"/")
	if again := evaluate[bool](t, ctx, `!!document.querySelector(".banner.good")`); again {
		t.Error("the confirmation is shown a second time")
	}
}

func TestResolveWithAReason(t *testing.T) {
	w := newWorld()
	s, ctx := serve(t, w, ada), browser(t)
	open(t, ctx, s.url+"/incidents/42")
	err := chromedp.Do(ctx, chromedp.Click("#resolve-more summary"), chromedp.SendKeys("#reason", "rolled back"), chromedp.Click("#resolve"))
	if err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "the reason on the timeline", `document.querySelector(".timeline")?.innerText.includes("Reason: rolled back")`)
	if acts := evaluate[bool](t, ctx, `!!document.querySelector(".actions")`); acts {
		t.Error("a resolved incident still offers something to do")
	}
}

func TestEventsUpdateThePage(t *testing.T) {
	w := newWorld()
	s, ctx := serve(t, w, ada), browser(t)
	open(t, ctx, s.url+"/incidents/42")
	until(t, ctx, "the live sign", `document.getElementById("live").dataset.state === "live"`)
	err := chromedp.Do(ctx, chromedp.SendKeys(".note-form textarea", "half a thought"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Acknowledge(t.Context(), access.Principal{ID: "user:1", Name: "grace@example.com"}, w.incidents[0].ID); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "somebody else's acknowledgement", `document.querySelector(".incident-head .who").innerText === "grace@example.com is on it"`)
	if text := evaluate[string](t, ctx, `document.querySelector(".note-form textarea").value`); text != "half a thought" {
		t.Errorf("the update took away what was being written: %q", text)
	}
}

func TestConnectionComesBack(t *testing.T) {
	w := newWorld()
	s, ctx := serve(t, w, ada), browser(t)
	state := `document.getElementById("live").dataset.state`
	open(t, ctx, s.url+"/incidents/42")
	until(t, ctx, "the live sign", state+` === "live"`)
	s.hangUp(true)
	until(t, ctx, "the sign that it is away", state+` === "reconnecting" && document.getElementById("live").innerText.includes("Reconnecting")`)
	w.mu.Lock()
	w.incidents[0].State, w.incidents[0].ResolvedBy = incidents.Resolved, "Nines" // and nobody is told
	w.mu.Unlock()
	s.hangUp(false)
	until(t, ctx, "the live sign again", state+` === "live"`)
	until(t, ctx, "what happened meanwhile", `document.querySelector(".incident-head .state").innerText.includes("resolved")`)
	w.mu.Lock()
	w.incidents[0].Title = "another title"
	w.announce("resync", "", "")
	w.mu.Unlock()
	until(t, ctx, "the page after a resync", `document.querySelector("h1").innerText === "another title"`)
}

func TestLookIsRemembered(t *testing.T) {
	s, ctx := serve(t, newWorld(), ada), browser(t)
	look(t, ctx, "light")
	open(t, ctx, s.url+"/")
	background := `getComputedStyle(document.body).backgroundColor`
	before := evaluate[string](t, ctx, background)
	if err := chromedp.Do(ctx, chromedp.Click("#menu summary"), chromedp.Click(`[data-look="dark"]`)); err != nil {
		t.Fatal(err)
	}
	dark := evaluate[string](t, ctx, background)
	open(t, ctx, s.url+"/incidents")
	if after := evaluate[string](t, ctx, background); before == dark || after != dark {
		t.Errorf("background: %s, then dark %s, then on the next page %s", before, dark, after)
	}
}

func TestPointingAtAPlotReadsItsValue(t *testing.T) {
	s, ctx := serve(t, newWorld(), ada), browser(t)
	open(t, ctx, s.url+"/slos/shop-availability?tenant=acme&range=24h")
	point := `(() => { const svg = document.querySelector(".for-wide svg.burn"), box = svg.getBoundingClientRect();
		svg.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: box.right - 20, clientY: box.top + 50 })); return true; })()`
	evaluate[bool](t, ctx, point)
	if said := evaluate[string](t, ctx, `document.querySelector(".for-wide svg.burn").closest("figure").querySelector(".reading").textContent`); !strings.HasPrefix(said, "14.2× · 14:") {
		t.Errorf("pointing at the end of the burn rate reads %q", said)
	}
}
