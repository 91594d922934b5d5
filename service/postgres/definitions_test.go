package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

func doc(kind, name, text string) manifest.Record {
	return manifest.Record{Kind: kind, Name: name, Text: text}
}

func summary(outcomes []manifest.Outcome) string {
	var parts []string
	for _, o := range outcomes {
		parts = append(parts, fmt.Sprintf("%s %s/%s %d", o.Action, o.Kind, o.Name, o.Version))
	}
	return strings.Join(parts, ", ")
}

func TestApplyingIsIdempotentAndKeepsEveryVersion(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	shop, pay, desk := doc("Service", "shop", "owner: a\n"), doc("Service", "pay", "owner: b\n"), doc("SLO", "desk", "x: 1\n")
	shop2 := doc("Service", "shop", "owner: z\n")
	for _, step := range []struct {
		name          string
		docs          []manifest.Record
		prune, dryRun bool
		want          string
	}{
		{"nothing to nothing", nil, true, false, ""},
		{"a dry run says what would come", []manifest.Record{shop, pay}, false, true, "create Service/shop 1, create Service/pay 1"},
		{"the first time", []manifest.Record{shop, pay}, false, false, "create Service/shop 1, create Service/pay 1"},
		{"the same again", []manifest.Record{shop, pay}, false, false, "unchanged Service/shop 1, unchanged Service/pay 1"},
		{"one changed, one new, one not named", []manifest.Record{shop2, desk}, false, false, "update Service/shop 2, create SLO/desk 1"},
		{"a dry run with prune", []manifest.Record{shop2}, true, true, "unchanged Service/shop 2, delete SLO/desk 2, delete Service/pay 2"},
		{"prune", []manifest.Record{shop2}, true, false, "unchanged Service/shop 2, delete SLO/desk 2, delete Service/pay 2"},
		{"prune again", []manifest.Record{shop2}, true, false, "unchanged Service/shop 2"},
		{"back again", []manifest.Record{pay}, false, false, "create Service/pay 3"},
		{"back to an earlier text", []manifest.Record{shop}, false, false, "update Service/shop 3"},
	} {
		outcomes, err := db.ApplyDefinitions(ctx, operator, step.docs, step.prune, step.dryRun)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := summary(outcomes)
		if got != step.want && sorted(got) != sorted(step.want) {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	inForce := must(db.Definitions(ctx))(t)
	if len(inForce) != 2 || inForce[0].Name != "pay" || inForce[1].Text != shop.Text || inForce[1].Version != 3 {
		t.Errorf("in force: %+v", inForce)
	}
	versions := must(db.DefinitionVersions(ctx, "Service", "pay"))(t)
	if len(versions) != 3 || !versions[1].Deleted || versions[0].AppliedBy != operator.ID || versions[2].Version != 1 {
		t.Errorf("versions: %+v", versions)
	}
	if _, err := db.DefinitionVersions(ctx, "Service", "nowhere"); !fault.Is(err, fault.NotFound) {
		t.Errorf("versions of nothing: %v", err)
	}
	if n := value[int](t, conn, "select count(*)::int from audit where action = 'definitions.apply'"); n != 5 {
		t.Errorf("%d audit records, want 5: one for each that changed something", n)
	}
}

func sorted(s string) string {
	parts := strings.Split(s, ", ")
	for i := range parts {
		for j := i + 1; j < len(parts); j++ {
			if parts[j] < parts[i] {
				parts[i], parts[j] = parts[j], parts[i]
			}
		}
	}
	return strings.Join(parts, ", ")
}

func TestADryRunShowsTheDifference(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	must(db.ApplyDefinitions(ctx, operator, one(doc("Service", "shop", "a\nb\n")), false, false))(t)
	outcomes := must(db.ApplyDefinitions(ctx, operator, one(doc("Service", "shop", "a\nc\n")), false, true))(t)
	if want := "--- Service/shop (applied)\n+++ Service/shop\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"; outcomes[0].Diff != want {
		t.Errorf("got:\n%s\nwant:\n%s", outcomes[0].Diff, want)
	}
	if got := must(db.Definitions(ctx))(t); got[0].Text != "a\nb\n" {
		t.Errorf("the dry run changed it to %q", got[0].Text)
	}
}

func TestABadSetAppliesNothing(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	for name, c := range map[string]struct {
		who  access.Principal
		docs []manifest.Record
		want fault.Kind
	}{
		"defined twice":            {operator, []manifest.Record{doc("Service", "a", "1"), doc("Service", "a", "2")}, fault.Invalid},
		"without a name":           {operator, []manifest.Record{doc("Service", "a", "1"), doc("Service", "", "2")}, fault.Invalid},
		"a text with a NUL":        {operator, []manifest.Record{doc("Service", "a", "1"), doc("Service", "b", "\x00")}, fault.Invalid},
		"a role that may not":      {responder, one(doc("Service", "a", "1")), fault.Forbidden},
		"a tenant's administrator": {acme, one(doc("Service", "a", "1")), fault.Forbidden},
		"nobody":                   {access.Principal{}, one(doc("Service", "a", "1")), fault.Unauthorized},
	} {
		if _, err := db.ApplyDefinitions(ctx, c.who, c.docs, false, false); !fault.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := must(db.Definitions(ctx))(t); len(got) != 0 {
		t.Errorf("applied: %+v", got)
	}
}

func TestTwoWhoApplyAtOnceTakeTurns(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			set := []manifest.Record{doc("Service", "a", fmt.Sprint(n)), doc("Service", "b", fmt.Sprint(n))}
			if _, err := db.ApplyDefinitions(ctx, operator, set, true, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := must(db.Definitions(ctx))(t); len(got) != 2 || got[0].Text != got[1].Text || got[0].Version != 6 {
		t.Errorf("in force is a mixture: %+v", got)
	}
}
