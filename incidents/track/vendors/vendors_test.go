package vendors_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents/track/vendors"
	"github.com/nines-sre/nines/internal/manifest"
)

const head = "apiVersion: nines/v1\nkind: Tracker\nmetadata: {name: ops}\nspec:\n"

func read(t *testing.T, spec string) (vendors.Definition, manifest.Problems) {
	t.Helper()
	docs, problems := manifest.Read(manifest.File{Name: "t.yaml", Text: head + spec})
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatalf("%s: %v", spec, problems)
	}
	return vendors.Read(docs[0])
}

func TestATrackerOfEachVendorIsRead(t *testing.T) {
	t.Parallel()
	for vendor, c := range map[string]struct{ spec, place string }{
		"jira":   {`  jira: {url: "https://example.atlassian.net", user: nines@example.com, token: {env: T}, project: OPS}`, "Jira example.atlassian.net, project OPS"},
		"github": {`  github: {repository: example/shop, token: {env: T}}`, "GitHub, repository example/shop"},
		"gitlab": {`  gitlab: {project: example/team/shop, token: {env: T}}`, "GitLab gitlab.com, project example/team/shop"},
		"linear": {`  linear: {team: 9cfb482a-81e3-4154-b5b9-2c805e70a02d, key: {env: T}}`, "Linear, team 9cfb482a-81e3-4154-b5b9-2c805e70a02d"},
		"asana":  {`  asana: {project: "1204619611402340", token: {env: T}}`, "Asana, project 1204619611402340"},
		"monday": {`  monday: {board: "1234567890", token: {env: T}, columns: {key: text_key, status: status}, status: {open: To do, done: Done}}`, "monday.com, board 1234567890"},
	} {
		d, problems := read(t, c.spec+"\n  services: [shop]\n  default: true\n")
		if len(problems) > 0 || d.Vendor != vendor || d.Place != c.place || !d.Default || d.Services[0] != "shop" || d.New("", nil) == nil {
			t.Errorf("%s: %+v, %v", vendor, d, problems)
		}
	}
}

func TestWhatIsWrongWithATrackerIsNamed(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"  default: true\n": "names 0 vendors",
		"  github: {repository: a/b, token: {env: T}}\n  asana: {project: \"1\", token: {env: T}}\n": "names 2 vendors",
		"  jira: {}\n": "spec.jira.url: is missing",
		"  jira: {url: \"http://jira.example.com\", user: a@b.example, token: {env: T}, project: OPS}\n":           "is not an https URL",
		"  jira: {url: \"https://u:p@jira.example.com\", user: a@b.example, token: {env: T}, project: OPS}\n":      "holds a user or password",
		"  jira: {url: \"https://jira.example.com\", user: ana, token: {env: T}, project: OPS}\n":                  `"ana" is not the e-mail address`,
		"  jira: {url: \"https://jira.example.com\", user: a@b.example, token: {env: T}, project: \"OPS OR 1\"}\n": "is not the key of a project",
		"  github: {repository: shop, token: {env: T}}\n":                                                          "a repository as OWNER/NAME",
		"  github: {repository: a/.., token: {}}\n":                                                                "spec.github.token",
		"  gitlab: {project: ../x, token: {env: T}}\n":                                                             "a project's path",
		"  linear: {team: OPS, key: {env: T}}\n":                                                                   "the UUID of a team",
		"  asana: {project: ops, token: {env: T}}\n":                                                               "the number of a project",
		"  monday: {board: \"1\", token: {env: T}}\n":                                                              "spec.monday.columns.key: is missing",
		"  trello: {}\n": "trello",
	} {
		if _, problems := read(t, spec); !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v; want %q", spec, problems, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(head + "  github: {repository: a/b, token: {env: T}}\n")
	f.Add(head + "  jira: null\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			if def, problems := vendors.Read(d); len(problems) == 0 && (def.Vendor == "" || def.New("", nil) == nil) {
				t.Errorf("a tracker without problems is none: %+v", def)
			}
		}
	})
}
