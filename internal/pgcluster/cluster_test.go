package pgcluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/pgcluster"
)

// folder returns a folder that an unprivileged PostgreSQL can reach, which a test's own temporary one is not for root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgcluster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string) *pgcluster.Cluster {
	t.Helper()
	c, err := pgcluster.Open(pgcluster.Config{Dir: dir, ExtraSettings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs the cluster until stop, which returns what Run did.
func start(t *testing.T, c *pgcluster.Cluster) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- c.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(cancel)
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("it ended before it was ready: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("it is not ready after a minute")
	}
	return func() error { cancel(); return <-ended }
}

func ask[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var answer T
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

func TestAClusterLivesThroughRestartsAndKills(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	c := open(t, dir)
	stop := start(t, c)
	url := c.URL(pgcluster.Role)

	for sql, want := range map[string]string{
		"select current_user::text": pgcluster.Role,
		"select rolsuper::text || rolbypassrls::text || rolcreatedb::text from pg_roles where rolname = current_user": "falsefalsefalse",
		"select pg_get_userbyid(datdba)::text from pg_database where datname = current_database()":                    pgcluster.Role,
		"select pg_encoding_to_char(encoding)::text || ' ' || datcollate from pg_database where datname = 'nines'":    "UTF8 C",
		"select current_setting('data_checksums')":                                                                    "on",
		"select current_setting('listen_addresses')":                                                                  "",
	} {
		if got := ask[string](t, url, sql); got != want {
			t.Errorf("%s = %q, want %q", sql, got, want)
		}
	}
	ask[int](t, url, "with made as (select 1) select 1 from made")
	exec1(t, url, "create table kept (n int); insert into kept values (42)")

	t.Run("a second process is kept out", func(t *testing.T) {
		if err := open(t, dir).Run(t.Context(), func() {}); !fault.Is(err, fault.Conflict) {
			t.Errorf("got %v, want a conflict", err)
		}
	})
	if err := stop(); err != nil {
		t.Fatalf("a clean stop is no trouble: %v", err)
	}

	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- c.Run(ctx, func() { close(ready) }) }()
	<-ready
	t.Logf("a warm start took %v", time.Since(began))
	if got := ask[int](t, url, "select n from kept"); got != 42 {
		t.Errorf("after a restart the table has %d", got)
	}
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a killed PostgreSQL must be reported, or nobody starts it again")
	}

	stop = start(t, c)
	if got := ask[int](t, url, "select n from kept"); got != 42 {
		t.Errorf("after a kill the table has %d", got)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(raw), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestAnOrphanOfAKilledProcessIsStoppedFirst(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	c := open(t, dir)
	if err := start(t, c)(); err != nil {
		t.Fatal(err)
	}
	// What is left behind where the kernel does not tell children of their parent's death: a postmaster, and no lock.
	orphan := startOrphan(t, dir)

	stop := start(t, c)
	if pid := postmaster(t, dir); pid == orphan {
		t.Error("the orphan still runs")
	}
	if got := ask[int](t, c.URL(pgcluster.Role), "select 1"); got != 1 {
		t.Errorf("got %d", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// startOrphan starts a postmaster on the folder outside of any Cluster and returns its process id.
func startOrphan(t *testing.T, dir string) int {
	t.Helper()
	postgres, err := exec.LookPath("postgres")
	if err != nil {
		matches, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if len(matches) == 0 {
			t.Skip("no postgres to start by hand")
		}
		postgres = matches[len(matches)-1]
	}
	cmd := exec.Command(postgres, "-D", filepath.Join(dir, "data"), "-c", "listen_addresses=", "-c", "unix_socket_directories="+filepath.Join(dir, "run"))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	info, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: st.Uid, Gid: st.Gid}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", filepath.Join(dir, "run", ".s.PGSQL.5432")); err == nil {
			conn.Close()
			return cmd.Process.Pid
		}
		if time.Now().After(deadline) {
			t.Fatal("the orphan does not start")
		}
	}
}

func TestAReusedProcessNumberIsNotTakenForARunningServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	c := open(t, dir)
	if err := start(t, c)(); err != nil {
		t.Fatal(err)
	}
	// After a reboot the number in a stale file may belong to anything, here to this test.
	stale := fmt.Sprintf("%d\n%s\n1\n5432\n", os.Getpid(), filepath.Join(dir, "data"))
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(t, c)(); err != nil {
		t.Error(err)
	}
}

func TestAHalfMadeClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	stop := start(t, c)
	if got := ask[string](t, c.URL(pgcluster.Role), "select current_database()::text"); got != pgcluster.Database {
		t.Errorf("the database is %q", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestADeepFolderGetsAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("d", 60), strings.Repeat("e", 60))
	if err := os.MkdirAll(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	first := open(t, dir).URL(pgcluster.Role)
	if strings.Contains(first, "dddd") {
		t.Errorf("the socket is still in the deep folder: %s", first)
	}
	if again := open(t, dir).URL(pgcluster.Role); again != first {
		t.Errorf("opened again it moved from %s to %s", first, again)
	}
	config, err := pgx.ParseConfig(first)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(config.Host)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder has mode %v, %v", info.Mode(), err)
	}
	// Somebody opens the folder to others: it is not trusted any more.
	if err := os.Chmod(config.Host, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(config.Host) })
	moved := open(t, dir).URL(pgcluster.Role)
	if moved == first {
		t.Error("a folder that others may write to is still used")
	}
	if c, err := pgx.ParseConfig(moved); err == nil {
		t.Cleanup(func() { os.RemoveAll(c.Host) })
	}
}

func TestAFolderThatPostgresCannotReachIsNamed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root drops to another user")
	}
	closed := filepath.Join(folder(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := pgcluster.Open(pgcluster.Config{Dir: filepath.Join(closed, "pg"), Log: slog.New(slog.DiscardHandler)})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "chmod o+x "+closed) {
		t.Errorf("got %v, want it to name %s and the remedy", err, closed)
	}
}

func TestStoppingWhileItStartsIsClean(t *testing.T) {
	t.Parallel()
	c := open(t, filepath.Join(folder(t), "pg"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx, func() {}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
