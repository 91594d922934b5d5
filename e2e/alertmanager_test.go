//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The real Alertmanager and Nines get the same requests; status codes, the shapes of answers, fingerprints and what
// suppresses each alert are the same, but for the differences that differ lists with a reason.

const peerConfig = `
route: {receiver: nines, group_by: [alertname]}
receivers: [{name: nines}]
inhibit_rules:
- source_matchers: ['severity="critical"']
  target_matchers: ['severity="warning"']
  equal: [alertname]
`

const ourInhibition = pagingOnly + `---
apiVersion: nines/v1
kind: InhibitRule
metadata: {name: critical-over-warning}
spec:
  source: ['severity="critical"']
  target: ['severity="warning"']
  equal: [alertname]
`

// differ has the requests that are answered in another way, and why.
var differ = map[string]struct{ status, shape, why string }{
	"a flag that is none":       {status: "200 400", shape: "any", why: "a misspelt flag must not silently mean false"},
	"delete an unknown silence": {status: "500 404", why: "Alertmanager's own later API answers 404; nothing is broken"},
	"an unknown silence":        {shape: "any", why: "Alertmanager sends an empty body, we say in words what is not there"},
	"reload":                    {status: "200 501", shape: "any", why: "there is no file to reload; definitions take effect as they are applied"},
	"get a reload":              {status: "405 405", shape: "any", why: "the body is a plain text there and JSON here"},
	"groups":                    {shape: "any", why: "a warning pages nobody here, so that its receiver and group are others; one group is compared below"},
	"alerts of the old API":     {status: "200 404", shape: "any", why: "Alertmanager itself has removed API v1 since"},
}

// peer is one of the two servers.
type peer struct {
	name, base, token string
	silence           string // id of the silence that was made last
}

func startPeers(t *testing.T) (theirs, ours *peer) {
	t.Helper()
	dir := tempDir(t)
	write(t, filepath.Join(dir, "am.yml"), peerConfig)
	listen := freePort(t)
	start(t, "alertmanager", nil, find(t, "alertmanager", "prometheus-alertmanager"), "--config.file="+filepath.Join(dir, "am.yml"),
		"--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+listen, "--cluster.listen-address=")
	w := startPaging(t, planeOptions{})
	path := filepath.Join(w.dir, "inhibition.yaml")
	write(t, path, strings.ReplaceAll(ourInhibition, "SINK", w.sink.URL))
	w.cli("apply", "-f", path)
	theirs = &peer{name: "alertmanager", base: "http://" + listen}
	ours = &peer{name: "nines", base: w.url("/alertmanager"), token: w.token}
	eventually(t, 20*time.Second, "alertmanager is ready", func() error {
		status, _, err := theirs.ask(http.MethodGet, "/-/ready", "", "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d", status)
		}
		return err
	})
	return theirs, ours
}

func (p *peer) ask(method, path, contentType, body string) (int, string, error) {
	fill := strings.NewReplacer("SILENCE", p.silence)
	req, err := http.NewRequest(method, p.base+fill.Replace(path), strings.NewReader(fill.Replace(body)))
	if err != nil {
		return 0, "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	var made struct {
		SilenceID string `json:"silenceID"`
	}
	if json.Unmarshal(raw, &made) == nil && made.SilenceID != "" {
		p.silence = made.SilenceID
	}
	return res.StatusCode, string(raw), err
}

// shape writes what kind of JSON a text is: the names of objects and the kinds of their values.
func shape(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		if text == "" || text == "OK" {
			return "nothing"
		}
		return "text"
	}
	return shapeOf(v)
}

func shapeOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "mutedBy") // of later versions of Alertmanager
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == "labels" || name == "annotations" {
				parts = append(parts, name)
				continue
			}
			parts = append(parts, name+":"+shapeOf(v[name]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case []any:
		kinds := map[string]bool{}
		for _, x := range v {
			kinds[shapeOf(x)] = true
		}
		return "[" + strings.Join(slices.Sorted(maps.Keys(kinds)), "|") + "]"
	}
	return fmt.Sprintf("%T", v)
}

type exchange struct{ what, method, path, body string }

const (
	silenceRest = `"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"ada","comment":""`
	oneMatcher  = `"matchers":[{"name":"alertname","value":"Quiet.*","isRegex":true}]`
	nowhere     = "7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11"
	alertsPath  = "/api/v2/alerts"
	silences    = "/api/v2/silences"
)

// conversation is what both are asked, in order.
var conversation = []exchange{
	{"nothing to tell", "POST", alertsPath, `[]`},
	{"not JSON by name", "POST text/plain", alertsPath, `[]`},
	{"no labels", "POST", alertsPath, `[{"annotations":{"a":"b"}}]`},
	{"empty labels", "POST", alertsPath, `[{"labels":{}}]`},
	{"labels without values", "POST", alertsPath, `[{"labels":{"a":""}}]`},
	{"bad name beside a good one", "POST", alertsPath, `[{"labels":{"bad-name":"x"}},{"labels":{"alertname":"Good"}}]`},
	{"end before start", "POST", alertsPath, `[{"labels":{"alertname":"A"},"startsAt":"2026-11-02T00:00:00Z","endsAt":"2026-11-01T00:00:00Z"}]`},
	{"garbage", "POST", alertsPath, `{"labels`},
	{"bad time", "POST", alertsPath, `[{"labels":{"alertname":"A"},"startsAt":"yesterday"}]`},
	{"alerts", "POST", alertsPath, `[{"labels":{"alertname":"A","severity":"critical"},"annotations":{"summary":"x"},"generatorURL":"http://p.example.com/g"},` +
		`{"labels":{"alertname":"A","severity":"warning","empty":""}},{"labels":{"alertname":"Quiet1","severity":"info"}}]`},
	{"bad filter", "GET", alertsPath + "?filter=alert+name", ""},
	{"bad receiver", "GET", alertsPath + "?receiver=%5B", ""},
	{"a flag that is none", "GET", alertsPath + "?active=maybe", ""},
	{"put alerts", "PUT", alertsPath, `[]`},
	{"no such path", "GET", "/api/v2/nothing", ""},
	{"alerts of the old API", "GET", "/api/v1/alerts", ""},
	{"silence without anything", "POST", silences, `{}`},
	{"silence without a body", "POST", silences, ``},
	{"silence without matchers", "POST", silences, `{"matchers":[],` + silenceRest + `}`},
	{"matcher without isRegex", "POST", silences, `{"matchers":[{"name":"a","value":"b"}],` + silenceRest + `}`},
	{"matcher without a name", "POST", silences, `{"matchers":[{"name":"","value":"b","isRegex":false}],` + silenceRest + `}`},
	{"bad expression", "POST", silences, `{"matchers":[{"name":"a","value":"[","isRegex":true}],` + silenceRest + `}`},
	{"matches the empty string", "POST", silences, `{"matchers":[{"name":"a","value":"","isRegex":false}],` + silenceRest + `}`},
	{"silence of the past", "POST", silences, `{` + oneMatcher + `,"startsAt":"2025-01-01T00:00:00Z","endsAt":"2026-01-01T00:00:00Z","createdBy":"a","comment":"c"}`},
	{"silence that ends first", "POST", silences, `{` + oneMatcher + `,"startsAt":"2098-01-01T00:00:00Z","endsAt":"2097-01-01T00:00:00Z","createdBy":"a","comment":"c"}`},
	{"silence of an unknown id", "POST", silences, `{"id":"` + nowhere + `",` + oneMatcher + `,` + silenceRest + `}`},
	{"silence of an id that is none", "POST", silences, `{"id":"x",` + oneMatcher + `,` + silenceRest + `}`},
	{"silence that is no JSON", "POST", silences, `{"matchers`},
	{"silence that is not JSON by name", "POST text/plain", silences, `{}`},
	{"bad filter of silences", "GET", silences + "?filter=a+b", ""},
	{"an unknown silence", "GET", "/api/v2/silence/" + nowhere, ""},
	{"a silence of no UUID", "GET", "/api/v2/silence/x", ""},
	{"delete an unknown silence", "DELETE", "/api/v2/silence/" + nowhere, ""},
	{"delete a silence of no UUID", "DELETE", "/api/v2/silence/x", ""},
	{"silence", "POST", silences, `{` + oneMatcher + `,` + silenceRest + `}`},
	{"the silence", "GET", "/api/v2/silence/SILENCE", ""},
	{"silences", "GET", silences, ""},
	{"silences that match", "GET", silences + "?filter=alertname%3D~%22Qu.*%22", ""},
	{"silences that have it", "GET", silences + "?filter=alertname%3D~%22Quiet.*%22", ""},
	{"silences that do not", "GET", silences + "?filter=a%3D%22b%22", ""},
	{"status", "GET", "/api/v2/status", ""},
	{"ready", "GET", "/-/ready", ""},
	{"healthy", "GET", "/-/healthy", ""},
	{"reload", "POST", "/-/reload", ""},
	{"get a reload", "GET", "/-/reload", ""},
}

func TestWeAnswerAsTheRealAlertmanagerDoes(t *testing.T) {
	t.Parallel()
	theirs, ours := startPeers(t)
	for _, x := range conversation {
		compare(t, theirs, ours, x)
	}
	for _, query := range []string{"", "?silenced=false", "?inhibited=false", "?active=false", "?active=false&silenced=false",
		"?filter=severity%3D%22critical%22", "?filter=alertname%3D~%22Q.*%22&filter=severity%21%3D%22critical%22", "?receiver=nobody"} {
		eventually(t, 10*time.Second, "the same alerts "+query, func() error { return sameAlerts(theirs, ours, alertsPath+query) })
	}
	compare(t, theirs, ours, exchange{"alerts with what suppresses them", "GET", alertsPath, ""})
	compare(t, theirs, ours, exchange{"groups", "GET", alertsPath + "/groups?silenced=true&inhibited=true&active=true", ""})
	compare(t, theirs, ours, exchange{"one group", "GET", alertsPath + "/groups?filter=alertname%3D%22Quiet1%22", ""})
	compare(t, theirs, ours, exchange{"receivers", "GET", "/api/v2/receivers", ""})
	for _, what := range []string{"delete it", "delete it twice"} {
		compare(t, theirs, ours, exchange{what, "DELETE", "/api/v2/silence/SILENCE", ""})
	}
	eventually(t, 10*time.Second, "the same alerts without the silence", func() error { return sameAlerts(theirs, ours, alertsPath) })
	compare(t, theirs, ours, exchange{"the silence, expired", "GET", "/api/v2/silence/SILENCE", ""})
}

func compare(t *testing.T, theirs, ours *peer, x exchange) {
	t.Helper()
	method, contentType, ok := strings.Cut(x.method, " ")
	if !ok && x.method == http.MethodPost {
		contentType = "application/json"
	}
	theirStatus, theirText, theirErr := theirs.ask(method, x.path, contentType, x.body)
	ourStatus, ourText, ourErr := ours.ask(method, x.path, contentType, x.body)
	if theirErr != nil || ourErr != nil {
		t.Fatalf("%s: %v %v", x.what, theirErr, ourErr)
	}
	known := differ[x.what]
	if is := fmt.Sprint(theirStatus, ourStatus); theirStatus != ourStatus && is != known.status {
		t.Errorf("%s: %d there, %d here: %s\n%s", x.what, theirStatus, ourStatus, theirText, ourText)
	}
	if a, b := shape(theirText), shape(ourText); a != b && known.shape == "" {
		t.Errorf("%s:\nthere %s\nhere  %s", x.what, a, b)
	}
}

// sameAlerts compares fingerprints, states, and what inhibits; ids of silences only by their number.
func sameAlerts(theirs, ours *peer, path string) error {
	var seen [2]string
	for i, p := range []*peer{theirs, ours} {
		_, text, err := p.ask(http.MethodGet, path, "", "")
		if err != nil {
			return err
		}
		var alerts []struct {
			Fingerprint string
			Labels      map[string]string
			Status      struct {
				State                   string
				SilencedBy, InhibitedBy []string
			}
		}
		if err := json.Unmarshal([]byte(text), &alerts); err != nil {
			return fmt.Errorf("%s: %w: %s", p.name, err, text)
		}
		var lines []string
		for _, a := range alerts {
			lines = append(lines, fmt.Sprint(a.Fingerprint, a.Labels, a.Status.State, len(a.Status.SilencedBy), a.Status.InhibitedBy))
		}
		slices.Sort(lines)
		seen[i] = strings.Join(lines, "\n")
	}
	if seen[0] != seen[1] {
		return fmt.Errorf("there:\n%s\nhere:\n%s", seen[0], seen[1])
	}
	return nil
}

// amtoolScript is every kind of amtool's commands; SILENCE is the id of the silence that was last added.
var amtoolScript = []string{
	"alert add Foo severity=critical node=a1 --annotation=summary=it",
	"alert", "alert query", "alert query Foo", "alert query node=a1 -o json", "alert query -o extended", "alert query --inhibited --silenced",
	"alert query a b", "alert query alertname=~[",
	"silence add Foo --comment=c --author=ada --duration=1h", "silence add Foo", "silence add --comment=c", "silence add Foo node=~a.* --comment=c --start=2098-01-01T00:00:00Z --end=2098-01-02T00:00:00Z",
	"silence", "silence query", "silence query Foo", "silence query -q", "silence query -o json", "silence query --expired --within=1h",
	"silence update --duration=2h --comment=longer SILENCE", "silence import", "silence expire SILENCE", "silence expire " + nowhere,
	"cluster", "cluster show", "config", "config show", "config routes", "config routes show", "config routes test severity=critical",
	"config routes test --verify.receivers=nobody severity=critical",
}

func TestAmtoolCannotTellUsFromTheRealOne(t *testing.T) {
	t.Parallel()
	theirs, ours := startPeers(t)
	amtool := find(t, "amtool")
	for _, line := range amtoolScript {
		var codes [2]int
		var said [2]string
		for i, p := range []*peer{theirs, ours} {
			said[i], codes[i] = p.amtool(t, amtool, line)
			if strings.HasPrefix(line, "silence add") && codes[i] == 0 {
				p.silence = strings.TrimSpace(said[i])
			}
		}
		if codes[0] != codes[1] && !strings.HasPrefix(line, "silence expire "+nowhere) {
			t.Errorf("amtool %s exits with %d there and %d here:\n%s\n%s", line, codes[0], codes[1], said[0], said[1])
		}
	}
	_, status, err := ours.ask(http.MethodGet, "/api/v2/status", "", "")
	var answer struct{ Config struct{ Original string } }
	if err != nil || json.Unmarshal([]byte(status), &answer) != nil {
		t.Fatal(err, status)
	}
	path := filepath.Join(tempDir(t), "ours.yml")
	write(t, path, answer.Config.Original)
	if out, err := exec.Command(amtool, "check-config", path).CombinedOutput(); err != nil {
		t.Errorf("amtool refuses our configuration: %v\n%s\n%s", err, out, answer.Config.Original)
	}
	if out, _ := ours.amtool(t, amtool, "config routes test severity=critical"); strings.TrimSpace(out) != "default" {
		t.Errorf("a critical alert is routed to %q", out)
	}
}

func (p *peer) amtool(t *testing.T, amtool, line string) (out string, code int) {
	t.Helper()
	at := p.base
	if p.token != "" {
		at = strings.Replace(at, "http://", "http://amtool:"+p.token+"@", 1)
	}
	cmd := exec.Command(amtool, append([]string{"--alertmanager.url=" + at}, strings.Fields(strings.ReplaceAll(line, "SILENCE", p.silence))...)...)
	cmd.Stdin = strings.NewReader(`[{"matchers":[{"name":"a","value":"b","isRegex":false,"isEqual":true}],"startsAt":"2098-01-01T00:00:00Z",` +
		`"endsAt":"2099-01-01T00:00:00Z","createdBy":"ada","comment":"imported"}]`)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() != 0 {
		return stdout.String() + stderr.String(), cmd.ProcessState.ExitCode()
	}
	return stdout.String(), 0
}

// A person silences what is about to fire, sees why it does not page, and is paged within five seconds once the silence ends.
func TestASilencedAlertIsExplainedAndPagesOnceTheSilenceEnds(t *testing.T) {
	t.Parallel()
	w := startPaging(t, planeOptions{})
	path := filepath.Join(w.dir, "rules.yaml")
	write(t, path, strings.ReplaceAll(ourInhibition, "SINK", w.sink.URL)+`---
apiVersion: nines/v1
kind: Heartbeat
metadata: {name: nightly-backup}
spec: {interval: 1h, key: {file: beat.key}}
`)
	write(t, filepath.Join(w.dir, "data", "beat.key"), "a-key-of-some-length\n")
	w.cli("apply", "-f", path)

	id := strings.Fields(w.cli("silence", "add", "service=quiet", "--for", "2h", "--comment", "new disks"))[0]
	post := func(name, severity string) {
		w.call(http.MethodPost, "/alertmanager/api/v2/alerts", []map[string]any{{"labels": map[string]string{"alertname": name, "severity": severity, "service": "quiet"}}})
	}
	post("QuietDisk", "critical")
	if out := w.cli("alert", "list", "--state", "suppressed"); !strings.Contains(out, "QuietDisk") || !strings.Contains(out, "silenced") {
		t.Errorf("alert list says:\n%s", out)
	}
	if out := w.cli("silence", "preview", `alertname=~"Quiet.*"`); !strings.Contains(out, "QuietDisk") {
		t.Errorf("silence preview says:\n%s", out)
	}
	out := w.cli("alert", "explain", "QuietDisk", "severity=critical", "service=quiet")
	for _, want := range []string{"silence      " + id, "held by silence " + id, "pages policy default", "step 1 at once: webhook"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain does not say %q:\n%s", want, out)
		}
	}
	if out, err := w.tryCLI(`{"labels":{"alertname":"QuietDisk","severity":"warning","service":"loud"}}`, "alert", "explain", "-"); err != nil ||
		!strings.Contains(out, "inhibited by alert") && !strings.Contains(out, "nothing keeps it") {
		t.Errorf("explain says: %v\n%s", err, out)
	}
	if open := w.incidents("triggered"); len(open) != 0 || len(w.sink.pages()) != 0 {
		t.Fatalf("a silenced alert opened %d incidents and sent %d pages", len(open), len(w.sink.pages()))
	}
	w.cli("silence", "expire", id)
	w.sink.waitFor(t, 5*time.Second, "QuietDisk")
	fingerprint := strings.Fields(strings.Split(w.cli("alert", "list"), "\n")[1])[0]
	if out := w.cli("alert", "history", fingerprint); !strings.Contains(out, "fired") || !strings.Contains(out, "suppressed") || !strings.Contains(out, "released") {
		t.Errorf("alert history says:\n%s", out)
	}
	if out := w.cli("silence", "list", "--expired"); !strings.Contains(out, "new disks") || !strings.Contains(out, "expired") {
		t.Errorf("silence list says:\n%s", out)
	}

	for key, want := range map[string]int{"a-key-of-some-length": http.StatusOK, "another-key-of-a-length": http.StatusUnauthorized} {
		if status, raw, _, err := w.try("", http.MethodGet, "/api/v1/heartbeats/nightly-backup/ping/"+key, nil); err != nil || status != want {
			t.Errorf("a ping with key %s: %d %s %v", key, status, raw, err)
		}
	}
	if out := w.cli("heartbeat", "list"); !strings.Contains(out, "nightly-backup") || !strings.Contains(out, "alive") {
		t.Errorf("heartbeat list says:\n%s", out)
	}
	w.cli("heartbeat", "ping", "nightly-backup")
	if out, err := w.tryCLI("", "heartbeat", "ping", "nobody"); err == nil {
		t.Errorf("a heartbeat that is not defined was pinged: %s", out)
	}
}
