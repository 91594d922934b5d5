package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/access"
)

// who is the principal as shown.
type who struct {
	ID     string      `json:"id" example:"user:7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11"`
	Name   string      `json:"name" example:"ada@example.com"`
	Role   access.Role `json:"role" enum:"viewer,responder,editor,admin"`
	Tenant string      `json:"tenant" doc:"Empty for the operator's own people."`
}

func whoOf(p access.Principal) who { return who{p.ID, p.Name, p.Role, p.Tenant} }

type signInInput struct {
	Body struct {
		Email    string `json:"email" minLength:"1" maxLength:"320" example:"ada@example.com"`
		Password string `json:"password" minLength:"1" maxLength:"1024" format:"password"`
	}
}

type signedIn struct {
	SetCookie string `header:"Set-Cookie" doc:"The session."`
	Body      who
}

type signOutInput struct {
	Session string `cookie:"nines_session" doc:"The session over http."`
	Secure  string `cookie:"__Host-nines" doc:"The session over https."`
}

type signedOut struct {
	SetCookie string `header:"Set-Cookie" doc:"Takes the session's cookie away."`
}

type newUserInput struct {
	Body struct {
		Email    string      `json:"email" minLength:"3" maxLength:"320" example:"grace@example.com"`
		Password string      `json:"password" minLength:"12" maxLength:"256" format:"password" doc:"At least 12 characters."`
		Role     access.Role `json:"role" enum:"viewer,responder,editor,admin"`
		Tenant   string      `json:"tenant,omitempty" maxLength:"63" doc:"Empty makes one of the operator's people."`
	}
}

type newTokenInput struct {
	Body struct {
		Name   string      `json:"name" minLength:"1" maxLength:"200" example:"prometheus in eu-1"`
		Role   access.Role `json:"role" enum:"viewer,responder,editor,admin" doc:"responder is enough to post alerts."`
		Tenant string      `json:"tenant,omitempty" maxLength:"63" doc:"Empty makes one of the operator's tokens."`
	}
}

type newToken struct {
	Token
	Secret string `json:"token" doc:"The token itself. It is shown this once." example:"nines_pat_..."`
}

type idInput struct {
	ID string `path:"id" maxLength:"200"`
}

type auditInput struct {
	Actor  string `query:"actor" maxLength:"200" doc:"Only what this principal did, such as user:<uuid>."`
	Action string `query:"action" maxLength:"200"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor int64  `query:"cursor" minimum:"0" doc:"nextCursor of the page before."`
}

type userList struct {
	Users []User `json:"users"`
}

type tokenList struct {
	Tokens []Token `json:"tokens"`
}

type auditPage struct {
	Records    []AuditRecord `json:"records"`
	NextCursor string        `json:"nextCursor,omitempty" doc:"Absent on the last page."`
}

func (a *API) mountPeople() {
	register(a, operation{id: "get-me", method: get, path: "/me", tag: "People", role: access.Viewer, audience: anyone,
		summary: "Who am I"}, a.me)
	register(a, operation{id: "sign-in", method: post, path: "/sign-in", tag: "People", role: public, audience: anyone,
		summary: "Sign in with e-mail and password", about: "Sets the session cookie. Machines use API tokens instead."}, a.signIn)
	register(a, operation{id: "sign-out", method: post, path: "/sign-out", tag: "People", role: public, audience: anyone,
		status: http.StatusNoContent, summary: "End the session of the cookie"}, a.signOut)
	register(a, operation{id: "list-users", method: get, path: "/users", tag: "People", role: access.Admin, audience: operatorOnly,
		summary: "List the people who may sign in"}, a.users)
	register(a, operation{id: "create-user", method: post, path: "/users", tag: "People", role: access.Admin, audience: operatorOnly,
		status: http.StatusCreated, summary: "Let somebody sign in"}, a.createUser)
	register(a, operation{id: "list-tokens", method: get, path: "/tokens", tag: "People", role: access.Admin, audience: operatorOnly,
		summary: "List API tokens, without their secrets"}, a.tokens)
	register(a, operation{id: "create-token", method: post, path: "/tokens", tag: "People", role: access.Admin, audience: operatorOnly,
		status: http.StatusCreated, summary: "Make an API token", about: "The answer holds the token, this once."}, a.createToken)
	register(a, operation{id: "revoke-token", method: http.MethodDelete, path: "/tokens/{id}", tag: "People", role: access.Admin,
		audience: operatorOnly, status: http.StatusNoContent, summary: "Revoke an API token at once"}, a.revokeToken)
	register(a, operation{id: "list-audit", method: get, path: "/audit", tag: "People", role: access.Admin, audience: operatorOnly,
		summary: "Read who changed what, the newest first"}, a.audit)
}

func (a *API) me(ctx context.Context, _ *none) (*body[who], error) {
	return show(whoOf(access.PrincipalOf(ctx)), nil)
}

func (a *API) signIn(ctx context.Context, in *signInInput) (*signedIn, error) {
	token, expires, err := a.deps.Sessions.SignIn(ctx, in.Body.Email, in.Body.Password)
	if err != nil {
		return nil, err
	}
	principal, err := a.deps.Sessions.PrincipalOfSession(ctx, token)
	if err != nil {
		return nil, err
	}
	return &signedIn{SetCookie: a.sessionCookie(token, expires), Body: whoOf(principal)}, nil
}

func (a *API) signOut(ctx context.Context, in *signOutInput) (*signedOut, error) {
	token := in.Session
	if a.config.https() {
		token = in.Secure
	}
	if token != "" {
		if err := a.deps.Sessions.SignOut(ctx, token); err != nil {
			return nil, err
		}
	}
	return &signedOut{SetCookie: a.sessionCookie("", time.Unix(1, 0))}, nil
}

func (a *API) users(ctx context.Context, _ *none) (*body[userList], error) {
	users, err := a.deps.People.Users(ctx, access.PrincipalOf(ctx))
	return show(userList{list(users)}, err)
}

func (a *API) createUser(ctx context.Context, in *newUserInput) (*body[User], error) {
	u := User{Email: in.Body.Email, Role: in.Body.Role, Tenant: in.Body.Tenant}
	return show(a.deps.People.CreateUser(ctx, access.PrincipalOf(ctx), u, in.Body.Password))
}

func (a *API) tokens(ctx context.Context, _ *none) (*body[tokenList], error) {
	tokens, err := a.deps.People.Tokens(ctx, access.PrincipalOf(ctx))
	return show(tokenList{list(tokens)}, err)
}

func (a *API) createToken(ctx context.Context, in *newTokenInput) (*body[newToken], error) {
	plain, record, err := a.deps.People.CreateToken(ctx, access.PrincipalOf(ctx), in.Body.Name, in.Body.Role, in.Body.Tenant)
	return show(newToken{record, plain}, err)
}

func (a *API) revokeToken(ctx context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deps.People.RevokeToken(ctx, access.PrincipalOf(ctx), in.ID)
}

func (a *API) audit(ctx context.Context, in *auditInput) (*body[auditPage], error) {
	f := AuditFilter{Actor: in.Actor, Action: in.Action, Limit: in.Limit, Before: in.Cursor}
	records, err := a.deps.Audit.Audit(ctx, access.PrincipalOf(ctx), f)
	page := auditPage{Records: list(records)}
	if n := len(records); n > 0 && n == in.Limit {
		page.NextCursor = strconv.FormatInt(records[n-1].ID, 10)
	}
	return show(page, err)
}

// list makes an empty list of none, so that JSON shows [] and never null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
