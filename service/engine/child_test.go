package engine

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nines-sre/nines/service/prom"
)

// child is an engine in a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	base   string
	stderr *lockedBuffer
	out    *bufio.Reader
	ended  chan struct{}
}

// startChild starts an engine process and waits until it is ready.
func startChild(t *testing.T, c Config) *child {
	t.Helper()
	p := startChildRaw(t, c)
	ready := make(chan string, 1)
	go func() { line, _ := p.out.ReadString('\n'); ready <- line }()
	select {
	case line := <-ready:
		if len(line) < 2 {
			t.Fatalf("the engine process ended: %s", p.stderr)
		}
		p.base = "http://" + line[:len(line)-1]
	case <-time.After(20 * time.Second):
		t.Fatalf("the engine process is not ready: %s", p.stderr)
	}
	return p
}

func startChildRaw(t *testing.T, c Config) *child {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &child{t: t, cmd: exec.Command(os.Args[0]), stderr: &lockedBuffer{}, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childConfig+"="+string(text))
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as nothing can prevent, and waits until it is gone.
func (p *child) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *child) wait(d time.Duration) (ended bool) {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// push writes values and returns nil once they are acknowledged.
func (p *child) push(name string, at time.Time, values ...float64) error {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Post(p.base+"/api/v1/write", "application/x-protobuf", bytes.NewReader(remoteWrite(p.t, name, at, values...)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}

func (p *child) client() *prom.Client {
	p.t.Helper()
	c, err := prom.New(p.base, prom.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *child) value(t *testing.T, expr string) (float64, bool) {
	t.Helper()
	got, err := p.client().Query(t.Context(), expr, time.Now())
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	if len(got) != 1 {
		return 0, false
	}
	return got[0].Value, true
}

func TestWhatIsAcknowledgedSurvivesAKill(t *testing.T) {
	t.Parallel()
	config := Config{DataDir: t.TempDir()}
	began := time.Now().Add(-time.Minute)
	acknowledged := 0
	for round := range 3 {
		p := startChild(t, config)
		if v, _ := p.value(t, "sum(count_over_time(durable[1h]))"); int(v) != acknowledged {
			t.Fatalf("round %d: %d samples were acknowledged, %v are there", round, acknowledged, v)
		}
		stop := time.After(200 * time.Millisecond)
		for going := true; going; {
			select {
			case <-stop:
				going = false
			default:
				if err := p.push("durable", began.Add(time.Duration(acknowledged)*time.Millisecond), 1); err != nil {
					t.Fatal(err)
				}
				acknowledged++
			}
		}
		p.kill()
	}
	if acknowledged < 20 {
		t.Fatalf("only %d samples were written", acknowledged)
	}
	if v, _ := startChild(t, config).value(t, "sum(count_over_time(durable[1h]))"); int(v) != acknowledged {
		t.Errorf("%d samples were acknowledged, %v are there", acknowledged, v)
	}
}
