package postgres_test

import (
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/service/postgres"
)

var (
	benchClosed = flag.Int("closed", 20_000, "closed incidents of BenchmarkSearch")
	benchOpen   = flag.Int("open", 1000, "open incidents of BenchmarkSearch")
)

// samples are enough for a hundredth of them to be more than one.
const samples = 500

// fillSQL makes incidents quickly: $1 of them, resolved or not, of 500 services.
const fillSQL = `
insert into incidents (tenant_id, id, group_key, title, summary, severity, state, service, slo, labels, runbook_url, policy, step, loop,
    started_at, opened_at, acknowledged_by, resolved_at, resolved_by, updated_at, trace)
select '', gen_random_uuid(), gen_random_uuid()::text, 'Trouble ' || md5((n % 10000)::text) || ' of service', 'rare' || (n % 50000), 'critical',
    case when $2 then 'resolved' else 'triggered' end, 's' || (n % 500), '', jsonb_build_object('alertname', 'A' || (n % 100)), '', '{}', 0, 0,
    now() - make_interval(secs => n), now() - make_interval(secs => n), '', case when $2 then now() end, '', now(), ''
from generate_series(1, $1::int) n`

// BenchmarkSearch measures lists, filters and words over many incidents against the same rows by their bare index, without
// row security and without the columns that people see.
func BenchmarkSearch(b *testing.B) {
	db, conn := openBoth(b)
	do(b, conn, fillSQL, *benchClosed, true)
	do(b, conn, fillSQL, *benchOpen, false)
	id := value[string](b, conn, addIncidentSQL, "", "Trouble of service", "s7", time.Now(), nil, `{"alertname":"A7"}`)
	do(b, conn, "vacuum analyze incidents, incident_words, incident_terms")
	b.Run("similar", func(b *testing.B) { benchmarkSimilar(b, db, id) })
	open := []incidents.State{incidents.Triggered, incidents.Acknowledged}
	for name, c := range map[string]struct {
		search incidents.Search
		bare   string
	}{
		"list":   {incidents.Search{States: open}, "select * from incidents where state <> 'resolved' order by number desc limit 50"},
		"filter": {incidents.Search{Services: []string{"s7"}}, "select * from incidents where service = 's7' order by number desc limit 50"},
		"words":  {incidents.Search{Query: "rare777"}, "select * from incidents where number in (select number from incident_words where words @@ 'rare777'::tsquery) order by number desc limit 50"},
	} {
		b.Run(name, func(b *testing.B) {
			var ours, bare []time.Duration
			for b.Loop() {
				for range samples {
					began := time.Now()
					do(b, conn, c.bare)
					bare = append(bare, time.Since(began))
					began = time.Now()
					if _, err := db.SearchIncidents(context.Background(), access.Operator(), c.search); err != nil {
						b.Fatal(err)
					}
					ours = append(ours, time.Since(began))
				}
			}
			a, z := p99(ours), p99(bare)
			b.ReportMetric(a.Seconds()*1000, "p99-ms")
			b.ReportMetric(z.Seconds()*1000, "bare-p99-ms")
			b.ReportMetric(a.Seconds()/z.Seconds(), "x-bare")
			b.Logf("%s: p99 %v, bare %v", name, a, z)
		})
	}
}

// benchmarkSimilar measures how long it takes to find incidents like one of whose title all others have all words. It must
// take no more than 100 ms.
func benchmarkSimilar(b *testing.B, db *postgres.DB, id string) {
	var took []time.Duration
	for b.Loop() {
		for range samples {
			began := time.Now()
			found, err := db.Similar(context.Background(), access.Operator(), id)
			if err != nil || len(found) == 0 {
				b.Fatalf("%d found, %v", len(found), err)
			}
			took = append(took, time.Since(began))
		}
	}
	b.ReportMetric(p99(took).Seconds()*1000, "p99-ms")
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}
