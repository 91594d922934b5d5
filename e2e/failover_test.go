//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestNothingAcknowledgedIsLostWhenPostgresFailsOver kills a primary with a synchronous standby while alerts arrive, and
// promotes the standby: the control plane, which knows both, goes on with the new primary by itself.
func TestNothingAcknowledgedIsLostWhenPostgresFailsOver(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	old := newServer(t, filepath.Join(dir, "a"))
	old.run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", old.data())
	primary := old.start()
	old.sql("create role nines login")
	old.sql("create database nines owner nines")
	standby := newServer(t, filepath.Join(dir, "b"))
	standby.run("pg_basebackup", "--host="+old.dir, "--username=postgres", "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "-D", standby.data())
	standby.start()
	old.sql("alter system set synchronous_standby_names = '*'")
	old.sql("select pg_reload_conf()")
	eventually(t, 20*time.Second, "the standby is synchronous", func() error {
		if state := old.ask("select coalesce(min(sync_state), '') from pg_stat_replication"); state != "sync" {
			return fmt.Errorf("%q", state)
		}
		return nil
	})
	url := "postgres://nines@/nines?host=" + old.dir + "," + standby.dir + "&port=5432,5432&target_session_attrs=read-write"
	w := startPaging(t, planeOptions{args: []string{"--database-url", url, "--prometheus-url", quietPrometheus(t)}})

	var mu sync.Mutex
	var acked []string
	ctx, cancel := context.WithCancel(context.Background())
	var posting sync.WaitGroup
	posting.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			name := fmt.Sprintf("Over%04d", n)
			body := alert(name)
			body[0]["labels"].(map[string]string)["service"] = name // one service's would be a storm, and share an incident
			if code, _, _, err := w.try(w.token, http.MethodPost, "/alertmanager/api/v2/alerts", body); err == nil && code == http.StatusOK {
				mu.Lock()
				acked = append(acked, name)
				mu.Unlock()
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	eventually(t, 10*time.Second, "alerts are taken", func() error {
		if count() < 50 {
			return fmt.Errorf("%d", count())
		}
		return nil
	})
	primary.kill()
	_ = syscall.Kill(-primary.cmd.Process.Pid, syscall.SIGKILL)
	before := count()
	standby.sql("select pg_promote()")
	promoted := time.Now()
	eventually(t, 15*time.Second, "alerts are taken again", func() error {
		if n := count(); n < before+10 {
			return fmt.Errorf("%d before, %d now", before, n)
		}
		return nil
	})
	t.Logf("alerts were taken again %v after the promotion", time.Since(promoted).Round(100*time.Millisecond))
	cancel()
	posting.Wait()
	w.sink.waitFor(t, 20*time.Second, acked[len(acked)-1])
	names := standby.column("select labels->>'alertname' from alerts")
	for _, name := range acked {
		if !slices.Contains(names, name) {
			t.Errorf("%s was acknowledged and is gone", name)
		}
	}
	eventually(t, 30*time.Second, "everybody is paged", func() error {
		if n := standby.ask("select count(*)::text from incidents i where not exists (select from pages p where p.incident_id = i.id and p.state = 'sent')"); n != "0" {
			return fmt.Errorf("%s incidents are not", n)
		}
		return nil
	})
}

// server is a PostgreSQL server of the test's own, run by a user that is not root.
type server struct {
	t     *testing.T
	dir   string // of the data and of the socket
	owner *syscall.Credential
}

func newServer(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{t: t, dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return s
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return s
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// program finds one of PostgreSQL's programs.
func (s *server) program(name string) string {
	s.t.Helper()
	postgres, err := filepath.EvalSymlinks(find(s.t, "postgres", "/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/17/bin/postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	return filepath.Join(filepath.Dir(postgres), name)
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.program(name), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.owner}
	return cmd
}

func (s *server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start runs the server until the test ends.
func (s *server) start() *process {
	s.t.Helper()
	p := &process{t: s.t, name: "postgres " + s.dir, out: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd = s.command("postgres", "-D", s.data(), "-c", "listen_addresses=", "-c", "unix_socket_directories="+s.dir, "-c", "max_connections=80")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGQUIT)
		<-p.done
	})
	eventually(s.t, 20*time.Second, p.name+" answers", func() error {
		conn, err := s.connect()
		if err == nil {
			err = conn.Close(context.Background())
		}
		return err
	})
	return p
}

func (s *server) connect() (*pgx.Conn, error) {
	database := "nines"
	conn, err := pgx.Connect(context.Background(), "postgres://postgres@/"+database+"?port=5432&host="+s.dir)
	if err != nil {
		return pgx.Connect(context.Background(), "postgres://postgres@/postgres?port=5432&host="+s.dir)
	}
	return conn, nil
}

func (s *server) sql(text string) {
	s.t.Helper()
	conn, err := s.connect()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), text); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
}

func (s *server) column(text string) []string {
	s.t.Helper()
	conn, err := s.connect()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	found, err := conn.Query(context.Background(), text)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return all
}

func (s *server) ask(text string) string {
	s.t.Helper()
	all := s.column(text)
	if len(all) != 1 {
		s.t.Fatalf("%s: %d rows", text, len(all))
	}
	return all[0]
}
