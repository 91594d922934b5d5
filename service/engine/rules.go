package engine

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

const (
	// resendDelay is how often a firing alert is sent again; a receiver that lost its memory learns of it this soon.
	resendDelay = 15 * time.Second
	// outageTolerance is how old an alert's `for` state may be and still be taken up again after a restart.
	outageTolerance = time.Hour
	// forGracePeriod is what is left to wait at least of a restored `for`.
	forGracePeriod = 10 * time.Second

	ruleTimeout    = 2 * time.Minute
	ruleMaxSamples = 50_000_000
	maxRuleBytes   = 4 << 20
)

// ruleBook is the rules in force. A file that cannot be used keeps its last good rules and never stops another file.
type ruleBook struct {
	config  Config
	log     *slog.Logger
	store   *store
	query   rules.QueryFunc
	metrics *metrics
	manager *rules.Manager
	cancel  context.CancelFunc
	done    chan struct{}
	began   bool

	mu       sync.Mutex
	good     map[string][]byte    // file id -> the last text that could be used
	complete map[string]time.Time // group key -> time of the last evaluation that left nothing out
}

func newRuleBook(c Config, s *store, out *sender, m *metrics) (*ruleBook, error) {
	external, err := url.Parse(c.ExternalURL)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the engine's external URL is not a URL")
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &ruleBook{config: c, log: c.library("rules"), store: s, metrics: m, cancel: cancel, done: make(chan struct{}),
		good: map[string][]byte{}, complete: map[string]time.Time{}}
	// Rules have an engine of their own, so that no number of slow queries keeps them waiting for a turn.
	b.query = rules.EngineQueryFunc(newPromQL(m.registry, "rules", ruleTimeout, ruleMaxSamples, nil, b.log), s)
	b.manager = rules.NewManager(&rules.ManagerOptions{
		ExternalURL: external, QueryFunc: b.query, NotifyFunc: out.notify, Context: ctx,
		Appendable: s, Queryable: s, Logger: b.log, Registerer: m.registry,
		OutageTolerance: outageTolerance, ForGracePeriod: forGracePeriod, ResendDelay: resendDelay,
		GroupLoader: b, RestoreNewRuleGroups: true,
	})
	return b, nil
}

func newPromQL(registry prometheus.Registerer, purpose string, timeout time.Duration, samples int, queue promql.QueryTracker, log *slog.Logger) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: log, Reg: prometheus.WrapRegistererWith(prometheus.Labels{"purpose": purpose}, registry),
		MaxSamples: samples, Timeout: timeout, ActiveQueryTracker: queue,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, EnablePerStepStats: true,
	})
}

// start lets the loaded groups run.
func (b *ruleBook) start() {
	b.began = true
	go func() {
		defer close(b.done)
		b.manager.Run()
	}()
}

func (b *ruleBook) stop() {
	if b.began {
		b.manager.Stop()
		<-b.done
	}
	b.cancel()
}

// update makes the rule folder's files and the patterns' the rules in force. A file's identity is its path inside the
// rule folder: it decides at which second a group is evaluated, which must survive a move of the data.
//
// Files that cannot be used are reported together as fault.Invalid, after everything else is in force.
func (b *ruleBook) update(c *config.Config, patterns []string) error {
	paths, err := b.files(patterns)
	if err != nil {
		return err
	}
	problems := fault.New(fault.Invalid, "some rule files cannot be used; their last good rules stay in force")
	b.mu.Lock()
	for id, path := range paths {
		text, errs := readRules(path)
		if len(errs) == 0 {
			b.good[id] = text
		}
		for _, e := range errs {
			problems.Details = append(problems.Details, fault.Detail{Where: id, Message: e.Error()})
		}
	}
	maps.DeleteFunc(b.good, func(id string, _ []byte) bool { return paths[id] == "" })
	ids := slices.Sorted(maps.Keys(b.good))
	b.mu.Unlock()
	b.metrics.badRuleFiles.Set(float64(len(paths) - len(ids) + stale(problems.Details, ids)))
	g := c.GlobalConfig
	if err := b.manager.Update(time.Duration(g.EvaluationInterval), ids, g.ExternalLabels, b.config.ExternalURL, b.evaluate); err != nil {
		return fault.Wrap(fault.Invalid, err, "the rules cannot be loaded; the former ones stay in force")
	}
	b.forgetGroups()
	if len(problems.Details) > 0 {
		slices.SortFunc(problems.Details, func(x, y fault.Detail) int { return compareDetails(x, y) })
		b.log.Error("rule files cannot be used", "error", problems)
		return problems
	}
	return nil
}

// Load gives the rule manager a file's groups, from the last text that could be used.
func (b *ruleBook) Load(id string, _ bool) (*rulefmt.RuleGroups, []error) {
	b.mu.Lock()
	text := b.good[id]
	b.mu.Unlock()
	return rulefmt.Parse(text, false)
}

// Parse gives the rule manager a rule's expression.
func (b *ruleBook) Parse(query string) (parser.Expr, error) { return parser.ParseExpr(query) }

// files returns the path of each rule file by its identity.
func (b *ruleBook) files(patterns []string) (map[string]string, error) {
	out := map[string]string{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the rule file pattern %q", pattern)
		}
		for _, path := range found {
			out[path] = path
		}
	}
	if b.config.RuleDir == "" {
		return out, nil
	}
	entries, err := os.ReadDir(b.config.RuleDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.Unavailable, err, "read the rule folder %s", b.config.RuleDir)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			out[e.Name()] = filepath.Join(b.config.RuleDir, e.Name())
		}
	}
	return out, nil
}

// readRules returns the file's text, or everything that is wrong with it.
func readRules(path string) ([]byte, []error) {
	text, err := readCapped(path, maxRuleBytes)
	if err != nil {
		return nil, []error{err}
	}
	_, errs := rulefmt.Parse(text, false)
	return text, errs
}

// stale counts the files with problems whose former rules are in force.
func stale(details []fault.Detail, inForce []string) int {
	bad := map[string]bool{}
	for _, d := range details {
		if _, found := slices.BinarySearch(inForce, d.Where); found {
			bad[d.Where] = true
		}
	}
	return len(bad)
}

func compareDetails(x, y fault.Detail) int {
	return slices.Compare([]string{x.Where, x.Message}, []string{y.Where, y.Message})
}

// RuleGroups and AlertingRules answer the HTTP API.
func (b *ruleBook) RuleGroups() []*rules.Group           { return b.manager.RuleGroups() }
func (b *ruleBook) AlertingRules() []*rules.AlertingRule { return b.manager.AlertingRules() }
