package proof

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

var epoch = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// world is a service as it is: who runs when, what is asked of it and what of that fails. Times are seconds since epoch.
type world struct {
	name   string
	days   float64
	scrape int                        // seconds between scrapes; 30 unless set
	rate   func(sec int) float64      // requests a second, over all pods
	errors func(sec int) float64      // share of them that fail
	pods   []life                     // one pod that lives on unless set
	lazy   bool                       // the error series begins with the first error of a process
	failed func(sec int, r dice) bool // a scrape of the pod fails
	float  float64                    // weight of one event, for counters that grow by fractions; 1 unless set
	tenant func(sec int, r dice) string
	pushed bool // no up and no process_start_time_seconds

	jitter    int                              // milliseconds that a scrape's timestamp varies by
	clock     int                              // seconds that the processes' clocks are ahead of the engine's
	ageless   bool                             // no process_start_time_seconds
	instances func(pod string, sec int) string // the instance label of a pod; its name unless set
	expire    int                              // seconds without an event after which a process forgets a series; 0 is never
	away      func(sec int) bool               // service discovery has lost the targets, which go on working
	latency   bool                             // what fails is only slow: the series are a histogram with a bound at 0.25 s
}

type dice = *rand.Rand

// life is one process: pods that crash have several under one name.
type life struct {
	pod      string
	from, to int
}

// simulated is what a world left behind.
type simulated struct {
	truth slo.Counts // every event there was
	lost  slo.Counts // those of them that a process took with it, unscraped: nobody can know of them
	db    *tsdb.DB
	end   time.Time
}

// process is a running life with its counters.
type process struct {
	life
	counters map[string]float64 // by series text
	sets     map[string]labels.Labels
	refs     map[string]storage.SeriesRef
	offset   int
	instance string
	seen     map[string]float64 // counters at the last scrape that succeeded
	touched  map[string]int     // when each counter last grew
	stored   bool               // its series stand in the engine, not ended
	before   *process           // that crashed, until the first scrape
}

func (w world) simulate(tb testing.TB, seed uint64) simulated {
	tb.Helper()
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = int64(200 * 24 * time.Hour / time.Millisecond)
	opts.MinBlockDuration, opts.MaxBlockDuration = opts.RetentionDuration, opts.RetentionDuration
	db, err := tsdb.Open(tb.TempDir(), slog.New(slog.DiscardHandler), nil, opts, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	s := &simulation{world: w, tb: tb, db: db, r: r, every: max(1, w.scrape), crashed: map[string]*process{}}
	if w.scrape == 0 {
		s.every = 30
	}
	if len(w.pods) == 0 {
		s.pods = []life{{"a", -3600, math.MaxInt}}
	}
	s.app = db.Appender(context.Background())
	end := int(w.days * 86400)
	s.end = end
	for sec := range end {
		s.second(sec)
	}
	s.commit()
	// As a block: the head keeps a month's chunks of a series in a list and would walk it for each.
	if err := db.CompactHead(tsdb.NewRangeHead(db.Head(), db.Head().MinTime(), db.Head().MaxTime())); err != nil {
		tb.Fatal(err)
	}
	return simulated{truth: s.truth, lost: s.lost, db: db, end: epoch.Add(time.Duration(end) * time.Second)}
}

type simulation struct {
	world
	tb      testing.TB
	db      *tsdb.DB
	app     storage.Appender
	r       dice
	every   int
	end     int
	truth   slo.Counts
	lost    slo.Counts
	running []*process
	crashed map[string]*process
}

func (s *simulation) second(sec int) {
	s.livesAndDeaths(sec)
	if len(s.running) > 0 {
		for range poisson(s.r, s.rate(sec)) {
			s.request(s.running[s.r.IntN(len(s.running))], sec)
		}
	}
	for _, p := range s.running {
		if sec%s.every == p.offset {
			s.scrapeOf(p, sec)
		}
	}
	if sec%3600 == 3599 {
		s.commit()
	}
}

func (s *simulation) livesAndDeaths(sec int) {
	kept := s.running[:0]
	for _, p := range s.running {
		if sec < p.to {
			kept = append(kept, p)
			continue
		}
		s.lose(p)
		if s.succeeded(p, sec) { // a crash under the same name goes on with those series that are made again
			s.crashed[p.pod] = p
		} else {
			s.vanish(p, sec)
		}
	}
	s.running = kept
	for _, l := range s.pods {
		if l.from == sec || sec == 0 && l.from < 0 && l.to > 0 {
			s.start(l)
		}
	}
}

func (s *simulation) succeeded(p *process, sec int) bool {
	for _, l := range s.pods {
		if l.pod == p.pod && l.from >= sec && l.from < sec+s.every {
			return true
		}
	}
	return false
}

func (s *simulation) start(l life) {
	h := fnv.New32()
	h.Write([]byte(l.pod))
	p := &process{life: l, counters: map[string]float64{}, seen: map[string]float64{}, touched: map[string]int{}, offset: int(h.Sum32()) % s.every}
	p.forget()
	if p.offset < 0 {
		p.offset += s.every
	}
	if s.tenant == nil {
		p.counters["200|x"] = 0
		if !s.lazy {
			p.counters["500|x"] = 0
		}
	}
	if l.from < 0 { // it has counted before anybody watched
		for series := range p.counters {
			p.counters[series] = 12345
		}
		maps.Copy(p.seen, p.counters)
	}
	p.before = s.crashed[l.pod]
	delete(s.crashed, l.pod)
	s.running = append(s.running, p)
}

func (s *simulation) request(p *process, sec int) {
	tenant := "x"
	if s.tenant != nil {
		tenant = s.tenant(sec, s.r)
	}
	weight := s.float
	if weight == 0 {
		weight = 1
	}
	// In the first and last two minutes nothing fails: what nobody has scraped yet, nobody can know.
	bad := sec > 120 && sec < s.end-120 && s.r.Float64() < s.errors(sec)
	if !bad {
		s.truth.Good += weight
	}
	s.truth.Total += weight
	var series string
	switch {
	case tenant == "x" && bad:
		series = "500|x"
	case tenant == "x":
		series = "200|x"
	case bad:
		series = "500|" + tenant
	default:
		series = "200|" + tenant
	}
	p.counters[series] += weight
	if s.expire > 0 {
		p.touched[series] = sec
	}
}

// lose counts what a process takes with it: what it has counted since its last scrape.
func (s *simulation) lose(p *process) {
	for series, v := range p.counters {
		s.lost.Total += v - p.seen[series]
		if series[0] == '2' {
			s.lost.Good += v - p.seen[series]
		}
	}
}

// forget begins the target's series anew, under another instance.
func (p *process) forget() {
	p.sets, p.refs = map[string]labels.Labels{}, map[string]storage.SeriesRef{}
}

// expired ends the series that nothing has been counted in for long, as exporters with a time to live do.
func (s *simulation) expired(p *process, sec int, at int64) {
	for series := range p.counters {
		if last, ever := p.touched[series]; ever && sec-last > s.expire && p.counters[series] == p.seen[series] {
			if set, ok := p.sets[series]; ok && p.stored {
				s.append(p, series, set, at, stale)
			}
			delete(p.counters, series)
			delete(p.seen, series)
			delete(p.touched, series)
			delete(p.sets, series)
		}
	}
}

func (s *simulation) scrapeOf(p *process, sec int) {
	if s.away != nil && s.away(sec) {
		if p.instance != "" {
			s.vanish(p, sec)
			p.instance = ""
		}
		return
	}
	if now := s.instanceOf(p, sec); now != p.instance {
		if p.instance != "" {
			s.vanish(p, sec-1)
		}
		p.forget()
		p.instance = now
	}
	at := epoch.Add(time.Duration(sec) * time.Second).Add(time.Duration(p.offset) * time.Millisecond).UnixMilli()
	if s.jitter > 0 {
		at += int64(s.r.IntN(s.jitter))
	}
	up := labels.FromStrings("__name__", "up", "job", "api", "instance", p.instance)
	if s.failed != nil && s.failed(sec, s.r) {
		if !s.pushed {
			s.append(p, "up", up, at, 0)
		}
		s.endSeriesAt(p, at)
		return
	}
	if !s.pushed {
		s.append(p, "up", up, at, 1)
	}
	if !s.pushed && !s.ageless {
		s.append(p, "start", labels.FromStrings("__name__", "process_start_time_seconds", "job", "api", "instance", p.instance), at, float64(epoch.Unix()+int64(p.from+s.clock)))
	}
	if s.expire > 0 {
		s.expired(p, sec, at)
	}
	for series, v := range p.exposed(s.latency) {
		set, ok := p.sets[series]
		if !ok {
			set = s.labelsOf(p, series)
			p.sets[series] = set
		}
		s.append(p, series, set, at, v)
	}
	maps.Copy(p.seen, p.counters)
	if p.before != nil && p.before.stored {
		for series, set := range p.before.sets {
			if _, again := p.sets[series]; !again {
				s.append(p.before, series, set, at, stale)
			}
		}
	}
	p.before, p.stored = nil, true
}

func (s *simulation) instanceOf(p *process, sec int) string {
	if s.instances == nil {
		return p.pod
	}
	return s.instances(p.pod, sec)
}

// exposed is the counters as the process shows them: as they are, or as a histogram's.
func (p *process) exposed(latency bool) map[string]float64 {
	if !latency {
		return p.counters
	}
	fast, all := p.counters["200|x"], p.counters["200|x"]+p.counters["500|x"]
	return map[string]float64{"le|0.1": math.Floor(fast / 2), "le|0.25": fast, "le|+Inf": all, "count|": all}
}

func (s *simulation) labelsOf(p *process, series string) labels.Labels {
	kind, value, _ := strings.Cut(series, "|")
	switch kind {
	case "le":
		return labels.FromStrings("__name__", "request_seconds_bucket", "job", "api", "instance", p.instance, "le", value)
	case "count":
		return labels.FromStrings("__name__", "request_seconds_count", "job", "api", "instance", p.instance)
	}
	return labels.FromStrings("__name__", "requests_total", "job", "api", "instance", p.instance, "code", kind, "tenant", value)
}

func (s *simulation) append(p *process, key string, set labels.Labels, at int64, v float64) {
	ref, err := s.app.Append(p.refs[key], set, at, v)
	if err != nil {
		s.tb.Fatalf("%s at %d: %v", set, at, err)
	}
	p.refs[key] = ref
}

// vanish ends all series of a target that is there no more.
func (s *simulation) vanish(p *process, sec int) {
	at := epoch.Add(time.Duration(sec) * time.Second).UnixMilli()
	s.endSeriesAt(p, at)
	for key, name := range map[string]string{"up": "up", "start": "process_start_time_seconds"} {
		if p.refs[key] != 0 {
			s.append(p, key, labels.FromStrings("__name__", name, "job", "api", "instance", p.instance), at, stale)
		}
	}
}

var stale = math.Float64frombits(value.StaleNaN)

// endSeriesAt writes the markers by which Prometheus ends the series of a target that failed or went away.
func (s *simulation) endSeriesAt(p *process, at int64) {
	if !p.stored {
		return
	}
	for series, set := range p.sets {
		s.append(p, series, set, at, stale)
	}
	p.stored = false
}

func (s *simulation) commit() {
	if err := s.app.Commit(); err != nil {
		s.tb.Fatal(err)
	}
	s.app = s.db.Appender(context.Background())
}

func poisson(r dice, mu float64) int {
	if mu > 60 {
		return max(0, int(math.Round(mu+math.Sqrt(mu)*r.NormFloat64())))
	}
	limit, n, p := math.Exp(-mu), 0, r.Float64()
	for p > limit {
		p *= r.Float64()
		n++
	}
	return n
}

// every returns lives of so many pods that are replaced by new ones each so many seconds, for so many days.
func every(seconds, pods int, days float64, sameName bool) []life {
	var out []life
	for pod := range pods {
		for n, from := 0, 0; from < int(days*86400)+600; n, from = n+1, from+seconds {
			name := fmt.Sprintf("pod-%d-%d", pod, n)
			if sameName {
				name = fmt.Sprintf("pod-%d", pod)
			}
			out = append(out, life{name, from, from + seconds})
		}
	}
	return out
}
