package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/service/postgres"
	"pgregory.net/rapid"
)

// promises are what must hold of a service once alerts were judged again, each as a question that counts what breaks it.
var promises = map[string]string{
	"an alert that may page has an open incident": `
select count(*) from alerts a left join incidents i on i.id = a.incident_id
where a.labels->>'service' = $1 and a.open and a.verdict is null and (i.id is null or i.state = 'resolved')`,
	"a silenced alert is suppressed, and no other": `
select count(*) from alerts a
where a.labels->>'service' = $1 and a.open and (a.verdict is not null) <> exists (
    select from silences s where s.starts_at <= clock_timestamp() and s.ends_at > clock_timestamp()
        and s.matchers->0->>'value' = a.labels->>'service' and coalesce(s.matchers->1->>'value', a.labels->>'pod') = a.labels->>'pod')`,
	"an incident is held while it has alerts and none may page": `
select count(*) from incidents i, lateral (
    select count(*) as firing, count(*) filter (where verdict is null) as loud from alerts a where a.open and a.incident_id = i.id) as v
where i.service = $1 and i.state <> 'resolved' and v.firing > 0 and (i.held <> '') <> (v.loud = 0)`,
	"an incident without alerts is about to be resolved": `
select count(*) from incidents i
where i.service = $1 and i.state <> 'resolved' and (i.resolve_at is null) = not exists (select from alerts a where a.open and a.incident_id = i.id)`,
	"an alert's history agrees with it": `
select count(*) from alerts a, lateral (
    select (array_agg(kind order by id desc) filter (where kind in ('fired', 'ended')))[1] as life,
        (array_agg(kind order by id desc) filter (where kind in ('fired', 'suppressed', 'released')))[1] as verdict
    from alert_events e where e.alert_id = a.id) as h
where a.labels->>'service' = $1 and ((h.life = 'ended') = a.open or a.open and (h.verdict = 'suppressed') <> (a.verdict is not null))`,
}

func TestWhateverIsToldAndSilencedThePromisesHold(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	services := 0
	rapid.Check(t, func(r *rapid.T) {
		services++
		service := fmt.Sprint("service", services)
		world := silencing{db: db, conn: conn, service: service}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			world.step(t, r)
			rejudge(t, db, routing)
			for promise, sql := range promises {
				if n := value[int64](t, conn, sql, service); n != 0 {
					r.Fatalf("%s: %d times not", promise, n)
				}
			}
		}
		for _, id := range world.silences {
			expire(t, db, id)
		}
	})
}

// silencing is a service of which pods fail and are silenced.
type silencing struct {
	db       *postgres.DB
	conn     *pgx.Conn
	service  string
	silences []string // ids
}

func (w *silencing) step(t *testing.T, r *rapid.T) {
	pods := rapid.SampledFrom([]string{"1", "2", "3"})
	switch rapid.SampledFrom([]string{"tell", "tell", "tell", "silence", "expire", "calm"}).Draw(r, "what") {
	case "tell":
		var told []alerting.Alert
		for _, pod := range rapid.SliceOfNDistinct(pods, 1, 3, rapid.ID[string]).Draw(r, "pods") {
			a := alert("Down", "critical", "service", w.service, "pod", pod)
			if rapid.Bool().Draw(r, "ended") {
				a = ended(a)
			}
			told = append(told, a)
		}
		receive(t, w.db, told...)
	case "silence":
		s := silence(w.service)
		if rapid.Bool().Draw(r, "one pod") {
			s.Matchers = append(s.Matchers, is("pod", pods.Draw(r, "pod")))
		}
		s = put(t, w.db, s)
		w.silences = append(w.silences, s.ID)
	case "expire":
		if len(w.silences) > 0 {
			expire(t, w.db, w.silences[0])
			w.silences = w.silences[1:]
		}
	case "calm":
		calm(t, w.db, w.conn)
	}
}

func TestThePromisesHoldAfterReplicasHaveRaced(t *testing.T) {
	t.Parallel()
	url := server.Database(t)
	dbs, conn := []*postgres.DB{openURL(t, url), openURL(t, url)}, superuser(t, url)
	var racing sync.WaitGroup
	for n := range 6 {
		racing.Go(func() {
			db, chance := dbs[n%2], rand.New(rand.NewPCG(uint64(n), 1))
			for range 25 {
				switch n {
				case 0:
					s := silence("shop")
					if chance.IntN(2) == 0 {
						s.Matchers = append(s.Matchers, is("pod", fmt.Sprint(chance.IntN(4))))
					}
					s = put(t, db, s)
					rejudge(t, db, routing)
					expire(t, db, s.ID)
				case 1:
					rejudge(t, db, routing)
				default:
					a := alert("Down", "critical", "service", "shop", "pod", fmt.Sprint(chance.IntN(4)))
					if chance.IntN(3) == 0 {
						a = ended(a)
					}
					receive(t, db, a)
				}
			}
		})
	}
	racing.Wait()
	half := silence("shop")
	half.Matchers = append(half.Matchers, is("pod", "1"))
	put(t, dbs[0], half)
	rejudge(t, dbs[0], routing)
	for promise, sql := range promises {
		if n := value[int64](t, conn, sql, "shop"); n != 0 {
			t.Errorf("%s: %d times not", promise, n)
		}
	}
}
