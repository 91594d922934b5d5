package engine

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/file" // file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // http_sd_configs
	"gopkg.in/yaml.v3"
)

const (
	selfJob        = "nines-engine"
	controlJob     = "nines-control-plane"
	maxConfigBytes = 4 << 20
)

// Sections of a Prometheus configuration that the built-in engine honours. The others are refused by name: a section
// that is silently ignored is a target nobody scrapes or an alert nobody gets.
var (
	knownSections  = []string{"global", "scrape_configs", "scrape_config_files", "rule_files", "storage"}
	knownDiscovery = []string{"static_configs", "file_sd_configs", "http_sd_configs"}
)

// settings is a configuration as it is applied.
type settings struct {
	prometheus *config.Config
	ruleFiles  []string // patterns of rule_files, absolute
}

// load reads the configuration file over the engine's defaults and adds a job that scrapes the engine itself at addr.
// Trouble with the file is fault.Invalid with a Detail for each problem.
func (c Config) load(addr string) (*settings, error) {
	var text []byte
	if c.ConfigFile != "" {
		var err error
		if text, err = readCapped(c.ConfigFile, maxConfigBytes); err != nil {
			return nil, err
		}
		if err := checkSections(c.ConfigFile, text); err != nil {
			return nil, err
		}
		if _, err := config.Load(string(text), slog.New(slog.DiscardHandler)); err != nil {
			return nil, fault.Wrap(fault.Invalid, nil, "the scrape configuration %s cannot be used: %v", c.ConfigFile, err)
		}
	}
	complete, err := c.complete(text, addr)
	if err != nil {
		return nil, err
	}
	parsed, err := config.Load(string(complete), c.library("config"))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, nil, "the scrape configuration %s cannot be used with the engine's defaults: %v", c.ConfigFile, err)
	}
	if c.ConfigFile != "" {
		parsed.SetDirectory(filepath.Dir(c.ConfigFile))
	}
	if _, err := parsed.GetScrapeConfigs(); err != nil { // reads scrape_config_files
		return nil, fault.Wrap(fault.Invalid, nil, "the scrape configuration cannot be used: %v", err)
	}
	if parsed.StorageConfig.ExemplarsConfig == nil {
		parsed.StorageConfig.ExemplarsConfig = &config.DefaultExemplarsConfig
	}
	return &settings{prometheus: parsed, ruleFiles: parsed.RuleFiles}, nil
}

func readCapped(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s cannot be read", path)
	}
	if info.Size() > most {
		return nil, fault.New(fault.TooLarge, "%s has %d bytes; at most %d are read", path, info.Size(), most)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s cannot be read", path)
	}
	return text, nil
}

// checkSections names every section the engine does not honour, with its line.
func checkSections(path string, text []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fault.New(fault.Invalid, "the scrape configuration %s is not YAML: %v", path, err)
	}
	e := fault.New(fault.Invalid, "the scrape configuration has sections that the built-in engine does not support")
	refuse := func(key *yaml.Node, known []string) {
		e.Details = append(e.Details, fault.Detail{
			Where:   fmt.Sprintf("%s:%d", path, key.Line),
			Message: fmt.Sprintf("%s is not supported; supported are %s", key.Value, strings.Join(known, ", ")),
		})
	}
	for key, value := range pairs(root(&document)) {
		if !slices.Contains(knownSections, key.Value) {
			refuse(key, knownSections)
		}
		if key.Value != "scrape_configs" {
			continue
		}
		for _, job := range value.Content {
			for field := range pairs(job) {
				if strings.HasSuffix(field.Value, "_sd_configs") && !slices.Contains(knownDiscovery, field.Value) {
					refuse(field, knownDiscovery)
				}
			}
		}
	}
	if len(e.Details) > 0 {
		return e
	}
	return nil
}

// complete returns the configuration's text with the engine's defaults and its own job filled in.
func (c Config) complete(text []byte, addr string) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fault.New(fault.Invalid, "the scrape configuration is not YAML: %v", err)
	}
	top := root(&document)
	global := valueOf(top, "global", yaml.MappingNode)
	c.fillGlobal(global)
	jobs := valueOf(top, "scrape_configs", yaml.SequenceNode)
	for _, job := range jobs.Content {
		fillJob(job)
	}
	if !hasJob(jobs, selfJob) {
		var own yaml.Node
		if err := own.Encode(c.ownJob(addr)); err != nil {
			return nil, fmt.Errorf("describe the engine's own job: %w", err)
		}
		jobs.Content = append(jobs.Content, &own)
	}
	if c.ControlPlane != "" && !hasJob(jobs, controlJob) && !hasTarget(jobs, c.ControlPlane) {
		var control yaml.Node
		if err := control.Encode(c.controlJob()); err != nil {
			return nil, fmt.Errorf("describe the control plane's job: %w", err)
		}
		jobs.Content = append(jobs.Content, &control)
	}
	return yaml.Marshal(top)
}

// fillGlobal sets what the file leaves open. Protobuf comes first because native histograms travel no other way.
func (c Config) fillGlobal(global *yaml.Node) {
	set := func(key string, value any) {
		for present := range pairs(global) {
			if present.Value == key {
				return
			}
		}
		var k, v yaml.Node
		_ = k.Encode(key) // plain values; encoding cannot fail
		_ = v.Encode(value)
		global.Content = append(global.Content, &k, &v)
	}
	interval := c.ScrapeInterval
	for key, value := range pairs(global) {
		if key.Value == "scrape_interval" {
			if d, err := model.ParseDuration(value.Value); err == nil {
				interval = time.Duration(d)
			}
		}
	}
	set("scrape_interval", model.Duration(interval).String())
	if c.ScrapeTimeout > 0 && c.ScrapeTimeout <= interval {
		set("scrape_timeout", model.Duration(c.ScrapeTimeout).String())
	}
	set("evaluation_interval", model.Duration(c.EvalInterval).String())
	set("scrape_protocols", []config.ScrapeProtocol{config.PrometheusProto, config.OpenMetricsText1_0_0,
		config.OpenMetricsText0_0_1, config.PrometheusText1_0_0, config.PrometheusText0_0_4})
}

// fillJob keeps the classic buckets of a histogram that has native ones too, unless the job says otherwise: a promise
// about latency counts the bucket at its threshold, and would be without data.
func fillJob(job *yaml.Node) {
	const key = "always_scrape_classic_histograms"
	if job.Kind != yaml.MappingNode {
		return // refused when the configuration is read
	}
	for present := range pairs(job) {
		if present.Value == key {
			return
		}
	}
	job.Content = append(job.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Value: "true", Tag: "!!bool"})
}

func (c Config) ownJob(addr string) map[string]any {
	job := map[string]any{
		"job_name":       selfJob,
		"static_configs": []map[string]any{{"targets": []string{addr}}},
	}
	if c.Token != "" {
		job["authorization"] = map[string]string{"type": "Bearer", "credentials": c.Token}
	}
	return job
}

// controlJob scrapes the control plane, whose metrics say among others which promises are in maintenance: the rules must
// know within seconds, whatever the interval of everything else. The text formats carry every bucket of a histogram.
func (c Config) controlJob() map[string]any {
	interval := min(5*time.Second, c.ScrapeInterval)
	return map[string]any{
		"job_name": controlJob, "scrape_interval": model.Duration(interval).String(), "scrape_timeout": model.Duration(min(interval, 2*time.Second)).String(),
		"scrape_protocols": []config.ScrapeProtocol{config.OpenMetricsText1_0_0, config.OpenMetricsText0_0_1, config.PrometheusText0_0_4},
		"static_configs":   []map[string]any{{"targets": []string{c.ControlPlane}}},
	}
}

// hasTarget reports whether a static configuration names the address.
func hasTarget(jobs *yaml.Node, address string) bool {
	for _, job := range jobs.Content {
		for key, groups := range pairs(job) {
			if key.Value != "static_configs" {
				continue
			}
			for _, group := range groups.Content {
				for field, targets := range pairs(group) {
					if field.Value == "targets" && slices.ContainsFunc(targets.Content, func(t *yaml.Node) bool { return t.Value == address }) {
						return true
					}
				}
			}
		}
	}
	return false
}

func hasJob(jobs *yaml.Node, name string) bool {
	for _, job := range jobs.Content {
		for key, value := range pairs(job) {
			if key.Value == "job_name" && value.Value == name {
				return true
			}
		}
	}
	return false
}
