package definitions

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/manifest"
)

const calledText = `apiVersion: nines/v1
kind: EscalationPolicy
metadata: {name: payments}
spec:
  steps:
    - targets:
        - schedule: primary
        - user: Eve@example.com
      fallback:
        targets:
          - schedule: lost
---
apiVersion: nines/v1
kind: Schedule
metadata: {name: primary}
spec:
  zone: Europe/Berlin
  layers:
    - {name: week, rotation: weekly, start: "2026-01-05 09:00", people: [ana@example.com, bo@example.com]}
`

func TestSchedulesThatAPolicyNamesMustExist(t *testing.T) {
	t.Parallel()
	_, problems := Load([]manifest.File{{Name: "called.yaml", Text: calledText}}, nil, nil)
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := `called.yaml:11: spec.steps.0.fallback.targets.0.schedule: there is no Schedule named "lost"`
	if len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("problems %q, want one that begins with %q", got, want)
	}
}

func TestApplyingNotesWhoHasNoAccount(t *testing.T) {
	t.Parallel()
	text := strings.Replace(calledText, "lost", "primary", 1)
	text = strings.Replace(text, "- schedule: primary\n        - user", "- user: Ana@example.com\n        - user", 1)
	s := New(&tellingStore{}, nil)
	s.AskAccounts(func(_ context.Context, emails []string) ([]string, error) {
		return slices.DeleteFunc(slices.Clone(emails), func(e string) bool { return e == "ana@example.com" }), nil
	})
	editor := access.Principal{ID: "user:e", Role: access.Editor}
	outcomes, err := s.Apply(context.Background(), editor, []manifest.File{{Name: "called.yaml", Text: text}}, false)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"eve@example.com", "bo@example.com"} {
		if n >= len(outcomes) || len(outcomes[n].Notes) != 1 || !strings.Contains(outcomes[n].Notes[0], "no account that is in use has "+want+":") {
			t.Errorf("outcomes %+v; want a note on %s", outcomes, want)
		}
	}
}

// tellingStore says that everything was created.
type tellingStore struct{ keptStore }

func (s *tellingStore) ApplyDefinitions(ctx context.Context, who access.Principal, docs []manifest.Record, prune, dryRun bool) ([]manifest.Outcome, error) {
	var out []manifest.Outcome
	for _, d := range docs {
		out = append(out, manifest.Outcome{Kind: d.Kind, Name: d.Name, Action: "create"})
	}
	_, err := s.keptStore.ApplyDefinitions(ctx, who, docs, prune, dryRun)
	return out, err
}

func TestChannelsAreInTheCatalog(t *testing.T) {
	t.Parallel()
	set, problems := Load([]manifest.File{{Name: "c.yaml", Text: "apiVersion: nines/v1\nkind: Channel\nmetadata: {name: push}\nspec: {ntfy: {server: 'https://ntfy.sh'}}\n"}}, nil,
		func(string) bool { return true })
	if len(problems) > 0 || set.Catalog.Channels()["push"].Way != incidents.ByNtfy {
		t.Errorf("%v %v", problems, set.Catalog.Channels())
	}
}
