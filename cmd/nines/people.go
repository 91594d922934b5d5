package main

import (
	"net/url"
	"time"

	"github.com/nines-sre/nines/internal/credential"
	"github.com/spf13/cobra"
)

// token is an API token as the API shows it; Token is the secret, once.
type token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	Tenant     string     `json:"tenant"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	RevokedAt  *time.Time `json:"revokedAt"`
	Token      string     `json:"token,omitempty"`
}

func (a *cli) tokensCommand() *cobra.Command {
	return group("tokens", "API tokens for machines", a.tokensList(), a.tokensAdd(), a.tokensRevoke())
}

func (a *cli) tokensList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List tokens; their secrets are not kept", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Tokens []token `json:"tokens"`
			}
			if err := api.get(c.Context(), "/tokens", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, t := range answer.Tokens {
					rows = append(rows, []string{t.ID, t.Name, t.Role, orMissing(t.Tenant), clock(t.CreatedAt), lastUsed(t), tokenState(t)})
				}
				a.table([]string{"id", "name", "role", "tenant", "made", "last used", "state"}, rows)
			})
		},
	}
}

func lastUsed(t token) string {
	if t.LastUsedAt == nil {
		return "never"
	}
	return ago(*t.LastUsedAt)
}

func tokenState(t token) string {
	if t.RevokedAt != nil {
		return "revoked"
	}
	return "valid"
}

func (a *cli) tokensAdd() *cobra.Command {
	var role, tenant string
	c := &cobra.Command{
		Use: "add NAME --role ROLE", Short: "Make a token; it is printed this once", Args: args(cobra.ExactArgs(1)),
		Example: "  nines tokens add prometheus --role responder",
		RunE: func(c *cobra.Command, names []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var made token
			body := map[string]string{"name": names[0], "role": role, "tenant": tenant}
			if err := api.post(c.Context(), "/tokens", body, &made); err != nil {
				return err
			}
			return a.show(made, func() { a.printf("%s\n", made.Token) })
		},
	}
	c.Flags().StringVar(&role, "role", "viewer", "viewer, responder, editor or admin")
	c.Flags().StringVar(&tenant, "tenant", "", "the customer whose data it may see; unset: the operator's")
	return c
}

func (a *cli) tokensRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Make a token useless at once", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			return api.do(c.Context(), "DELETE", "/tokens/"+url.PathEscape(ids[0]), nil, nil)
		},
	}
}

func (a *cli) usersCommand() *cobra.Command {
	return group("users", "People who sign in", a.usersList(), a.usersAdd())
}

type user struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	Tenant   string `json:"tenant"`
	Disabled bool   `json:"disabled"`
}

func (a *cli) usersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List people", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Users []user `json:"users"`
			}
			if err := api.get(c.Context(), "/users", nil, &answer); err != nil {
				return err
			}
			return a.show(answer, func() {
				var rows [][]string
				for _, u := range answer.Users {
					rows = append(rows, []string{u.Email, u.Role, orMissing(u.Tenant)})
				}
				a.table([]string{"e-mail", "role", "tenant"}, rows)
			})
		},
	}
}

func (a *cli) usersAdd() *cobra.Command {
	var role, tenant string
	c := &cobra.Command{
		Use: "add EMAIL --role ROLE", Short: "Let somebody sign in; the password is printed this once", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, mails []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			password := credential.NewPassword()
			var made user
			body := map[string]string{"email": mails[0], "role": role, "tenant": tenant, "password": password}
			if err := api.post(c.Context(), "/users", body, &made); err != nil {
				return err
			}
			return a.show(map[string]any{"user": made, "password": password}, func() {
				a.printf("%s may sign in as %s with the password %s\n", made.Email, made.Role, password)
			})
		},
	}
	c.Flags().StringVar(&role, "role", "viewer", "viewer, responder, editor or admin")
	c.Flags().StringVar(&tenant, "tenant", "", "the customer whose data they may see; unset: the operator's")
	return c
}
