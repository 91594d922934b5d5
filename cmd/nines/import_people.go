package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/nines-sre/nines/internal/credential"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/spf13/cobra"
)

// importedPerson is a person of another tool, as 'nines import pagerduty' writes them; what else it says is left alone.
type importedPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Zone  string `json:"timeZone"`
}

// madePerson is what became of one.
type madePerson struct {
	Email    string `json:"email"`
	State    string `json:"state"` // "made", "known" or why not
	Password string `json:"password,omitempty"`
}

func (a *cli) importPeople() *cobra.Command {
	var role string
	c := &cobra.Command{
		Use: "people FILE", Args: args(cobra.ExactArgs(1)), Short: "Make accounts for the people of another tool",
		Long: "Read a JSON list of people with name, email and timeZone, make an account for each that has none, and set its zone.\n" +
			"Their passwords are printed this once. Nobody's telephone is taken over: people add and verify their own with 'nines me'.",
		Example: "  nines import people pagerduty/users.json --role responder",
		RunE: func(c *cobra.Command, words []string) error {
			people, err := readPeople(words[0])
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			made := make([]madePerson, 0, len(people))
			var failed error
			for _, p := range people {
				one, err := makePerson(c, api, p, role)
				made, failed = append(made, one), errors.Join(failed, err)
			}
			return errors.Join(a.show(made, func() {
				rows := make([][]string, 0, len(made))
				for _, m := range made {
					rows = append(rows, []string{m.Email, m.State, orMissing(m.Password)})
				}
				a.table([]string{"email", "account", "password"}, rows)
			}), failed)
		},
	}
	c.Flags().StringVar(&role, "role", "responder", "viewer, responder, editor or admin")
	return c
}

func readPeople(path string) ([]importedPerson, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the people")
	}
	defer f.Close()
	var people []importedPerson
	if err := json.NewDecoder(io.LimitReader(f, maxPastFile)).Decode(&people); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s is not a JSON list of people", path)
	}
	return people, nil
}

// makePerson makes one account. One that is there already keeps its password and role.
func makePerson(c *cobra.Command, api *client, p importedPerson, role string) (madePerson, error) {
	email := strings.ToLower(strings.TrimSpace(p.Email))
	if email == "" {
		return madePerson{p.Name, "has no e-mail address", ""}, nil
	}
	made := madePerson{email, "made", credential.NewPassword()}
	body := map[string]string{"email": email, "password": made.Password, "role": role}
	err := api.post(c.Context(), "/users", body, nil)
	switch {
	case fault.Is(err, fault.Conflict):
		return madePerson{email, "known", ""}, nil
	case err != nil:
		return madePerson{email, "not made: " + fault.Public(err).Message, ""}, err
	}
	if p.Zone == "" {
		return made, nil
	}
	zone := map[string]any{"zone": p.Zone, "quiet": []any{}}
	if err := api.do(c.Context(), http.MethodPut, reachPath(email, "/me/quiet"), zone, nil); err != nil {
		made.State = "made, but in UTC: " + fault.Public(err).Message
	}
	return made, nil
}
