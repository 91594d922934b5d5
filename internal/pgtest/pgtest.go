// Package pgtest gives tests a real PostgreSQL: one private cluster for each test binary, and a database of its own for
// each test, copied from a template that is migrated once. It is for tests only; nothing in it is durable.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/internal/pgcluster"
)

// Server is a cluster that starts when the first test asks for a database. The zero Server, with Migrate set, is ready.
type Server struct {
	// Migrate prepares the template; it is called once. Nil leaves it empty.
	Migrate func(ctx context.Context, url string) error

	once    sync.Once
	failed  error
	dir     string
	cluster *pgcluster.Cluster
	cancel  context.CancelFunc
	ended   chan error
	made    atomic.Int64
	copying sync.Mutex // of the template: PostgreSQL refuses two at a time
}

const (
	template  = "template_nines"
	startTime = time.Minute
)

// Main runs the package's tests and stops the cluster after them; pass what it returns to os.Exit.
func (s *Server) Main(m *testing.M) int {
	defer s.Stop()
	return m.Run()
}

// Stop ends the cluster and removes its files.
func (s *Server) Stop() {
	if s.cancel != nil {
		s.cancel()
		<-s.ended
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// Database returns the URL of a fresh database, as the role of the product. It goes away with the test.
func (s *Server) Database(t testing.TB) (url string) {
	t.Helper()
	return s.database(t, s.copyTemplate)
}

// Empty returns the URL of a fresh database that nobody has migrated.
func (s *Server) Empty(t testing.TB) (url string) {
	t.Helper()
	return s.database(t, func(name string) error { return s.exec("create database " + name + " owner " + pgcluster.Role) })
}

func (s *Server) database(t testing.TB, create func(name string) error) string {
	t.Helper()
	s.once.Do(func() { s.failed = s.start() })
	if s.failed != nil {
		t.Fatalf("a PostgreSQL for tests: %v", s.failed)
	}
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	if err := create(name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("drop database " + name + " with (force)"); err != nil {
			t.Log(err)
		}
	})
	return s.cluster.DatabaseURL(pgcluster.Role, name)
}

// AsSuperuser returns the URL of the same database for the superuser, who passes row security.
func (s *Server) AsSuperuser(t testing.TB, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return s.cluster.DatabaseURL(pgcluster.Superuser, config.Database)
}

func (s *Server) copyTemplate(name string) error {
	s.copying.Lock()
	defer s.copying.Unlock()
	return s.exec("create database " + name + " template " + template + " owner " + pgcluster.Role)
}

// start runs a cluster in a temporary folder that an unprivileged PostgreSQL can reach.
func (s *Server) start() (err error) {
	if s.dir, err = os.MkdirTemp("/tmp", "pgtest-"); err != nil {
		return err
	}
	if err := os.Chmod(s.dir, 0o711); err != nil {
		return err
	}
	s.cluster, err = pgcluster.Open(pgcluster.Config{Dir: filepath.Join(s.dir, "pg"), ExtraSettings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "max_connections": "300",
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan error, 1)
	ready := make(chan struct{})
	go func() { err := s.cluster.Run(ctx, func() { close(ready) }); s.ended <- err; close(s.ended) }()
	select {
	case <-ready:
	case err := <-s.ended:
		return err
	case <-time.After(startTime):
		return fmt.Errorf("it is not ready after %s", startTime)
	}
	return s.makeTemplate()
}

func (s *Server) makeTemplate() error {
	if err := s.exec("create database " + template + " owner " + pgcluster.Role); err != nil {
		return err
	}
	if s.Migrate == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	return s.Migrate(ctx, s.cluster.DatabaseURL(pgcluster.Role, template))
}

func (s *Server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.cluster.DatabaseURL(pgcluster.Superuser, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
