package httpapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// CookieName returns the name of the session cookie for a site at the base URL. The __Host- prefix makes browsers refuse
// it without Secure or from a sibling domain; it needs https.
func CookieName(baseURL string) string {
	if strings.HasPrefix(baseURL, "https://") {
		return "__Host-nines"
	}
	return "nines_session"
}

// credential is what a request brings to say who it comes from.
type credential struct {
	token  string // from Authorization
	cookie string // the session's token
}

// authenticate puts the principal behind the request's credential into its context. No credential at all passes as
// nobody: what needs somebody says so itself. A wrong token is refused at once; an ended session passes as nobody, so
// that people can sign in again.
func (a *API) authenticate(c *fiber.Ctx) error {
	if under(c.Path(), "/static") || under(c.Path(), hooksPath) {
		return c.Next() // public and asked for often, or known by credentials that are not ours
	}
	cred, err := a.credentialOf(c)
	if err != nil {
		return err
	}
	who, err := a.principalOf(c.UserContext(), cred)
	if err != nil {
		return err
	}
	if who.ID != "" {
		exchangeOf(c.UserContext()).principal = who
		c.SetUserContext(access.WithPrincipal(c.UserContext(), who))
	}
	return c.Next()
}

func (a *API) principalOf(ctx context.Context, cred credential) (access.Principal, error) {
	switch {
	case cred.token != "":
		return a.deps.Sessions.PrincipalOfToken(ctx, cred.token)
	case cred.cookie != "":
		who, err := a.deps.Sessions.PrincipalOfSession(ctx, cred.cookie)
		if fault.Is(err, fault.Unauthorized) {
			return access.Principal{}, nil
		}
		return who, err
	}
	return access.Principal{}, nil
}

// credentialOf reads a Bearer token, a Basic password that is a token (amtool, Prometheus and Grafana can send no other
// form everywhere), or the session cookie. Authorization wins.
func (a *API) credentialOf(c *fiber.Ctx) (credential, error) {
	header := c.Get(fiber.HeaderAuthorization)
	if header == "" {
		return credential{cookie: c.Cookies(a.cookie)}, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer") && value != "":
		return credential{token: value}, nil
	case strings.EqualFold(scheme, "Basic"):
		if token := basicPassword(value); token != "" {
			return credential{token: token}, nil
		}
	}
	return credential{}, fault.New(fault.Unauthorized, "send the API token as a Bearer token, or as the password of Basic authentication")
}

func basicPassword(encoded string) string {
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	_, password, _ := strings.Cut(string(plain), ":")
	return password
}

// sameOrigin refuses what another site makes a browser send here: with a session cookie, or to sign somebody in. Requests
// that carry a token in Authorization were not made by a page elsewhere.
func (a *API) sameOrigin(c *fiber.Ctx) error {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return c.Next()
	}
	if c.Get(fiber.HeaderAuthorization) != "" || under(c.Path(), hooksPath) || a.fromHere(c) {
		return c.Next()
	}
	return fault.New(fault.Forbidden, "this request came from another site; open Nines itself and try again")
}

// fromHere reports whether the browser says that a page of this site made the request. Where it says nothing, only a
// request without a session passes.
func (a *API) fromHere(c *fiber.Ctx) bool {
	site, origin := c.Get("Sec-Fetch-Site"), c.Get(fiber.HeaderOrigin)
	switch {
	case site != "":
		return site == "same-origin" || site == "none"
	case origin != "":
		return a.isOwnOrigin(c, origin)
	}
	return c.Cookies(a.cookie) == ""
}

func (a *API) isOwnOrigin(c *fiber.Ctx, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if base, err := url.Parse(a.config.BaseURL); err == nil && base.Host != "" && u.Scheme == base.Scheme && u.Host == base.Host {
		return true
	}
	return u.Host == string(c.Request().Host())
}

// sessionCookie returns the Set-Cookie value that keeps the session, or with a time gone by takes it away.
func (a *API) sessionCookie(token string, expires time.Time) string {
	c := http.Cookie{
		Name: a.cookie, Value: token, Path: "/", Expires: expires.UTC(), HttpOnly: true, Secure: a.config.https(), SameSite: http.SameSiteLaxMode,
	}
	return c.String()
}
