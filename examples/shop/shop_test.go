package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_c2hvcC10ZXN0LWtleS10aGF0LXByb3RlY3RzLW5vdGhpbmc="

// opened is a shop without traffic, served in the test.
type opened struct {
	*testing.T
	shop *shop
	url  string
	out  *buffer
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

func open(t *testing.T, pagerSecret string) opened {
	t.Helper()
	out := &buffer{}
	s, err := newShop(options{seed: 1, replicas: 2}, pagerSecret, out)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	return opened{t, s, server.URL, out}
}

func (o opened) ask(method, path, tenant, region string) (int, string) {
	o.Helper()
	req, err := http.NewRequest(method, o.url+path, nil)
	if err != nil {
		o.Fatal(err)
	}
	req.Header.Set("X-Tenant", tenant)
	req.Header.Set("X-Region", region)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func (o opened) status(method, path, tenant, region string) int {
	o.Helper()
	code, _ := o.ask(method, path, tenant, region)
	return code
}

func (o opened) truth() map[string]truthRow {
	o.Helper()
	_, body := o.ask("GET", "/truth", "", "")
	var t truth
	if err := json.Unmarshal([]byte(body), &t); err != nil {
		o.Fatal(err)
	}
	rows := map[string]truthRow{}
	for _, r := range t.Rows {
		rows[r.Tenant+"/"+r.Region] = r
	}
	return rows
}

func TestTheSwitchBreaksOneCustomerAndHealsIt(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	try := func(when, tenant, region string, want int) {
		t.Helper()
		if got := o.status("GET", "/products", tenant, region); got != want {
			t.Errorf("%s: %s in %s gets %d, want %d", when, tenant, region, got, want)
		}
	}
	try("at first", "acme", "eu", 200)
	if code, body := o.ask("POST", "/break?tenant=acme", "", ""); code != 200 || !strings.Contains(body, "acme, 100 % of requests fail") {
		t.Errorf("break says %d %s", code, body)
	}
	try("broken", "acme", "eu", 500)
	try("broken", "acme", "us", 500)
	try("broken", "globex", "us", 200)
	o.status("POST", "/heal", "", "")
	try("healed", "acme", "eu", 200)
	o.status("POST", "/break?tenant=all&region=eu", "", "")
	try("a region broken", "initech", "eu", 500)
	try("a region broken", "initech", "us", 200)
	o.status("POST", "/heal?tenant=initech", "", "")
	try("healed for one", "initech", "eu", 200)
	try("healed for one", "acme", "eu", 500)
}

func TestTheSwitchExplainsItself(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	for path, want := range map[string]string{
		"/break":                          "say for whom: tenant=acme, tenant=globex, tenant=initech or tenant=all",
		"/break?tenant=umbrella":          "say for whom",
		"/break?tenant=acme&mode=explode": "it is errors or slow",
		"/break?tenant=acme&region=mars":  "it is eu or us",
		"/break?tenant=acme&share=200%25": "is not a share",
		"/break?tenant=acme&share=0":      "is not a share",
		"/break?tenant=acme&share=NaN":    "is not a share",
		"/heal?tenant=umbrella":           "say for whom",
		"/traffic":                        "say how many requests a second",
		"/traffic?rps=-1":                 "say how many",
		"/traffic?rps=1e9":                "say how many",
		"/replicas?n=-2":                  "say how many replicas",
		"/checkout":                       "the customers are acme, globex, initech",
		"/umbrella/checkout":              "the customers are",
	} {
		if code, body := o.ask("POST", path, "", ""); code != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if len(o.truth()) != 0 || len(o.shop.faults.list()) != 0 {
		t.Error("what was refused was done or counted")
	}
}

func TestAShareOfRequestsFails(t *testing.T) {
	t.Parallel()
	for _, share := range []string{"25%", "25%25", "0.25"} {
		o := open(t, "")
		if code, body := o.ask("POST", "/break?tenant=acme&share="+share, "", ""); code != 200 || !strings.Contains(body, "25 % of requests fail") {
			t.Fatalf("%s: %d %s", share, code, body)
		}
		failed := 0
		for range 400 {
			if o.shop.faults.strike("acme", "eu") == modeErrors {
				failed++
			}
		}
		if failed < 70 || failed > 130 {
			t.Errorf("%s: %d of 400 fail", share, failed)
		}
	}
}

func TestTheTruthIsWhatTheMetricsSay(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	for range 5 {
		o.status("GET", "/products", "acme", "eu")
		o.status("POST", "/globex/checkout", "", "")
	}
	if families := o.families(); strings.Contains(families["http_requests_total"], `code="500"`) {
		t.Error("errors that never happened have a series")
	}
	o.status("POST", "/break?tenant=acme", "", "")
	for range 3 {
		o.status("POST", "/checkout", "acme", "us")
	}
	got := o.truth()
	want := map[string]truthRow{
		"acme/eu": {"acme", "eu", 5, 5, 5}, "acme/us": {"acme", "us", 0, 3, 3}, "globex/us": {"globex", "us", 5, 5, 5},
	}
	for at, row := range want {
		row.Fast = got[at].Fast // a busy machine may be slow
		if got[at] != row {
			t.Errorf("%s: %+v, want %+v", at, got[at], row)
		}
	}
	families := o.families()
	for _, want := range []string{
		`code="200" region="eu" route="/products" tenant="acme" 5`, `code="500" region="us" route="/checkout" tenant="acme" 3`,
		`code="201" region="us" route="/checkout" tenant="globex" 5`,
	} {
		if !strings.Contains(families["http_requests_total"], want) {
			t.Errorf("the metrics lack %s:\n%s", want, families["http_requests_total"])
		}
	}
	if families["process_start_time_seconds"] == "" || families["shop_replicas"] != "2\n" {
		t.Errorf("start time and replicas are %q and %q", families["process_start_time_seconds"], families["shop_replicas"])
	}
}

// families reads /metrics as Prometheus would, one line a series.
func (o opened) families() map[string]string {
	o.Helper()
	_, text := o.ask("GET", "/metrics", "", "")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		o.Fatal(err)
	}
	out := map[string]string{}
	for name, family := range parsed {
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				out[name] += fmt.Sprintf("%s=%q ", l.GetName(), l.GetValue())
			}
			out[name] += fmt.Sprintln(m.GetCounter().GetValue() + m.GetGauge().GetValue())
		}
	}
	return out
}

func TestSlowIsNotFailedButCountsAgainstLatency(t *testing.T) {
	t.Parallel()
	o := open(t, "")
	o.status("POST", "/break?tenant=globex&mode=slow", "", "")
	if got := o.status("GET", "/products", "globex", "us"); got != 200 {
		t.Errorf("a slow request gets %d", got)
	}
	if row := o.truth()["globex/us"]; row.Good != 1 || row.Fast != 0 || row.Total != 1 {
		t.Errorf("the truth is %+v", row)
	}
}

// The same seed makes the same customers ask for the same things in the same order.
func TestTrafficRepeatsItselfForASeed(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) string {
		s, err := newShop(options{seed: seed}, "", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		seen := map[string]int{}
		for range 600 {
			r := s.traffic.next("")
			seen[r.tenant]++
			fmt.Fprintln(&b, r)
		}
		if !(seen["acme"] > seen["globex"] && seen["globex"] > seen["initech"] && seen["initech"] > 50) {
			t.Errorf("seed %d: the customers ask %v times", seed, seen)
		}
		return b.String()
	}
	seven, again, eight := draw(7), draw(7), draw(8)
	if seven != again || seven == eight {
		t.Error("the seed does not decide the traffic")
	}
	if first, second := draw(0), draw(0); first == second {
		t.Error("without a seed the traffic repeats itself")
	}
}

// The whole program: traffic flows over HTTP, stops on demand with the counts settled, and the program ends when asked.
func TestTheProgramServesAndStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, addr, ended := &buffer{}, make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-listen", "127.0.0.1:0", "-rps", "200", "-seed", "1"}, func(string) string { return secret }, out, func(a string) { addr <- a })
	}()
	o := opened{T: t, url: "http://" + <-addr, out: out}
	deadline := time.Now().Add(20 * time.Second)
	for sum(o.truth()) < 20 {
		if time.Now().After(deadline) {
			t.Fatal("no traffic")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if code, body := o.ask("POST", "/traffic?rps=0", "", ""); code != 200 {
		t.Fatalf("traffic does not stop: %d %s", code, body)
	}
	before := sum(o.truth())
	time.Sleep(50 * time.Millisecond) // nothing to wait for but its absence
	if after := sum(o.truth()); after != before {
		t.Errorf("after the traffic stopped the counts went from %d to %d", before, after)
	}
	if _, body := o.ask("GET", "/status", "", ""); !strings.Contains(body, `"rps": 0`) || !strings.Contains(body, `"pager": "on"`) {
		t.Errorf("the status is %s", body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(out.String(), "200 requests a second") {
		t.Errorf("it printed %q", out)
	}
}

func sum(rows map[string]truthRow) (n int64) {
	for _, r := range rows {
		n += r.Total
	}
	return n
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rps", "-1"}, {"-rps", "1e9"}, {"now"}, {"-listen", "nowhere"}, {"-replicas", "-1"}, {"-pager-secret-file", "/does/not/exist"}, {"-colour"}} {
		if err := run(context.Background(), args, func(string) string { return "" }, io.Discard, nil); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
	if err := run(context.Background(), nil, func(string) string { return "whsec_short" }, io.Discard, nil); err == nil {
		t.Error("a short secret was accepted")
	}
}

// page posts a webhook signed with the secret.
func (o opened) page(id, with string, at time.Time, body string) int {
	o.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(with, "whsec_"))
	if err != nil {
		o.Fatal(err)
	}
	wh, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		o.Fatal(err)
	}
	signature, err := wh.Sign(id, at, []byte(body))
	if err != nil {
		o.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, o.url+"/pager", strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

const triggered = `{"type": "incident.triggered", "data": {"number": 12, "tenant": "acme", "title": "checkout fails\u001b[2J\nPAGE forged",
	"severity": "critical", "url": "http://n/incidents/1", "runbookUrl": "http://n/runbooks/slo-burn"}}`

func TestThePagerPrintsAPageOnceAndBelievesOnlyTheSigned(t *testing.T) {
	t.Parallel()
	o := open(t, secret)
	now := time.Now()
	if got := o.page("msg_1", secret, now, triggered); got != http.StatusNoContent {
		t.Fatalf("a signed page gets %d", got)
	}
	o.page("msg_1", secret, now, triggered) // a retry
	other := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 32))
	for name, code := range map[string]int{
		"another secret": o.page("msg_2", other, now, triggered), "an hour old": o.page("msg_3", secret, now.Add(-time.Hour), triggered),
	} {
		if code != http.StatusUnauthorized {
			t.Errorf("%s gets %d", name, code)
		}
	}
	if got := o.page("msg_4", secret, now, "not JSON"); got != http.StatusBadRequest {
		t.Errorf("no JSON gets %d", got)
	}
	want := "PAGE critical: #12 acme: checkout fails [2J PAGE forged  http://n/incidents/1  http://n/runbooks/slo-burn\n"
	if got := o.out.String(); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	pages := o.shop.pager.last()
	if len(pages) != 1 || pages[0].Times != 2 {
		t.Errorf("kept %+v", pages)
	}
}

func TestThePagerTellsHowItWentOn(t *testing.T) {
	t.Parallel()
	o := open(t, secret)
	o.page("a", secret, time.Now(), `{"type": "incident.acknowledged", "data": {"number": 12, "title": "checkout fails", "acknowledgedBy": "Ana"}}`)
	o.page("b", secret, time.Now(), `{"type": "incident.resolved", "data": {"number": 12, "tenant": "acme", "title": "checkout fails", "resolvedBy": "the alerts ended"}}`)
	want := "ACKNOWLEDGED #12 checkout fails by Ana\nRESOLVED #12 acme: checkout fails by the alerts ended\n"
	if got := o.out.String(); got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	for i := range keepPages + 20 {
		o.shop.pager.keep(received{ID: strconv.Itoa(i)})
	}
	if pages := o.shop.pager.last(); len(pages) != keepPages || pages[0].ID != strconv.Itoa(keepPages+19) {
		t.Errorf("%d pages are kept, the newest is %s", len(pages), pages[0].ID)
	}
}

func TestAPagerWithoutASecretRefusesEverything(t *testing.T) {
	t.Parallel()
	if got := open(t, "").page("msg_1", secret, time.Now(), triggered); got != http.StatusServiceUnavailable {
		t.Errorf("it answers %d", got)
	}
}
