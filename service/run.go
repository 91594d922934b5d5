package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/intelligence"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/prom"
	"github.com/nines-sre/nines/service/telemetry"
	"golang.org/x/sync/errgroup"
)

// Options are what Run needs beside the configuration.
type Options struct {
	Version string
	Program string    // path of the binary, to start the engine from
	Out     io.Writer // where the log and the banner go
	Welcome string    // lines added to the banner, such as what to try next
}

// plane is a running control plane: every part, once.
type plane struct {
	config  Config
	options Options
	began   time.Time

	telemetry *telemetry.Telemetry
	log       *slog.Logger
	metrics   metrics
	children  []*child

	db           *postgres.DB
	engine       *prom.Client
	engineToken  string
	engineChild  *child // nil where the engine is not ours
	definitions  *definitions.Service
	intelligence *intelligence.Service
	app          *fiber.App
	hub          *httpapi.Hub
	engineBack   time.Time     // since when the metrics engine has been answering; zero while it does not
	maintained   *maintenance  // corrections in force around now, for the gauge
	redefined    chan struct{} // definitions were changed and not yet taken over

	password string // of the admin made at this start; "" otherwise
	closers  []func()
}

// Run starts a control plane and blocks until ctx ends, then stops it in order: edges first, storage last. It returns
// nil after a clean stop.
func Run(ctx context.Context, c Config, o Options) error {
	if err := c.Check(); err != nil {
		return err
	}
	p := &plane{config: c, options: o, began: time.Now(), redefined: make(chan struct{}, 1)}
	defer p.close()
	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while starting
		}
		return err
	}
	return p.serve(ctx)
}

// onClose adds a step of stopping; the last added runs first.
func (p *plane) onClose(f func()) { p.closers = append(p.closers, f) }

func (p *plane) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
}

func (p *plane) start(ctx context.Context) error {
	if err := os.MkdirAll(p.config.DataDir, 0o711); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"start telemetry", p.startTelemetry},
		{"start PostgreSQL", p.startPostgres},
		{"open storage", p.openStorage},
		{"make the first admin", p.bootstrap},
		{"read definitions", p.startDefinitions},
		{"read corrections", p.startCorrections},
		{"start the metrics engine", p.startEngine},
		{"ask the engine about definitions", func(context.Context) error { p.definitions.Ask(p.engine); return nil }},
		{"build the intelligence service", p.buildIntelligence},
		{"build the web application", p.buildApp},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// serve runs everything that runs until the end.
func (p *plane) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if err := p.listen(ctx, g); err != nil {
		return err
	}
	if err := p.startWork(ctx, g); err != nil {
		return err
	}
	p.banner()
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// bootstrap makes the admin at the very first start, and sees to it that the command line on this machine has a token.
func (p *plane) bootstrap(ctx context.Context) error {
	who := access.System("bootstrap")
	any, err := p.db.AnyUser(ctx)
	if err != nil {
		return err
	}
	if !any {
		p.password = credential.NewPassword()
		if _, err := p.db.CreateUser(ctx, who, postgres.User{Email: adminEmail, Role: access.Admin}, p.password); err != nil {
			return err
		}
	}
	return p.ensureCLIToken(ctx, who)
}

const adminEmail = "admin@localhost"

// ensureCLIToken leaves a working token in the data folder, readable by its owner alone.
func (p *plane) ensureCLIToken(ctx context.Context, who access.Principal) error {
	path := p.config.TokenFile()
	if raw, err := os.ReadFile(path); err == nil {
		if _, err := p.db.PrincipalOfToken(ctx, string(raw)); err == nil {
			return nil
		}
	}
	host, _ := os.Hostname()
	token, _, err := p.db.CreateToken(ctx, who, "command line on "+host, access.Admin, "")
	if err != nil {
		return err
	}
	tmp := filepath.Join(p.config.DataDir, ".cli-token.new")
	if err := os.WriteFile(tmp, []byte(token), 0o600); err != nil {
		return fmt.Errorf("write the command line's token: %w", err)
	}
	return os.Rename(tmp, path)
}
