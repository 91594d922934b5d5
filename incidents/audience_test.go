package incidents_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/manifest"
)

const audienceHead = "apiVersion: nines/v1\nkind: Audience\nmetadata: {name: everybody}\nspec: "

func TestAnAudienceIsReadAndItsProblemsAreNamed(t *testing.T) {
	t.Parallel()
	a, problems := incidents.ReadAudience(readOne(t, audienceHead+
		`{targets: [{slack: {token: {env: T}, channel: "#status"}}, {webhook: {url: "https://status.example.com/hook", secret: {env: S}}}], services: [shop], level: SEV2, public: true}`))
	if len(problems) > 0 || len(a.Targets) != 2 || a.Level != 2 || !a.Public || a.Services[0] != "shop" {
		t.Errorf("%v %+v", problems, a)
	}
	for spec, want := range map[string]string{
		"{}": "spec.targets: names 0 targets",
		"{targets: [{email: {to: [a@b.example]}}]}":          "email is for calling people",
		"{targets: [{user: a@b.example}]}":                   "user is for calling people",
		"{targets: [{}]}":                                    "spec.targets.0",
		`{targets: [{teams: {url: {env: U}}}], level: high}`: `"high" is none of SEV1 to SEV5`,
		`{targets: [{teams: {url: {env: U}}}], room: a}`:     "room",
	} {
		_, problems := incidents.ReadAudience(readOne(t, audienceHead+spec))
		if len(problems) == 0 || !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v; want %q", spec, problems, want)
		}
	}
}

func FuzzReadAudience(f *testing.F) {
	f.Add(audienceHead + `{targets: [{slack: {token: {env: T}, channel: "#status"}}]}`)
	f.Add(audienceHead + `{targets: [null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			if a, problems := incidents.ReadAudience(d); len(problems) == 0 && (len(a.Targets) == 0 || a.Targets[0].Key() == "") {
				t.Errorf("an audience without problems tells nobody: %+v", a)
			}
		}
	})
}

func TestAnAudienceIsToldOnceAndNotWhereTheThreadTellsIt(t *testing.T) {
	t.Parallel()
	room := func(name string) incidents.Target {
		return incidents.Target{Slack: &incidents.SlackTarget{Token: incidents.Secret{Env: "T"}, Channel: name}}
	}
	paged := incidents.Policy{Name: "p", Steps: []incidents.Step{{Targets: []incidents.Target{room("#oncall")}}}}
	i := opened("i1", 1, incidents.Critical, paged)
	all := []incidents.Audience{
		{Name: "a", Targets: []incidents.Target{room("#status"), room("#oncall")}}, {Name: "b", Targets: []incidents.Target{room("#status"), room("#chiefs")}, Level: 2},
		{Name: "c", Targets: []incidents.Target{room("#customers")}, Public: true}, {Name: "d", Targets: []incidents.Target{room("#mail")}, Services: []string{"mail"}},
		{Name: "e", Targets: []incidents.Target{room("#globex")}, Tenants: []string{"globex"}},
	}
	told := func(public bool) string {
		var names []string
		for _, p := range (incidents.StatusUpdate{Number: 3, Text: "we know", Public: public}).Pages(i, all, t0) {
			if p.Action != incidents.ActionStatus || p.Number != 3 || p.Text != "we know" || p.Priority() != incidents.PriorityUpdate {
				t.Errorf("page %+v", p)
			}
			names = append(names, p.Target.Slack.Channel)
		}
		return strings.Join(names, " ")
	}
	if got := told(false); got != "#status #chiefs" {
		t.Errorf("internal: %s", got)
	}
	if got := told(true); got != "#status #chiefs #customers" {
		t.Errorf("public: %s", got)
	}
}
