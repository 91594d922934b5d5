package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/nines-sre/nines/incidents/notify/pagerduty/account"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
)

func (a *cli) importCommand() *cobra.Command {
	return group("import", "Move from another tool: definitions, people, past incidents", a.importPagerDuty(), a.importPeople(), a.importIncidents())
}

// imported is what an import made, for --json.
type imported struct {
	Files     []string       `json:"files"`
	Users     int            `json:"users"`
	Schedules int            `json:"schedules"`
	Policies  int            `json:"policies"`
	Services  int            `json:"services"`
	Incidents int            `json:"incidents"`
	Losses    []account.Loss `json:"losses"`
}

func (a *cli) importPagerDuty() *cobra.Command {
	var tokenFile, out, endpoint, since string
	c := &cobra.Command{
		Use: "pagerduty --token-file FILE --out DIR", Args: args(cobra.NoArgs),
		Short: "Write a PagerDuty account as definitions, and say what they cannot carry",
		Long: "Read a PagerDuty account by its REST API and write its escalation policies and services as definitions, ready for\n" +
			"'nines apply'. Users, schedules and incidents, open and recent, are written beside them as JSON, for people and for\n" +
			"scripts; 'nines import incidents' takes over those that are past. Nothing is changed at PagerDuty; a read-only API key is enough.",
		Example: "  nines import pagerduty --token-file pagerduty.token --out pagerduty/\n  nines diff -f pagerduty/\n" +
			"  nines import incidents pagerduty/past-incidents.json",
		RunE: func(c *cobra.Command, _ []string) error {
			token, err := readToken(tokenFile)
			if err != nil {
				return err
			}
			back, err := model.ParseDuration(since)
			if err != nil {
				return usageError{fmt.Errorf("--since %q is not a duration such as 30d", since)}
			}
			now := time.Now()
			read, err := account.Read(c.Context(), account.Options{
				Token: token, Endpoint: strings.TrimRight(endpoint, "/"), Since: now.Add(-time.Duration(back)), Now: now,
			})
			if err != nil {
				return err
			}
			return a.writeImport(read, out)
		},
	}
	f := c.Flags()
	f.StringVar(&tokenFile, "token-file", "", "file with the REST API key")
	f.StringVarP(&out, "out", "o", "", "folder to write to")
	f.StringVar(&endpoint, "endpoint", account.DefaultEndpoint, "REST API; accounts in Europe have https://api.eu.pagerduty.com")
	f.StringVar(&since, "since", "30d", "how far back resolved incidents are read")
	needs(c, "token-file")
	needs(c, "out")
	return c
}

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "read the API key")
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \r\n\t") {
		return "", fault.New(fault.Invalid, "%s does not hold an API key alone", path)
	}
	return token, nil
}

// writeImport writes only what would be taken by apply.
func (a *cli) writeImport(read account.Account, folder string) error {
	made, err := read.Export()
	if err != nil {
		return err
	}
	if err := applicable(made.Files); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fault.Wrap(fault.Invalid, err, "make the folder %s", folder)
	}
	done := imported{
		Files: []string{}, Users: len(read.Users), Schedules: len(read.Schedules), Policies: len(read.Policies),
		Services: len(read.Services), Incidents: len(read.Incidents), Losses: made.Losses,
	}
	for _, f := range made.Files {
		path := filepath.Join(folder, f.Name)
		if err := os.WriteFile(path, []byte(f.Text), 0o600); err != nil { // people's addresses are in it
			return fault.Wrap(fault.Invalid, err, "write %s", path)
		}
		done.Files = append(done.Files, path)
	}
	return a.show(done, func() { a.printImport(done) })
}

func applicable(files []manifest.File) error {
	var definitionFiles []manifest.File
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".yaml") {
			definitionFiles = append(definitionFiles, f)
		}
	}
	_, problems := definitions.Load(definitionFiles, nil, func(string) bool { return true })
	return problems.Err()
}

func (a *cli) printImport(done imported) {
	a.printf("read %d users, %d schedules, %d escalation policies, %d services and %d incidents\n",
		done.Users, done.Schedules, done.Policies, done.Services, done.Incidents)
	for _, f := range done.Files {
		a.printf("wrote %s\n", f)
	}
	if len(done.Losses) == 0 {
		return
	}
	a.printf("\nNot carried, or not as it was:\n")
	rows := make([][]string, 0, len(done.Losses))
	for _, l := range done.Losses {
		rows = append(rows, []string{l.What, l.Message})
	}
	a.table([]string{"what", "how"}, rows)
}
