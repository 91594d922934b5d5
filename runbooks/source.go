package runbooks

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
)

// SourceKind is the kind of a data source's definition.
const SourceKind = "DataSource"

// Source is what steps of a runbook may ask. Its address is the operator's word: a step names a path below it, never a
// host.
type Source struct {
	Name      string
	Type      string // prometheus, loki, http or postgres
	URL       string // http(s) base; for postgres the connection's URL without a password
	TokenFile string // of the bearer token, or the password for postgres; relative to the folder of secrets
	TokenEnv  string // environment variable instead
	Write     bool   // http only: POST is allowed
}

type sourceSpec struct {
	Type      string `yaml:"type"`
	URL       string `yaml:"url"`
	TokenFile string `yaml:"tokenFile"`
	TokenEnv  string `yaml:"tokenEnv"`
	Write     bool   `yaml:"write"`
}

var sourceLanguages = map[string]Language{"prometheus": PromQL, "loki": LogQL, "http": HTTP, "postgres": SQL}

// Language returns what is asked of the source.
func (s Source) Language() Language { return sourceLanguages[s.Type] }

// ReadSource reads a data source's document.
func ReadSource(d manifest.Document) (Source, manifest.Problems) {
	var spec sourceSpec
	problems := d.DecodeSpec(&spec)
	s := Source{Name: d.Metadata.Name, Type: spec.Type, URL: strings.TrimRight(spec.URL, "/"), TokenFile: spec.TokenFile, TokenEnv: spec.TokenEnv, Write: spec.Write}
	if s.Language() == "" {
		problems = append(problems, d.Problem("spec.type", "%q is not known; use prometheus, loki, http or postgres", clip(s.Type)))
	}
	if s.Write && s.Type != "http" {
		problems = append(problems, d.Problem("spec.write", "is only for type http; the others are only read"))
	}
	if s.TokenFile != "" && s.TokenEnv != "" {
		problems = append(problems, d.Problem("spec.tokenEnv", "stands beside spec.tokenFile; keep one"))
	}
	problems = append(problems, s.secretProblems(d)...)
	schemes := []string{"http", "https"}
	if s.Type == "postgres" {
		schemes = []string{"postgres", "postgresql"}
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme):
		problems = append(problems, d.Problem("spec.url", "is not a URL that begins with %s://", schemes[0]))
	case u.User != nil && s.Type != "postgres":
		problems = append(problems, d.Problem("spec.url", "holds a user; name a secret with tokenFile or tokenEnv"))
	case hasPassword(u):
		problems = append(problems, d.Problem("spec.url", "holds a password; name a secret with tokenFile or tokenEnv"))
	case s.Type == "postgres":
		if message := connectionProblem(u); message != "" {
			problems = append(problems, d.Problem("spec.url", "%s", message))
		}
	case s.Type != "postgres" && (u.RawQuery != "" || u.Fragment != ""):
		problems = append(problems, d.Problem("spec.url", "has a query or fragment; steps give those"))
	}
	return s, problems
}

func hasPassword(u *url.URL) bool {
	_, set := u.User.Password()
	return set || u.Query().Has("password")
}

// EnvPrefix is how the name of every environment variable begins that a data source may read, so that a definition
// cannot send away a secret that is not meant for runbooks.
const EnvPrefix = "NINES_RUNBOOK_"

func (s Source) secretProblems(d manifest.Document) manifest.Problems {
	var problems manifest.Problems
	if s.TokenFile != "" && !filepath.IsLocal(s.TokenFile) {
		problems = append(problems, d.Problem("spec.tokenFile", "leads out of the server's folder of secrets; name a file below it"))
	}
	if s.TokenEnv != "" && !strings.HasPrefix(s.TokenEnv, EnvPrefix) {
		problems = append(problems, d.Problem("spec.tokenEnv", "must begin with %s", EnvPrefix))
	}
	return problems
}

// connectionParameters are what a connection's URL may set beside its host, port, user and database. Others of libpq read
// files, run commands' options or turn off what keeps the session read only.
var connectionParameters = []string{"connect_timeout", "sslmode", "sslrootcert"}

// connectionProblem says what is wrong with the URL of a PostgreSQL connection, or "".
func connectionProblem(u *url.URL) string {
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "has parameters that cannot be read"
	}
	for name, values := range parameters {
		if !slices.Contains(connectionParameters, name) {
			return fmt.Sprintf("has the parameter %q; only %s may be set", clip(name), strings.Join(connectionParameters, ", "))
		}
		if len(values) != 1 {
			return "sets the parameter " + name + " twice"
		}
	}
	if root := parameters.Get("sslrootcert"); root != "" && !filepath.IsLocal(root) {
		return "names an sslrootcert outside the server's folder of secrets; name a file below it"
	}
	switch {
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "/,@") || strings.Contains(u.Host, ","):
		return "must name one host"
	case u.User.Username() == "" || strings.Trim(u.Path, "/") == "":
		return "must name a user and a database, as in postgres://reader@db.example:5432/shop"
	}
	return ""
}
