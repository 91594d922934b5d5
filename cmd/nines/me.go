package main

import (
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// ways is how a person is called, as the API shows it.
type ways struct {
	Email   string              `json:"email"`
	Zone    string              `json:"zone"`
	Quiet   []quietHours        `json:"quiet"`
	Methods []way               `json:"methods"`
	Rules   []wayRule           `json:"rules"`
	Offered map[string][]string `json:"offered"`
}

type quietHours struct {
	Days []int  `json:"days,omitempty"`
	From string `json:"from"`
	To   string `json:"to"`
}

type way struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Way        string     `json:"way"`
	Channel    string     `json:"channel,omitempty"`
	Address    string     `json:"address"`
	VerifiedAt *time.Time `json:"verifiedAt"`
}

type wayRule struct {
	Urgency string `json:"urgency"`
	Delay   int    `json:"delaySeconds"`
	Method  string `json:"method"`
}

func (a *cli) meCommand() *cobra.Command {
	var person string
	c := group("me", "How you are called: ways, rules, quiet hours", a.meShow(&person), a.meAdd(&person), a.meCode(&person), a.meVerify(&person), a.meRemove(&person),
		a.meRules(&person), a.meQuiet(&person))
	c.PersistentFlags().StringVar(&person, "person", "", "whose ways these are, by e-mail; your own unless given (others' need the role admin)")
	return c
}

// reachPath is a path of the API about a person's ways.
func reachPath(person, path string) string {
	if person == "" {
		return path
	}
	return path + "?" + url.Values{"person": {person}}.Encode()
}

// meAsk calls the API and shows the ways as they are then.
func (a *cli) meAsk(c *cobra.Command, method, path string, body any) error {
	api, err := a.client()
	if err != nil {
		return err
	}
	var answer ways
	if err := api.do(c.Context(), method, path, body, &answer); err != nil {
		return err
	}
	return a.show(answer, func() { a.printWays(answer) })
}

func (a *cli) meShow(person *string) *cobra.Command {
	return &cobra.Command{
		Use: "ways", Short: "Show how you are called", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.meAsk(c, http.MethodGet, reachPath(*person, "/me/ways"), nil)
		},
	}
}

func (a *cli) printWays(w ways) {
	a.printf("%s, times in %s\n\n", w.Email, w.Zone)
	if len(w.Methods) == 0 {
		a.printf("No ways: you are called by an e-mail to that address. Ways that are set up: %s.\n", offered(w.Offered))
		return
	}
	names := map[string]string{}
	rows := make([][]string, 0, len(w.Methods))
	for _, m := range w.Methods {
		state := "waits for its code, and is not used"
		if m.VerifiedAt != nil {
			state = "verified"
		}
		names[m.ID] = m.Name
		rows = append(rows, []string{m.Name, m.Way, m.Address, state, m.ID})
	}
	a.table([]string{"name", "way", "address", "state", "id"}, rows)
	a.printf("\n")
	if len(w.Rules) == 0 {
		a.printf("No rules: all verified ways are used at once.\n")
	}
	for _, r := range w.Rules {
		when := "at once"
		if r.Delay > 0 {
			when = "after " + (time.Duration(r.Delay) * time.Second).String()
		}
		a.printf("%-4s urgency, %s: %s\n", r.Urgency, when, names[r.Method])
	}
	for _, q := range w.Quiet {
		a.printf("low urgency waits from %s to %s%s\n", q.From, q.To, onDays(q.Days))
	}
}

func offered(by map[string][]string) string {
	var names []string
	for name := range by {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

func onDays(days []int) string {
	if len(days) == 0 {
		return ""
	}
	var names []string
	for _, d := range days {
		names = append(names, time.Weekday(d).String()[:3])
	}
	return " on " + strings.Join(names, ", ")
}

func (a *cli) meAdd(person *string) *cobra.Command {
	var name, channel string
	c := &cobra.Command{
		Use: "add WAY ADDRESS", Short: "Add a way to reach you; a code is sent there", Args: args(cobra.ExactArgs(2)),
		Example: "  nines me add sms +4915112345678 --name mobile\n  nines me verify ID 123456",
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			if name == "" {
				name = words[0]
			}
			var added way
			body := map[string]any{"name": name, "way": words[0], "channel": channel, "address": words[1]}
			if err := api.post(c.Context(), reachPath(*person, "/me/ways"), body, &added); err != nil {
				return err
			}
			return a.show(added, func() {
				a.printf("a code was sent to %s; tell it with: nines me verify %s CODE\n", added.Address, added.ID)
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "what you call it, such as mobile")
	c.Flags().StringVar(&channel, "channel", "", "the Channel to send from, where there are several")
	return c
}

func (a *cli) meCode(person *string) *cobra.Command {
	return &cobra.Command{
		Use: "code ID", Short: "Send another code", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			if err := api.post(c.Context(), reachPath(*person, "/me/ways/"+url.PathEscape(words[0])+"/code"), struct{}{}, nil); err != nil {
				return err
			}
			a.printf("a code is on its way\n")
			return nil
		},
	}
}

func (a *cli) meVerify(person *string) *cobra.Command {
	return &cobra.Command{
		Use: "verify ID CODE", Short: "Tell the code that was sent, so that the way counts", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, words []string) error {
			return a.meAsk(c, http.MethodPost, reachPath(*person, "/me/ways/"+url.PathEscape(words[0])+"/verify"), map[string]string{"code": words[1]})
		},
	}
}

func (a *cli) meRemove(person *string) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a way away, with the rules that use it", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, words []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			return api.do(c.Context(), http.MethodDelete, reachPath(*person, "/me/ways/"+url.PathEscape(words[0])), nil, nil)
		},
	}
}

func (a *cli) meRules(person *string) *cobra.Command {
	return &cobra.Command{
		Use: "rules [URGENCY:DELAY:ID ...]", Short: "Say when which way is used, in place of the rules before",
		Example: "  nines me rules high:0s:ID high:5m:OTHER low:0s:ID",
		RunE: func(c *cobra.Command, words []string) error {
			rules := []wayRule{}
			for _, word := range words {
				parts := strings.SplitN(word, ":", 3)
				if len(parts) != 3 {
					return usageError{fmt.Errorf("%q is not a rule such as high:5m:ID", word)}
				}
				delay, err := model.ParseDuration(parts[1])
				if err != nil {
					return usageError{fmt.Errorf("%q in %q is not a duration such as 5m", parts[1], word)}
				}
				rules = append(rules, wayRule{parts[0], int(time.Duration(delay) / time.Second), parts[2]})
			}
			return a.meAsk(c, http.MethodPut, reachPath(*person, "/me/rules"), map[string]any{"rules": rules})
		},
	}
}

func (a *cli) meQuiet(person *string) *cobra.Command {
	var zone string
	c := &cobra.Command{
		Use: "quiet [FROM-TO[@DAYS] ...]", Short: "Say when what is of low urgency waits, in place of the hours before",
		Long:    "Hours are by the clock on the wall in --zone, such as 22:00-07:00. Days are numbers with commas, Sunday being 0;\nwithout them it is every day. Without hours nothing waits.",
		Example: "  nines me quiet --zone Europe/Berlin 22:00-07:00 00:00-24:00@0,6",
		RunE: func(c *cobra.Command, words []string) error {
			quiet := []quietHours{}
			for _, word := range words {
				hours, days, _ := strings.Cut(word, "@")
				from, to, ok := strings.Cut(hours, "-")
				if !ok {
					return usageError{fmt.Errorf("%q is not hours such as 22:00-07:00", word)}
				}
				q := quietHours{From: from, To: to}
				for _, day := range strings.FieldsFunc(days, func(r rune) bool { return r == ',' }) {
					n, err := strconv.Atoi(day)
					if err != nil {
						return usageError{fmt.Errorf("%q in %q is not a day's number, Sunday being 0", day, word)}
					}
					q.Days = append(q.Days, n)
				}
				quiet = append(quiet, q)
			}
			return a.meAsk(c, http.MethodPut, reachPath(*person, "/me/quiet"), map[string]any{"zone": zone, "quiet": quiet})
		},
	}
	c.Flags().StringVar(&zone, "zone", "UTC", "IANA time zone, such as Europe/Berlin")
	return c
}
