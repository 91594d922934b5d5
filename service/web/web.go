// Package web is the pages that people see: promises and their budgets, incidents and what to do about them, SLA
// reports, runbooks. It decides nothing about promises, alerts or rights; it asks, shows, and passes on what people do.
package web

import (
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// site is the pages with all they need.
type site struct {
	Config
	Deps
}

// Mount adds every page and asset to the router. Middleware before it has put the principal into the request's
// context, refused cross-site posts, and sets a deadline; errors go to the app's error handler, which may answer with
// HTMLError. Missing dependencies are a fault.Invalid.
func Mount(app fiber.Router, c Config, d Deps) error {
	if err := d.check(); err != nil {
		return err
	}
	if c.CookieName == "" {
		return fault.New(fault.Invalid, "web: CookieName is empty")
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Runbook == nil {
		d.Runbook = func(string) (string, bool) { return "", false }
	}
	s := &site{Config: c, Deps: d}
	app.Get("/static/:name", serveAsset)
	app.Get("/favicon.ico", func(c *fiber.Ctx) error { return c.Redirect(assetURL("favicon.svg"), fiber.StatusMovedPermanently) })
	app.Get("/sign-in", s.showSignIn)
	app.Post("/sign-in", s.signIn)
	app.Post("/sign-out", s.signOut)
	app.Get("/", s.signedIn(s.overview))
	app.Get("/slos/:id", s.signedIn(s.promise))
	app.Post("/slos/:id/corrections", s.signedIn(s.addCorrection))
	app.Post("/slos/:id/corrections/:correction/revoke", s.signedIn(s.revokeCorrection))
	app.Get("/incidents", s.signedIn(s.incidentList))
	if s.Room != nil {
		s.mountRoom(app)
		s.mountRoomOf(app)
	}
	app.Get("/incidents/:id", s.signedIn(s.incident))
	app.Get("/incidents/:id/postmortem", s.signedIn(s.postmortem))
	app.Get("/incidents/:id/postmortem.md", s.signedIn(s.postmortemFile))
	app.Post("/incidents/:id/acknowledge", s.signedIn(s.acknowledge))
	app.Post("/incidents/:id/escalate", s.signedIn(s.escalate))
	app.Post("/incidents/:id/resolve", s.signedIn(s.resolve))
	app.Post("/incidents/:id/notes", s.signedIn(s.note))
	if s.Assigner != nil {
		app.Post("/incidents/:id/reassign", s.signedIn(s.reassign))
		app.Post("/incidents/:id/snooze", s.signedIn(s.snooze))
	}
	if s.Alerts != nil {
		app.Get("/alerts", s.signedIn(s.alertList))
		app.Get("/silences", s.signedIn(s.silenceList))
		app.Post("/silences", s.signedIn(s.addSilence))
		app.Post("/silences/:id/expire", s.signedIn(s.expireSilence))
	}
	if s.Contacts != nil {
		app.Get("/policies", s.signedIn(s.policyList))
		app.Get("/policies/:name", s.signedIn(s.policy))
		app.Post("/policies/:name/test", s.signedIn(s.testContact))
	}
	s.mountPostmortems(app)
	if s.OnCall != nil {
		s.mountOnCall(app)
	}
	if s.Reach != nil {
		s.mountMe(app)
	}
	if s.Evidence != nil {
		app.Get("/figures", s.signedIn(s.figures))
	}
	if s.Capacity != nil {
		s.mountCapacity(app)
	}
	app.Get("/reports", s.signedIn(s.reports))
	if s.Runbooks != nil {
		s.mountRunbooks(app)
	}
	app.Get("/runbooks/:name", s.signedIn(s.runbook))
	return nil
}

func (d Deps) check() error {
	if d.Sessions == nil || d.Incidents == nil || d.Insight == nil || d.Definitions == nil {
		return fault.New(fault.Invalid, "web: Sessions, Incidents, Insight and Definitions must be set")
	}
	return nil
}

// signedIn lets people through to a page and sends everybody else to sign in first.
func (s *site) signedIn(page func(*fiber.Ctx, access.Principal) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who := access.PrincipalOf(c.UserContext())
		switch {
		case who.ID != "":
			return page(c, who)
		case c.Method() != fiber.MethodGet || isFragment(c):
			return fault.New(fault.Unauthorized, "your session has ended; sign in again")
		}
		return c.Redirect(signInURL(c.OriginalURL()), fiber.StatusSeeOther)
	}
}
