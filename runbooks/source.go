package runbooks

import (
	"net/url"
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
	case s.Type != "postgres" && (u.RawQuery != "" || u.Fragment != ""):
		problems = append(problems, d.Problem("spec.url", "has a query or fragment; steps give those"))
	}
	return s, problems
}

func hasPassword(u *url.URL) bool {
	if _, set := u.User.Password(); set {
		return true
	}
	for key := range u.Query() {
		if strings.EqualFold(key, "password") || strings.EqualFold(key, "passfile") || strings.EqualFold(key, "sslkey") || strings.EqualFold(key, "options") {
			return true
		}
	}
	return false
}
