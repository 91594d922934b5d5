package vendors

import (
	"net/http"
	"regexp"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/incidents/track/asana"
	"github.com/nines-sre/nines/incidents/track/github"
	"github.com/nines-sre/nines/incidents/track/gitlab"
	"github.com/nines-sre/nines/incidents/track/linear"
	"github.com/nines-sre/nines/incidents/track/monday"
)

type githubSpec struct {
	URL        string           `yaml:"url"`
	Repository string           `yaml:"repository"`
	Token      incidents.Secret `yaml:"token"`
}

type gitlabSpec struct {
	URL     string           `yaml:"url"`
	Project string           `yaml:"project"`
	Token   incidents.Secret `yaml:"token"`
}

type linearSpec struct {
	URL    string           `yaml:"url"`
	Team   string           `yaml:"team"`
	Key    incidents.Secret `yaml:"key"`
	Status statusSpec       `yaml:"status"`
}

type asanaSpec struct {
	URL     string           `yaml:"url"`
	Project string           `yaml:"project"`
	Token   incidents.Secret `yaml:"token"`
}

type mondaySpec struct {
	URL     string           `yaml:"url"`
	Board   string           `yaml:"board"`
	Token   incidents.Secret `yaml:"token"`
	Columns struct {
		Key    string `yaml:"key"`
		Status string `yaml:"status"`
		Date   string `yaml:"date"`
		Notes  string `yaml:"notes"`
	} `yaml:"columns"`
	Status statusSpec `yaml:"status"`
}

var (
	repository = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9]{0,38}/[-._A-Za-z0-9]{1,100}$`)
	project    = regexp.MustCompile(`^([1-9][0-9]{0,18}|[A-Za-z0-9_][-._A-Za-z0-9]*(/[-._A-Za-z0-9]+)+)$`)
	uuid       = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	number     = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	column     = regexp.MustCompile(`^[a-z0-9_]{1,100}$`)
)

func (r *reader) github(s githubSpec) (string, maker) {
	c := github.Config{URL: r.address("spec.github.url", s.URL, github.DefaultURL), Repository: s.Repository, Token: s.Token}
	r.need("spec.github.repository", s.Repository, repository, "a repository as OWNER/NAME")
	r.secret("spec.github.token", s.Token)
	return "GitHub, repository " + c.Repository, func(baseDir string, transport http.RoundTripper) track.Tracker {
		return github.New(c, baseDir, transport)
	}
}

func (r *reader) gitlab(s gitlabSpec) (string, maker) {
	c := gitlab.Config{URL: r.address("spec.gitlab.url", s.URL, gitlab.DefaultURL), Project: s.Project, Token: s.Token}
	r.need("spec.gitlab.project", s.Project, project, "a project's path, such as group/shop, or its number")
	r.secret("spec.gitlab.token", s.Token)
	return "GitLab " + hostOf(c.URL) + ", project " + c.Project, func(baseDir string, transport http.RoundTripper) track.Tracker {
		return gitlab.New(c, baseDir, transport)
	}
}

func (r *reader) linear(s linearSpec) (string, maker) {
	c := linear.Config{URL: r.address("spec.linear.url", s.URL, linear.DefaultURL), Team: s.Team, Key: s.Key, Open: s.Status.Open, Done: s.Status.Done, Dropped: s.Status.Dropped}
	r.need("spec.linear.team", s.Team, uuid, "the UUID of a team")
	r.secret("spec.linear.key", s.Key)
	return "Linear, team " + c.Team, func(baseDir string, transport http.RoundTripper) track.Tracker {
		return linear.New(c, baseDir, transport)
	}
}

func (r *reader) asana(s asanaSpec) (string, maker) {
	c := asana.Config{URL: r.address("spec.asana.url", s.URL, asana.DefaultURL), Project: s.Project, Token: s.Token}
	r.need("spec.asana.project", s.Project, number, "the number of a project, from its address")
	r.secret("spec.asana.token", s.Token)
	return "Asana, project " + c.Project, func(baseDir string, transport http.RoundTripper) track.Tracker {
		return asana.New(c, baseDir, transport)
	}
}

func (r *reader) monday(s mondaySpec) (string, maker) {
	c := monday.Config{URL: r.address("spec.monday.url", s.URL, monday.DefaultURL), Board: s.Board, Token: s.Token, Marker: s.Columns.Key, Status: s.Columns.Status,
		Date: s.Columns.Date, Notes: s.Columns.Notes, Open: s.Status.Open, Done: s.Status.Done, Dropped: s.Status.Dropped}
	r.need("spec.monday.board", s.Board, number, "the number of a board, from its address")
	r.secret("spec.monday.token", s.Token)
	r.need("spec.monday.columns.key", c.Marker, column, "the id of a text column, by which items are found again")
	r.need("spec.monday.columns.status", c.Status, column, "the id of a status column")
	for path, id := range map[string]string{"spec.monday.columns.date": c.Date, "spec.monday.columns.notes": c.Notes} {
		if id != "" {
			r.need(path, id, column, "the id of a column")
		}
	}
	r.need("spec.monday.status.open", c.Open, anyName, "a label of the status column, of what is open")
	r.need("spec.monday.status.done", c.Done, anyName, "a label of the status column, of what is done")
	return "monday.com, board " + c.Board, func(baseDir string, transport http.RoundTripper) track.Tracker {
		return monday.New(c, baseDir, transport)
	}
}
