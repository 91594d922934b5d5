//go:build e2e || bench

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets every directory the tests make be reached by the unprivileged user PostgreSQL runs as.
func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	os.Exit(m.Run())
}

func binary(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not built; run make e2e, which builds it", path)
	}
	return path
}

// freePort returns a loopback address nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// tempDir is a folder that other users may pass through, unlike t.TempDir's parent, and is removed at the end.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nines-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// process is a started program whose output is kept, and which is gone when the test ends.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan struct{}
	err  error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t testing.TB, name string, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: exec.Command(path, args...), out: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("--- output of %s ---\n%s", name, tail(p.out.String(), 60))
		}
	})
	return p
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = append([]string{"..."}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}

// stop asks the process to end and insists after a while.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Errorf("%s did not end within 20 s of SIGTERM", p.name)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// eventually waits until check returns nil; at the deadline it fails with check's last word.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// plane is one control plane with its data folder.
type plane struct {
	*process
	t      testing.TB
	dir    string
	listen string
	ops    string
	engine string
	args   []string
	env    []string
	token  string
}

type planeOptions struct {
	scrape string   // text of the engine's scrape configuration
	args   []string // further flags
	env    []string
	dir    string // "" makes a new one

	notReady bool // some part is not there yet; wait only until it lives
}

// startPlane starts nines serve at one-second speed and waits until it is ready.
func startPlane(t testing.TB, o planeOptions) *plane {
	t.Helper()
	p := &plane{t: t, dir: o.dir, listen: freePort(t), ops: freePort(t), engine: freePort(t), env: o.env}
	if p.dir == "" {
		p.dir = tempDir(t)
	}
	p.args = []string{"serve", "--data", filepath.Join(p.dir, "data"), "--listen", p.listen, "--ops-listen", p.ops,
		"--engine-listen", p.engine, "--log-format", "json", "--ledger-bucket", "10s", "--ledger-every", "1s"}
	if o.scrape != "" {
		path := filepath.Join(p.dir, "scrape.yml")
		write(t, path, strings.ReplaceAll(o.scrape, "OPS", p.ops))
		p.args = append(p.args, "--scrape-config", path)
	}
	p.args = append(p.args, o.args...)
	p.start()
	if o.notReady {
		eventually(t, 30*time.Second, "nines lives", func() error {
			_, err := http.Get("http://" + p.ops + "/livez")
			return err
		})
	} else {
		p.ready(30 * time.Second)
	}
	p.token = strings.TrimSpace(read(t, filepath.Join(p.dir, "data", "cli-token")))
	return p
}

func (p *plane) start() { p.process = start(p.t, "nines", p.env, binary(p.t, "nines"), p.args...) }

// ready waits for every required part.
func (p *plane) ready(within time.Duration) {
	p.t.Helper()
	eventually(p.t, within, "nines is ready", func() error {
		select {
		case <-p.done:
			p.t.Fatalf("nines ended: %v\n%s", p.err, tail(p.out.String(), 40))
		default:
		}
		res, err := http.Get("http://" + p.ops + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %s", res.Status, body)
		}
		return nil
	})
}

func (p *plane) url(path string) string { return "http://" + p.listen + path }

// call makes a request with the admin token and returns status and body.
func (p *plane) call(method, path string, body any) (int, []byte, http.Header) {
	p.t.Helper()
	status, raw, header, err := p.try(p.token, method, path, body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, raw, header
}

func (p *plane) try(token, method, path string, body any) (int, []byte, http.Header, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, nil, nil, err
		}
		reader = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url(path), reader)
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, res.Header, err
}

// get decodes a 200 answer into v.
func (p *plane) get(path string, v any) error {
	status, raw, _, err := p.try(p.token, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %s", path, status, raw)
	}
	return json.Unmarshal(raw, v)
}

// cli runs the command line as a user would and returns its standard output.
func (p *plane) cli(args ...string) string {
	p.t.Helper()
	out, err := p.tryCLI("", args...)
	if err != nil {
		p.t.Fatalf("nines %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (p *plane) tryCLI(stdin string, args ...string) (string, error) {
	cmd := exec.Command(binary(p.t, "nines"), append(args, "--server", p.url(""), "--data", filepath.Join(p.dir, "data"))...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String() + errOut.String(), err
	}
	return out.String(), nil
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// sink is a webhook receiver that keeps what it was sent. Hold makes it wait before it answers.
type sink struct {
	URL string

	mu    sync.Mutex
	got   []webhookPage
	hold  chan struct{}
	kill  int // process to kill -9 right after the next answer; 0 is none
	began chan struct{}
}

type webhookPage struct {
	At     time.Time
	ID     string
	Header http.Header
	Raw    []byte
	Body   map[string]any
}

func startSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{began: make(chan struct{}, 100)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	s.URL = "http://" + l.Addr().String() + "/hook"
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	page := webhookPage{At: time.Now(), ID: r.Header.Get("webhook-id"), Header: r.Header.Clone(), Raw: raw}
	_ = json.Unmarshal(raw, &page.Body)
	s.mu.Lock()
	s.got = append(s.got, page)
	hold, kill := s.hold, s.kill
	s.kill = 0
	s.mu.Unlock()
	select {
	case s.began <- struct{}{}:
	default:
	}
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(http.StatusNoContent)
	if kill != 0 {
		_ = http.NewResponseController(w).Flush()
		_ = syscall.Kill(kill, syscall.SIGKILL)
	}
}

// killOnAnswer kills the process the moment the next page has been answered.
func (s *sink) killOnAnswer(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill = pid
}

// pages returns what was received so far.
func (s *sink) pages() []webhookPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]webhookPage(nil), s.got...)
}

// holdAnswers makes further requests wait until the returned function is called.
func (s *sink) holdAnswers() (release func()) {
	hold := make(chan struct{})
	s.mu.Lock()
	s.hold = hold
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.hold = nil
		s.mu.Unlock()
		close(hold)
	}
}

// find returns the path of the first program of these names that is installed.
func find(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("none of %v is installed; run make setup", names)
	return ""
}

// pagingOnly is a policy and nothing to watch: alerts are posted by hand.
const pagingOnly = `
apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: default}
spec:
  steps:
  - targets:
    - webhook: {url: "SINK", secret: {env: E2E_WEBHOOK_SECRET}}
`

func startPaging(t *testing.T, o planeOptions) *world {
	t.Helper()
	w := &world{sink: startSink(t)}
	o.env = pageKeys
	w.plane = startPlane(t, o)
	path := filepath.Join(w.dir, "definitions.yaml")
	write(t, path, strings.ReplaceAll(pagingOnly, "SINK", w.sink.URL))
	w.cli("apply", "-f", path)
	return w
}

// metric reads one of our own figures.
func (p *plane) metric(name string) float64 {
	p.t.Helper()
	res, err := http.Get("http://" + p.ops + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return -1
}
