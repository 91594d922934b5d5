package inbound_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

var (
	update = flag.Bool("update", false, "write what the calls become anew")

	t0 = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
)

const (
	secret = "hush-hush"
	topic  = "arn:aws:sns:eu-central-1:123456789012:alarms"
)

var openItems = inbound.MappingText{
	Each: "body.alerts", Skip: `item.state == "muted"`, Key: "item.id", Ended: `item.state == "closed"`, Summary: "item.rule.title",
	Severity: `{1: "critical", 2: "warning"}[item.prio]`, Labels: map[string]string{"host": "item.host.name", "shard": "item.?shard"},
}

var openMapping = sync.OnceValues(func() (*inbound.Mapping, []inbound.Problem) { return inbound.NewMapping(openItems) })

func source(t testing.TB, kind string) inbound.Source {
	t.Helper()
	mapping, problems := openMapping()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return inbound.Source{
		Name: "tool", Type: kind, Service: "fallback", Labels: map[string]string{"team": "core"}, Secret: secret, Topic: topic, Mapping: mapping,
		Certificate: func(context.Context, string) ([]byte, error) { return amazon(t).pem, nil },
	}
}

// call is a recorded call: what is special about it, and the request.
type call struct {
	kind, auth string
	header     http.Header
	body       []byte
}

// request signs the call as its tool does.
func (c call) request(t testing.TB) hook.Request {
	t.Helper()
	h := c.header.Clone()
	switch kind := cmp.Or(c.auth, c.kind); kind {
	case "sentry":
		h.Set("Sentry-Hook-Signature", mac(secret, c.body))
	case "github":
		h.Set("X-Hub-Signature-256", "sha256="+mac(secret, c.body))
	case "launchdarkly":
		h.Set("X-LD-Signature", mac(secret, c.body))
	case "sns":
		if h.Get("X-Amz-Sns-Rawdelivery") == "" {
			c.body = amazon(t).notify(string(c.body), nil)
			break
		}
		h.Set("Authorization", "Bearer "+secret)
	case "mailgun":
		date, token := strconv.FormatInt(t0.Unix(), 10), "t0ken"
		more := url.Values{"timestamp": {date}, "token": {token}, "signature": {mac(secret, []byte(date+token))}}
		c.body = append(append(bytes.TrimSpace(c.body), '&'), more.Encode()...)
	case "gitlab":
		h.Set("X-Gitlab-Token", secret)
	case "none":
	case "mail":
		h.Set("Authorization", "Basic bmluZXM6aHVzaC1odXNo") // nines:hush-hush
	default:
		h.Set("Authorization", "Bearer "+secret)
	}
	return hook.Request{Method: http.MethodPost, URL: "https://nines.example.com/hooks/tool", Header: h, Body: c.body, At: t0}
}

func mac(key string, text []byte) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write(text)
	return hex.EncodeToString(m.Sum(nil))
}

func readCall(t testing.TB, path string) call {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(bytes.NewReader(text))
	h, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(r)
	c := call{kind: h.Get("type"), auth: h.Get("auth"), header: http.Header(h), body: body}
	c.header.Del("Type")
	c.header.Del("Auth")
	return c
}

// calls are the recorded ones by name.
func calls(t testing.TB) map[string]call {
	t.Helper()
	paths, err := filepath.Glob("testdata/calls/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	all := map[string]call{}
	for _, path := range paths {
		all[strings.TrimSuffix(filepath.Base(path), ".txt")] = readCall(t, path)
	}
	return all
}

// TestEachCallBecomesWhatItTells compares with testdata/calls/*.want, which `go test ./alerting/inbound -update` writes.
func TestEachCallBecomesWhatItTells(t *testing.T) {
	for name, c := range calls(t) {
		t.Run(name, func(t *testing.T) {
			got, err := inbound.Read(t.Context(), source(t, c.kind), c.request(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := alerting.Parse(got.Alerts, t0, 0); err != nil {
				t.Errorf("the intake would refuse it: %v", err)
			}
			path := filepath.Join("testdata", "calls", name+".want")
			if *update {
				if err := os.WriteFile(path, []byte(describe(got)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if describe(got) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", describe(got), want)
			}
		})
	}
}

// describe writes what was received for people.
func describe(got inbound.Received) string {
	var b strings.Builder
	for _, a := range got.Alerts {
		state := "firing until"
		if !a.EndsAt.After(t0) {
			state = "ended"
		}
		fmt.Fprintf(&b, "alert %s %s\n  since %s\n", state, stamp(a.EndsAt), stamp(a.StartsAt))
		pairs(&b, "label", a.Labels)
		pairs(&b, "annotation", a.Annotations)
		if a.GeneratorURL != "" {
			fmt.Fprintf(&b, "  link %s\n", a.GeneratorURL)
		}
	}
	for _, c := range got.Changes {
		fmt.Fprintf(&b, "change %s\n  of %s in %q: %s, by %s at %s, outcome %q\n  %s\n  %s\n", c.Ref, c.Service, c.Environment, c.Kind, c.Author,
			stamp(c.At), c.Outcome, c.Description, c.URL)
	}
	fmt.Fprintf(&b, "answer %d %s\n", got.Answer.Status, got.Answer.Body)
	return b.String()
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

func pairs(b *strings.Builder, what string, m map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(b, "  %s %s=%q\n", what, name, m[name])
	}
}

// TestStrangersAreRefused: a call without the signature, with another secret, or altered after it was signed.
func TestStrangersAreRefused(t *testing.T) {
	for name, c := range calls(t) {
		good := c.request(t)
		other := source(t, c.kind)
		other.Secret, other.Topic = "guessed", "arn:aws:sns:eu-central-1:123456789012:others"
		bare := good
		bare.Header, bare.Body = c.header.Clone(), c.body
		bare.Header.Del("X-Routing-Key")
		if name == "events-pagerduty" {
			bare.Body = bytes.ReplaceAll(bare.Body, []byte(secret), []byte("guessed"))
		}
		none := source(t, c.kind)
		none.Secret, none.Topic = "", ""
		for what, try := range map[string]struct {
			src inbound.Source
			r   hook.Request
		}{"another secret": {other, good}, "no secret at all": {none, good}, "unsigned": {source(t, c.kind), bare}} {
			if name == "changes-pagerduty" && what == "unsigned" {
				continue // its key is in the body
			}
			if got, err := inbound.Read(t.Context(), try.src, try.r); !fault.Is(err, fault.Unauthorized) || len(got.Alerts) > 0 {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestThePreviousSecretCountsWhileItIsChanged(t *testing.T) {
	for name, c := range calls(t) {
		if c.kind == "sns" {
			continue
		}
		src := source(t, c.kind)
		src.Secret, src.Previous = "new", secret
		if _, err := inbound.Read(t.Context(), src, c.request(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsSignedCannotBeAltered(t *testing.T) {
	for _, name := range []string{"sentry-issue-alert", "github-release", "launchdarkly-flag", "sns-alarm", "mail-mailgun"} {
		c := calls(t)[name]
		r := c.request(t)
		old, new := []byte("a"), []byte("b")
		if name == "mail-mailgun" { // Mailgun signs the date and a token only
			old, new = []byte("t0ken"), []byte("t1ken")
		}
		r.Body = bytes.Replace(r.Body, old, new, 1)
		if _, err := inbound.Read(t.Context(), source(t, c.kind), r); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAMailsTokenNamesWhatItTold is what keeps a token of Mailgun's, which signs nothing else, from telling other things.
func TestAMailsTokenNamesWhatItTold(t *testing.T) {
	c := calls(t)["mail-mailgun"]
	read := func(r hook.Request) *inbound.Once {
		got, err := inbound.Read(t.Context(), source(t, c.kind), r)
		if err != nil {
			t.Fatal(err)
		}
		return got.Once
	}
	first, altered, withToken := read(c.request(t)), c.request(t), c.request(t)
	altered.Body = bytes.Replace(altered.Body, []byte("subject="), []byte("subject=not+"), 1)
	withToken.Header.Set("Authorization", "Bearer "+secret)
	second := read(altered)
	if first == nil || first.Token == "" || *first != *read(c.request(t)) {
		t.Fatalf("a retry is %+v", first)
	}
	if second.Token != first.Token || second.Digest == first.Digest {
		t.Errorf("%+v and, with another subject, %+v", first, second)
	}
	if once := read(withToken); once != nil {
		t.Errorf("with a token of ours it is %+v", once)
	}
}

// send reads a body as the type, with a token.
func send(t *testing.T, src inbound.Source, body string) (inbound.Received, error) {
	t.Helper()
	return inbound.Read(t.Context(), src, call{kind: "token", header: http.Header{}, body: []byte(body)}.request(t))
}

func one(t *testing.T, src inbound.Source, body string) alerting.PostedAlert {
	t.Helper()
	got, err := send(t, src, body)
	if err != nil || len(got.Alerts) != 1 {
		t.Fatalf("%s: %+v, %v", body, got, err)
	}
	return got.Alerts[0]
}

func TestTheKeyAloneSaysWhichAlertItIs(t *testing.T) {
	src := source(t, "events")
	first := one(t, src, `{"dedup_key":"k","summary":"a","severity":"info","labels":{"x":"1"}}`)
	for _, same := range []string{
		`{"dedup_key":"k","summary":"b","severity":"critical","service":"other"}`, `{"action":"resolve","dedup_key":"k"}`,
		`{"event_action":"trigger","dedup_key":"k","payload":{"summary":"c","source":"s","severity":"error"}}`,
	} {
		if got := one(t, src, same); got.Fingerprint != first.Fingerprint {
			t.Errorf("%s is another alert", same)
		}
	}
	if got := one(t, src, `{"dedup_key":"K","summary":"a","severity":"info","labels":{"x":"1"}}`); got.Fingerprint == first.Fingerprint {
		t.Error("another key is the same alert")
	}
	src.Name = "other"
	if got := one(t, src, `{"dedup_key":"k","summary":"a"}`); got.Fingerprint == first.Fingerprint {
		t.Error("another integration's key is the same alert")
	}
}

func TestWithoutAKeyWhereAndWhatAreTheKey(t *testing.T) {
	src := source(t, "events")
	hello := one(t, src, `{"summary":"hello","source":"db1"}`)
	if again := one(t, src, `{"summary":"hello","source":"db1","severity":"critical"}`); again.Fingerprint != hello.Fingerprint {
		t.Error("the same told again is another alert")
	}
	for _, other := range []string{`{"summary":"hello","source":"db2"}`, `{"summary":"hullo","source":"db1"}`, `{"summary":"hello","source":"db1","service":"s"}`} {
		if one(t, src, other).Fingerprint == hello.Fingerprint {
			t.Errorf("%s is the same alert", other)
		}
	}
}

func TestLongKeysStayApart(t *testing.T) {
	src := source(t, "uptime")
	long := strings.Repeat("k", 300)
	a, b := one(t, src, `{"status":"down","name":"`+long+`a"}`), one(t, src, `{"status":"down","name":"`+long+`b"}`)
	if a.Fingerprint == b.Fingerprint || len(a.Labels["dedup_key"]) > 260 {
		t.Errorf("%d characters", len(a.Labels["dedup_key"]))
	}
}

func TestBadCallsNameTheField(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct {
		kind, body, want string
		is               fault.Kind
	}{
		{"events", ``, "body", fault.Invalid},
		{"events", `[]`, "body", fault.Invalid},
		{"events", `{} {}`, "body", fault.Invalid},
		{"events", `{"details":` + deep + `}`, "body", fault.TooLarge},
		{"events", "{\"summary\":\"\xff\"}", "body", fault.Invalid},
		{"events", `{}`, "summary", fault.Invalid},
		{"events", `{"action":"open","summary":"x"}`, "action", fault.Invalid},
		{"events", `{"action":"resolve"}`, "dedup_key", fault.Invalid},
		{"events", `{"summary":"x","dedup_key":"` + strings.Repeat("k", 256) + `"}`, "dedup_key", fault.Invalid},
		{"events", `{"summary":"x","severity":"bad"}`, "severity", fault.Invalid},
		{"events", `{"event_action":"trigger","payload":{"source":"x","severity":"error"}}`, "payload.summary", fault.Invalid},
		{"events", `{"summary":"x","timeout":"soon"}`, "timeout", fault.Invalid},
		{"events", `{"summary":"x","timeout":"1h","ends_at":"2026-03-02T00:00:00Z"}`, "timeout", fault.Invalid},
		{"events", `{"summary":"x","ends_at":"2026-02-01T00:00:00Z"}`, "ends_at", fault.Invalid},
		{"alertmanager", `{"version":"3"}`, "version", fault.Invalid},
		{"alertmanager", `{"version":"4","alerts":[{"status":"firing"}]}`, "alerts[0].labels", fault.Invalid},
		{"grafana", `{"title":"x"}`, "alerts", fault.Invalid},
		{"datadog", `{"body":"x"}`, "title", fault.Invalid},
		{"uptime", `{"status":"sideways","name":"x"}`, "status", fault.Invalid},
		{"uptime", `{"status":"up"}`, "name", fault.Invalid},
		{"template", `{"alerts":3}`, "mapping.each", fault.Invalid},
		{"template", `{}`, "mapping.each", fault.Invalid},
		{"changes", `{"service":"shop"}`, "ref", fault.Invalid},
		{"changes", `{"service":"shop","ref":"1","kind":"No Kind"}`, "kind", fault.Invalid},
		{"changes", `{"service":"shop","ref":"1","status":"meh"}`, "status", fault.Invalid},
		{"argocd", `{"app":{}}`, "app", fault.Invalid},
		{"gitlab", `{"object_kind":"release","action":"create"}`, "tag", fault.Invalid},
		{"events", `{"x":"` + strings.Repeat("x", inbound.MaxBody) + `"}`, "body", fault.TooLarge},
	} {
		_, err := send(t, source(t, c.kind), c.body)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != c.is || !strings.HasPrefix(f.Message, c.want+": ") {
			t.Errorf("%s %.80s: %v; want %s", c.kind, c.body, err, c.want)
		}
	}
}

func TestOneBadAlertOfAGroupLosesNoOther(t *testing.T) {
	got, err := send(t, source(t, "alertmanager"), `{"version":"4","alerts":[{"status":"firing"},{"status":"firing","labels":{"alertname":"A"}}]}`)
	if err != nil || len(got.Alerts) != 1 || !strings.Contains(string(got.Answer.Body), "alerts[0].labels") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestChangesOfATenantAreRefused(t *testing.T) {
	src := source(t, "events")
	src.Tenant = "acme"
	if _, err := send(t, src, `{"payload":{"summary":"went out"}}`); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if a := one(t, src, `{"summary":"x","labels":{"tenant":"globex"}}`); a.Labels["tenant"] != "acme" {
		t.Errorf("the alert is %s's", a.Labels["tenant"])
	}
}

// TestGrafanaSignsItsDate: a call of long ago that is told again is refused.
func TestGrafanaSignsItsDate(t *testing.T) {
	c := calls(t)["grafana-firing"]
	for age, good := range map[time.Duration]bool{0: true, 4 * time.Minute: true, 6 * time.Minute: false, -6 * time.Minute: false} {
		r := c.request(t)
		date := strconv.FormatInt(t0.Add(-age).Unix(), 10)
		r.Header = http.Header{}
		r.Header.Set("X-Grafana-Alerting-Timestamp", date)
		r.Header.Set("X-Grafana-Alerting-Signature", mac(secret, append([]byte(date+":"), r.Body...)))
		if _, err := inbound.Read(t.Context(), source(t, "grafana"), r); (err == nil) != good {
			t.Errorf("%s old: %v", age, err)
		}
	}
}

func TestADateThatIsTakenOffDoesNotCount(t *testing.T) {
	c := calls(t)["grafana-firing"]
	r := c.request(t)
	date := strconv.FormatInt(t0.Add(-time.Hour).Unix(), 10)
	r.Header = http.Header{}
	r.Header.Set("X-Grafana-Alerting-Signature", mac(secret, append([]byte(date+":"), r.Body...)))
	if _, err := inbound.Read(t.Context(), source(t, "grafana"), r); !fault.Is(err, fault.Unauthorized) {
		t.Error(err)
	}
}

func TestTokensInTheQueryDoNotCount(t *testing.T) {
	r := call{auth: "none", header: http.Header{}, body: []byte(`{"summary":"x"}`)}.request(t)
	r.URL += "?token=" + secret
	if _, err := inbound.Read(t.Context(), source(t, "events"), r); !fault.Is(err, fault.Unauthorized) {
		t.Error(err)
	}
}
