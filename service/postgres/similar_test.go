package postgres_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

func TestPastIncidentsComeWithWhatMendedThem(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx, start := context.Background(), time.Now().Add(-48*time.Hour)
	over := start.Add(time.Hour)
	add := func(tenant, title, service string, resolved *time.Time, labels string) string {
		return value[string](t, conn, addIncidentSQL, tenant, title, service, start, resolved, labels)
	}
	like := add("", "Checkout latency is high", "checkout", &over, `{"alertname":"Latency","region":"eu"}`)
	add("", "Disk is full", "storage", &over, `{"alertname":"DiskFull"}`)
	add("acme", "Checkout latency is high", "checkout", &over, `{"alertname":"Latency","region":"eu"}`)
	add("", "Checkout latency is high", "checkout", nil, `{"alertname":"Latency","region":"eu"}`)
	this := add("", "Checkout latency is high", "checkout", nil, `{"alertname":"Latency","region":"eu"}`)
	for kind, text := range map[string]string{"note": "the cache was cold", "resolved": "warmed the cache"} {
		do(t, conn, `insert into timeline (tenant_id, incident_id, at, kind, actor, name, text) values ('', $1, now(), $2, 'user:ana', 'Ana', $3)`, like, kind, text)
	}
	got := must(db.Similar(ctx, access.Operator(), this))(t)
	if len(got) != 1 || got[0].Incident.ID != like || got[0].Reason != "warmed the cache" || !slices.Equal(got[0].Notes, []string{"the cache was cold"}) {
		t.Errorf("got %+v", got)
	}
	if len(got) == 1 && !slices.Equal(got[0].Shared, []string{"alertname=Latency", "region=eu", "service=checkout"}) {
		t.Errorf("shared %q", got[0].Shared)
	}
}

func TestPastIncidentsOfOtherServicesAreFoundByAnyWordOfTheTitle(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx, start := context.Background(), time.Now().Add(-48*time.Hour)
	over := start.Add(time.Hour)
	add := func(tenant, title, service string, resolved *time.Time) string {
		return value[string](t, conn, addIncidentSQL, tenant, title, service, start, resolved, `{"alertname":"PoolEmpty"}`)
	}
	like := add("acme", "Zorrodb's pool is empty", "payments", &over)
	add("acme", "Zorrodb pool", "payments", nil)
	add("globex", "Zorrodb pool", "payments", &over)
	this := add("acme", "the pool of 'zorrodb'", "checkout", nil)
	signs := value[string](t, conn, addIncidentSQL, "acme", "' & | !", "elsewhere", start, nil, `{}`)
	for name, scope := range map[string]access.Scope{"the operator": access.Operator(), "the tenant": access.Tenant("acme")} {
		got := must(db.Similar(ctx, scope, this))(t)
		if len(got) != 1 || got[0].Incident.ID != like || got[0].Words <= 0 {
			t.Errorf("%s finds %+v", name, got)
		}
		if got, err := db.Similar(ctx, scope, signs); err != nil || len(got) != 0 {
			t.Errorf("%s finds %+v for a title without words, %v", name, got, err)
		}
	}
	if got, err := db.Similar(ctx, access.Tenant("globex"), this); err == nil {
		t.Errorf("another tenant finds %+v", got)
	}
}

func TestPastIncidentsOfOtherServicesAndWordsAreFoundByTheirAlert(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	start := time.Now().Add(-48 * time.Hour)
	over := start.Add(time.Hour)
	like := value[string](t, conn, addIncidentSQL, "", "Poolito is empty", "payments", start, &over, `{"alertname":"PoolEmpty","region":"eu"}`)
	this := value[string](t, conn, addIncidentSQL, "", "Zorrodb waits", "checkout", start, nil, `{"alertname":"PoolEmpty","region":"eu"}`)
	got := must(db.Similar(context.Background(), access.Operator(), this))(t)
	if len(got) != 1 || got[0].Incident.ID != like {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsSimilarIsFoundWithoutReadingAllIncidents(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	do(t, conn, fillSQL, 30_000, true)
	this := value[string](t, conn, addIncidentSQL, "", "Trouble of service", "s7", time.Now(), nil, `{"alertname":"A7"}`)
	do(t, conn, "vacuum analyze incidents, incident_terms")
	plan := must(db.ExplainSimilar(context.Background(), access.Operator(), this))(t)
	for _, line := range plan {
		if strings.Contains(line, "Seq Scan") {
			t.Errorf("all is read:\n%s", strings.Join(plan, "\n"))
			break
		}
	}
	if found := must(db.Similar(context.Background(), access.Operator(), this))(t); len(found) == 0 {
		t.Error("nothing is similar")
	}
}

func TestASearchOfOneServiceSortsNothing(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	do(t, conn, fillSQL, 30_000, true)
	do(t, conn, "vacuum analyze incidents")
	plan := must(db.ExplainSearch(context.Background(), access.Operator(), incidents.Search{Services: []string{"s7"}, Limit: 5}))(t)
	for _, line := range plan {
		if strings.Contains(line, "Sort") || strings.Contains(line, "Seq Scan") {
			t.Errorf("too much is read:\n%s", strings.Join(plan, "\n"))
			break
		}
	}
}

func TestASearchFindsByWordsAndFiltersPageByPage(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx, start := context.Background(), time.Now().Add(-48*time.Hour)
	over := start.Add(time.Hour)
	first := value[string](t, conn, addIncidentSQL, "", "Checkout ist langsam", "checkout", start, &over, `{"region":"eu"}`)
	value[string](t, conn, addIncidentSQL, "acme", "Checkout latency", "checkout", start, nil, `{}`)
	value[string](t, conn, addIncidentSQL, "", "Disk is full", "storage", start.Add(24*time.Hour), nil, `{}`)
	do(t, conn, `insert into timeline (tenant_id, incident_id, at, kind, actor, name, text) values ('', $1, now(), 'note', 'user:ana', 'Ana', 'the zorro cache')`, first)
	for name, c := range map[string]struct {
		scope access.Scope
		asked incidents.Search
		want  int
	}{
		"all":                     {access.Operator(), incidents.Search{}, 3},
		"a word of titles":        {access.Operator(), incidents.Search{Query: "CHECKOUT"}, 2},
		"two words":               {access.Operator(), incidents.Search{Query: "checkout langsam"}, 1},
		"a label":                 {access.Operator(), incidents.Search{Query: "eu"}, 1},
		"a word of a note":        {access.Operator(), incidents.Search{Query: "zorro"}, 1},
		"a word left out":         {access.Operator(), incidents.Search{Query: "checkout -latency"}, 1},
		"open ones":               {access.Operator(), incidents.Search{States: []incidents.State{incidents.Triggered}}, 2},
		"a service":               {access.Operator(), incidents.Search{Services: []string{"storage"}}, 1},
		"a tenant":                {access.Operator(), incidents.Search{Tenant: "acme"}, 1},
		"a period":                {access.Operator(), incidents.Search{From: start.Add(time.Hour)}, 1},
		"a severity":              {access.Operator(), incidents.Search{Severities: []incidents.Severity{incidents.Info}}, 0},
		"a tenant's own":          {access.Tenant("acme"), incidents.Search{Query: "checkout"}, 1},
		"no notes for tenants":    {access.Tenant("acme"), incidents.Search{Query: "zorro"}, 0},
		"signs that mean nothing": {access.Operator(), incidents.Search{Query: "' & | ! ("}, 0},
	} {
		got, err := db.SearchIncidents(ctx, c.scope, c.asked)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d found, want %d; %v", name, len(got), c.want, err)
		}
	}
	page := must(db.SearchIncidents(ctx, access.Operator(), incidents.Search{Limit: 2}))(t)
	next := must(db.SearchIncidents(ctx, access.Operator(), incidents.Search{Limit: 2, Before: page[1].Number}))(t)
	if len(next) != 1 || next[0].ID != first {
		t.Errorf("the second page is %+v", next)
	}
}

func TestChangesNearAStartAreRankedForTheOperatorAlone(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	for _, service := range []string{"search", "shop"} {
		c := asked("r1")
		c.Service = service
		must(db.RecordChange(ctx, responder, c, verdict("allow"), ""))(t)
	}
	id := value[string](t, conn, addIncidentSQL, "", "Trouble", "shop", time.Now().Add(time.Minute), nil, `{}`)
	got := must(db.Suspects(ctx, access.Operator(), id))(t)
	if len(got) != 2 || got[0].Service != "shop" || got[0].Score <= got[1].Score {
		t.Errorf("got %+v", got)
	}
}
