//go:build linux

package pgcluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/pgcluster"
)

// ownerFolder tells the test binary to be a process that owns a cluster in that folder, and nothing else.
const ownerFolder = "PGCLUSTER_TEST_OWNER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerFolder); dir != "" {
		own(dir)
	}
	os.Exit(m.Run())
}

func own(dir string) {
	c, err := pgcluster.Open(pgcluster.Config{Dir: dir, ExtraSettings: map[string]string{"fsync": "off"}})
	if err == nil {
		err = c.Run(context.Background(), func() { fmt.Println("ready") })
	}
	fmt.Println("ended:", err)
	os.Exit(1)
}

func TestAKilledOwnerLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerFolder+"="+dir)
	said, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(said).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		_ = owner.Process.Kill()
		t.Fatalf("the owner says %q", line)
	}
	pid := postmaster(t, dir)
	if err := owner.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	began := time.Now()
	stop := start(t, open(t, dir)) // at once, while the postmaster may still be stopping
	t.Logf("started again after %v", time.Since(began))
	if syscall.Kill(pid, 0) == nil {
		if raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); !strings.Contains(string(raw), ") Z") {
			t.Errorf("the postmaster %d of the killed owner still runs", pid)
		}
	}
	if got := ask[int](t, open(t, dir).URL(pgcluster.Role), "select 1"); got != 1 {
		t.Errorf("got %d", got)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
