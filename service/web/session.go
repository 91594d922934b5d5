package web

import (
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

type signInView struct {
	Email, Next, Problem string
}

func (s *site) showSignIn(c *fiber.Ctx) error {
	next := safeNext(c.Query("next"))
	if access.PrincipalOf(c.UserContext()).ID != "" {
		return c.Redirect(next, fiber.StatusSeeOther)
	}
	return s.render(c, fiber.StatusOK, page{Template: "sign-in", Title: "Sign in", Body: signInView{Next: next}})
}

func (s *site) signIn(c *fiber.Ctx) error {
	view := signInView{Email: strings.TrimSpace(c.FormValue("email")), Next: safeNext(c.FormValue("next"))}
	token, expires, err := s.Sessions.SignIn(c.UserContext(), view.Email, c.FormValue("password"))
	if err != nil {
		status, problem := signInProblem(err)
		view.Problem = problem
		if status >= fiber.StatusInternalServerError {
			s.Log.ErrorContext(c.UserContext(), "sign-in failed", "error", err)
		}
		return s.render(c, status, page{Template: "sign-in", Title: "Sign in", Body: view})
	}
	s.setSession(c, token, expires)
	return c.Redirect(view.Next, fiber.StatusSeeOther)
}

// signInProblem says in words why nobody was signed in.
func signInProblem(err error) (status int, text string) {
	switch fault.KindOf(err) {
	case fault.Unauthorized, fault.Invalid, fault.NotFound, fault.Forbidden:
		return fiber.StatusUnauthorized, "That e-mail address and password don’t match. Check both and try again."
	case fault.Limited, fault.TooLarge:
		return fiber.StatusTooManyRequests, "Too many tries. Wait a minute, then try again."
	default:
		return fiber.StatusServiceUnavailable,
			"Signing in does not work right now, and it is not your password. Paging goes on; try again in a moment."
	}
}

func (s *site) signOut(c *fiber.Ctx) error {
	if token := c.Cookies(s.CookieName); token != "" {
		if err := s.Sessions.SignOut(c.UserContext(), token); err != nil {
			return err
		}
	}
	s.setSession(c, "", time.Unix(1, 0))
	return c.Redirect("/sign-in", fiber.StatusSeeOther)
}

func (s *site) setSession(c *fiber.Ctx, token string, expires time.Time) {
	c.Cookie(&fiber.Cookie{
		Name: s.CookieName, Value: token, Path: "/", Expires: expires, HTTPOnly: true, Secure: s.secure(),
		SameSite: fiber.CookieSameSiteLaxMode,
	})
}

func signInURL(next string) string {
	next = safeNext(next)
	if next == "/" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(next)
}

// safeNext returns where to go after signing in: a path on this site, or "/" for whatever else it is given. Browsers
// read a backslash as a slash and drop control characters, so neither may stand in it.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || len(next) > 2000 ||
		strings.ContainsFunc(next, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f || r == 0xfffd }) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return "/"
	}
	if strings.HasPrefix(u.Path, "/sign-") || strings.HasPrefix(u.Path, "/api/") || strings.HasPrefix(u.Path, "/static/") {
		return "/"
	}
	return next
}
