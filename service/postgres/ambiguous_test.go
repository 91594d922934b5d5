package postgres_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// wire is a proxy before PostgreSQL. Armed with a word, it lets the next message that holds it through, waits until the
// server has answered, and cuts the connection without handing the answer on.
type wire struct {
	url string

	mu   sync.Mutex
	word string
	cuts int
}

func startWire(t *testing.T, database string) *wire {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	behind := filepath.Join(query.Get("host"), ".s.PGSQL."+query.Get("port"))
	dir, err := os.MkdirTemp("/tmp", "wire-")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	query.Set("host", dir)
	query.Set("port", "5432")
	u.RawQuery = query.Encode()
	w := &wire{url: u.String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(client, behind)
		}
	}()
	return w
}

func (w *wire) serve(client net.Conn, behind string) {
	defer client.Close()
	server, err := net.Dial("unix", behind)
	if err != nil {
		return
	}
	defer server.Close()
	cut := make(chan struct{})
	var once sync.Once
	go func() {
		defer server.Close()
		message := make([]byte, 1<<20)
		for {
			n, err := client.Read(message)
			if err != nil {
				return
			}
			if w.hit(message[:n]) {
				once.Do(func() { close(cut) })
			}
			if _, err := server.Write(message[:n]); err != nil {
				return
			}
		}
	}()
	answer := make([]byte, 1<<20)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		select {
		case <-cut: // the server has done it, and nobody will hear
			return
		default:
		}
		if _, err := client.Write(answer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) arm(word string) { w.mu.Lock(); w.word = word; w.mu.Unlock() }

func (w *wire) hit(message []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.word == "" || !bytes.Contains(message, []byte(w.word)) {
		return false
	}
	w.word = ""
	w.cuts++
	return true
}

// The answer to a commit is lost: the source hears that it failed and tells it again. There is one incident and one page.
func TestACommitWhoseAnswerIsLostIsToldAgainAndCountsOnce(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(*postgres.DB, alerting.Alert) error{
		"commit": func(db *postgres.DB, a alerting.Alert) error {
			return db.ReceiveAlerts(context.Background(), responder, []alerting.Alert{a}, routing)
		},
		"user:cut": func(db *postgres.DB, a alerting.Alert) error { // who posts stands in the row of the inbox
			who := responder
			who.ID = "user:cut"
			return db.AcceptAlerts(context.Background(), who, []alerting.Alert{a})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := server.Database(t)
			w, conn := startWire(t, direct), superuser(t, direct)
			db := openURL(t, w.url)
			work(t, db)
			if err := tell(db, alert("Warm", "info")); err != nil { // statements are prepared
				t.Fatal(err)
			}
			a := alert("Down", "critical")
			w.arm(name)
			err := tell(db, a)
			if !fault.Is(err, fault.Unavailable) || w.cuts != 1 {
				t.Fatalf("%v after %d cuts; want unavailable, so that the source tells it again", err, w.cuts)
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
				if err = tell(db, again(a)); err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			waitUntil(t, func() bool { return value[int64](t, conn, "select count(*) from inbox") == 0 })
			for sql, want := range map[string]int64{
				"select count(*) from incidents where severity = 'critical'": 1, "select count(*) from alerts where labels->>'alertname' = 'Down'": 1,
				"select count(*) from pages": 1, "select count(*) from timeline where kind = 'opened'": 2,
				"select count(*) from alert_events": 2,
			} {
				if got := value[int64](t, conn, sql); got != want {
					t.Errorf("%s: %d, want %d", sql, got, want)
				}
			}
		})
	}
}

// A process that is killed while it migrates leaves a database that the next one brings up to date.
func TestAMigrationThatIsKilledIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"create table alerts", "create table changes", "create table inbox", "create table silences", "goose_db_version"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			direct := server.Empty(t)
			w := startWire(t, direct)
			w.arm(word)
			db, err := postgres.Open(context.Background(), postgres.Config{URL: w.url})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(context.Background()); err == nil || w.cuts != 1 {
				t.Fatalf("%v after %d cuts; want that it is cut off", err, w.cuts)
			}
			next := openURL(t, direct)
			if err := next.Migrate(context.Background()); err != nil {
				t.Fatal(err)
			}
			receive(t, next, alert("Down", "critical"))
		})
	}
}
