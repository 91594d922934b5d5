// Package vendors reads definitions of trackers and makes the tracker that one names. It leaves out the vendors' APIs, each in
// a package of its own.
package vendors

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/jira"
	"github.com/nines-sre/nines/internal/manifest"
)

// Kind is the kind of documents that Read reads.
const Kind = "Tracker"

// Definition is a tracker as somebody has defined it.
type Definition struct {
	Name     string
	Vendor   string   // jira, github, gitlab, linear, asana or monday
	Place    string   // where tickets go, for people
	Services []string // whose action items go there unless they name another; none is no service's
	Default  bool     // whether those of all other services do
	make     func(baseDir string, transport http.RoundTripper) track.Tracker
}

// New returns the tracker, which reads secrets below baseDir where they are kept in relative files.
func (d Definition) New(baseDir string, transport http.RoundTripper) track.Tracker {
	return d.make(baseDir, transport)
}

type spec struct {
	Services []string `yaml:"services"`
	Default  bool     `yaml:"default"`

	Jira *jiraSpec `yaml:"jira"`
}

type jiraSpec struct {
	URL     string           `yaml:"url"`
	User    string           `yaml:"user"`
	Token   incidents.Secret `yaml:"token"`
	Project string           `yaml:"project"`
	Type    string           `yaml:"type"`
	Status  statusSpec       `yaml:"status"`
}

// statusSpec are the names by which a vendor's people know the states.
type statusSpec struct {
	Open    string `yaml:"open"`
	Done    string `yaml:"done"`
	Dropped string `yaml:"dropped"`
}

// Read reads a Tracker document and names every problem in it with its line.
func Read(d manifest.Document) (Definition, manifest.Problems) {
	var s spec
	r := reader{doc: d, problems: d.DecodeSpec(&s)}
	out := Definition{Name: d.Metadata.Name, Services: s.Services, Default: s.Default}
	var set []string
	for _, v := range s.vendors(&r) {
		if v.there {
			set = append(set, v.name)
			out.Vendor = v.name
			out.Place, out.make = v.read()
		}
	}
	if len(set) != 1 && len(r.problems) == 0 {
		r.bad("spec", "names %d vendors; write exactly one of jira, github, gitlab, linear, asana, monday", len(set))
	}
	return out, r.problems
}

type maker = func(baseDir string, transport http.RoundTripper) track.Tracker

type vendor struct {
	name  string
	there bool
	read  func() (place string, make maker)
}

func (s spec) vendors(r *reader) []vendor {
	return []vendor{
		{"jira", s.Jira != nil, func() (string, maker) { return r.jira(*s.Jira) }},
	}
}

// reader collects the problems of one document.
type reader struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (r *reader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

// need checks a text that must be there and be of a form, which about says.
func (r *reader) need(path, text string, form *regexp.Regexp, about string) {
	switch {
	case text == "":
		r.bad(path, "is missing; write %s", about)
	case !form.MatchString(text):
		r.bad(path, "%q is not %s", text[:min(len(text), 80)], about)
	}
}

func (r *reader) secret(path string, s incidents.Secret) {
	if field, problem := s.Problem(); problem != "" {
		r.bad(path+field, "%s", problem)
	}
}

// address checks the URL of a site; a vendor's own is known where it is left out.
func (r *reader) address(path, raw, usual string) string {
	raw = cmp.Or(raw, usual)
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		r.bad(path, "is missing; write an https URL")
	case err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		r.bad(path, "is not an https URL")
	case u.User != nil:
		r.bad(path, "holds a user or password; definitions never hold secrets")
	}
	return strings.TrimRight(raw, "/")
}

func loopback(host string) bool {
	return slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, host)
}

var (
	jiraProject = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,9}$`)
	anyName     = regexp.MustCompile(`^[^\x00-\x1f"\\]{1,100}$`)
	mailForm    = regexp.MustCompile(`^[^@\s:]+@[^@\s]+$`)
)

func (r *reader) jira(s jiraSpec) (string, maker) {
	c := jira.Config{URL: r.address("spec.jira.url", s.URL, ""), User: s.User, Token: s.Token, Project: s.Project, Type: s.Type,
		Open: s.Status.Open, Done: s.Status.Done, Dropped: s.Status.Dropped}
	r.need("spec.jira.user", s.User, mailForm, "the e-mail address of the account whose token it is")
	r.secret("spec.jira.token", s.Token)
	r.need("spec.jira.project", s.Project, jiraProject, "the key of a project, such as OPS")
	if s.Type != "" {
		r.need("spec.jira.type", s.Type, anyName, "the name of a type of issue, such as Task")
	}
	return fmt.Sprintf("Jira %s, project %s", hostOf(c.URL), c.Project), func(baseDir string, transport http.RoundTripper) track.Tracker {
		return jira.New(c, baseDir, transport)
	}
}

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Host
	}
	return ""
}
