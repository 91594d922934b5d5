package service

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/pgcluster"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/telemetry"
)

const (
	engineStopTime  = 10 * time.Second // then it is killed
	engineReadyPoll = 25 * time.Millisecond
)

// supervise keeps a child running until the control plane stops. Children stop in reverse order of their start, after
// everything that uses them.
func (p *plane) supervise(c *child) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx) // ends only with its context
	}()
	p.children = append(p.children, c)
	p.onClose(func() { cancel(); <-done })
}

// startPostgres starts the private cluster, unless the installation has its own PostgreSQL.
func (p *plane) startPostgres(ctx context.Context) error {
	if p.config.DatabaseURL != "" {
		return nil
	}
	cluster, err := p.openCluster()
	if err != nil {
		return err
	}
	c := newChild("postgres", p.log, p.metrics.child, cluster.Run)
	p.supervise(c)
	if err := c.Ready(ctx); err != nil {
		return err
	}
	p.config.DatabaseURL = cluster.URL("nines")
	telemetry.Watch(p.telemetry.Registry, "nines_db_disk_free_bytes", "Free bytes on the file system of the built-in PostgreSQL.", func() float64 {
		free, err := cluster.FreeBytes()
		if err != nil {
			return math.NaN() // unknown, which is neither much nor little
		}
		return float64(free)
	})
	return nil
}

// elsewhere names the file that says where the private cluster lies when it is not in the data folder.
const elsewhere = "postgres.location"

// openCluster prepares the private cluster in the data folder. As root PostgreSQL runs as another user, who cannot reach
// a data folder below, say, /root; then the cluster goes to /var/lib/nines, and the data folder remembers where.
func (p *plane) openCluster() (*pgcluster.Cluster, error) {
	note := filepath.Join(p.config.DataDir, elsewhere)
	dir := filepath.Join(p.config.DataDir, "postgres")
	if moved, err := os.ReadFile(note); err == nil {
		dir = strings.TrimSpace(string(moved))
	}
	open := func() (*pgcluster.Cluster, error) {
		return pgcluster.Open(pgcluster.Config{Dir: dir, Log: p.log.With("child", "postgres")})
	}
	cluster, err := open()
	if !fault.Is(err, fault.Invalid) || os.Geteuid() != 0 {
		return cluster, err
	}
	path, absErr := filepath.Abs(p.config.DataDir)
	if absErr != nil {
		return nil, absErr
	}
	sum := sha256.Sum256([]byte(path))
	_ = os.Remove(dir) // empty: nothing could be made in it
	dir = filepath.Join("/var/lib/nines", hex.EncodeToString(sum[:6]))
	if cluster, openErr := open(); openErr == nil {
		p.log.Info("PostgreSQL's user cannot reach the data folder, so its cluster lies elsewhere", "folder", dir)
		return cluster, os.WriteFile(note, []byte(dir+"\n"), 0o644)
	}
	return nil, err
}

// startEngine starts the built-in metrics engine as a process of its own, unless the installation has its own
// Prometheus. It does not wait for it: the UI and paging must be up without it. The token by which the engine and the
// control plane know each other lives as long as this process and is handed over in the environment, never on a command
// line.
func (p *plane) startEngine(ctx context.Context) error {
	if p.config.PrometheusURL != "" {
		var err error
		p.engine, err = prom.New(p.config.PrometheusURL, prom.Options{})
		return err
	}
	p.engineToken, _ = credential.NewToken("engine_")
	for _, dir := range []string{p.config.enginePath("rules"), p.config.enginePath("data")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := p.writeRules(); err != nil {
		return err
	}
	var err error
	p.engine, err = prom.New("http://"+loopback(p.config.EngineListen), prom.Options{Token: p.engineToken})
	if err != nil {
		return err
	}
	p.engineChild = newChild("engine", p.log, p.metrics.child, p.runEngine)
	p.supervise(p.engineChild)
	return nil
}

// runEngine is one life of the engine process.
func (p *plane) runEngine(ctx context.Context, ready func()) error {
	cmd := exec.Command(p.options.Program, p.engineArgs()...)
	// Rules are parsed and printed at each evaluation, so much of the engine's time is collecting that garbage. The memory
	// limit bounds what rarer collections may hold; a GOGC of the operator's own comes first.
	cmd.Env = append([]string{"GOGC=200"}, os.Environ()...)
	cmd.Env = append(cmd.Env, "NINES_ENGINE_TOKEN="+p.engineToken, "GOMEMLIMIT="+strconv.FormatInt(p.config.EngineMemory, 10))
	cmd.SysProcAttr = dieWithParent(syscall.SIGTERM)
	lines, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s engine: %w", p.options.Program, err)
	}
	last := make(chan string, 1)
	go func() { last <- forward(lines, p.log.With("child", "engine")) }()
	watch, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go p.watchEngine(watch, ready)
	ended := make(chan error, 1)
	go func() { said := <-last; ended <- describeExit(cmd.Wait(), said) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return stopProcess(cmd, ended)
	}
}

func (p *plane) engineArgs() []string {
	args := []string{
		"engine", "--data", p.config.enginePath("data"), "--rules", p.config.enginePath("rules"),
		"--listen", p.config.EngineListen, "--alerts-url", "http://" + loopback(p.config.Listen) + "/alertmanager",
		"--retention", p.config.Retention.String(), "--memory", strconv.FormatInt(p.config.EngineMemory, 10),
		"--min-free", strconv.FormatInt(p.config.EngineMinFree, 10), "--control-plane", loopback(p.config.OpsListen),
	}
	if p.config.OTLPEndpoint != "" {
		args = append(args, "--otlp-endpoint", p.config.OTLPEndpoint)
	}
	if p.config.ScrapeConfig != "" {
		args = append(args, "--config", p.config.ScrapeConfig)
	}
	return args
}

// watchEngine calls ready once the engine answers.
func (p *plane) watchEngine(ctx context.Context, ready func()) {
	for ctx.Err() == nil {
		if p.engine.Ready(ctx) == nil {
			ready()
			p.definitionsChanged() // it may have read the rules before the last change of definitions
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(engineReadyPoll):
		}
	}
}

func stopProcess(cmd *exec.Cmd, ended <-chan error) error {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-time.After(engineStopTime):
		_ = cmd.Process.Kill()
		return <-ended
	}
}

// describeExit adds the child's last words to how it ended.
func describeExit(err error, said string) error {
	if err == nil {
		return nil
	}
	if said == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, said)
}

// forward passes a child's log lines on and returns the last one. The engine logs JSON; its level decides ours.
func forward(r io.Reader, log *slog.Logger) (last string) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		level, message, attrs := parseLine(line)
		if level == slog.LevelInfo {
			level = slog.LevelDebug // a child's everyday news is for those who look for it
		}
		log.LogAttrs(context.Background(), level, message, attrs...)
		last = message
	}
	_, _ = io.Copy(io.Discard, r) // a line over the limit must not block the child
	return last
}
