package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/slo"
)

// noDataRunbook is the shipped runbook for a promise whose targets are lost.
const noDataRunbook = "slo-no-data"

// ownAlerts is the rule file of the alerts about Nines itself.
const ownAlerts = "nines.yaml"

// writeRules makes the engine's rule folder hold exactly the rules of the definitions in force: a file an SLO, so that
// one that the engine refuses never stops another, and one of our own alerts. It reports what could not be generated
// after having written the rest. It is idempotent.
func (p *plane) writeRules() error {
	dir := p.config.enginePath("rules")
	wanted := map[string][]byte{ownAlerts: runbooks.Alerts(p.runbookURL)}
	var failed []error
	for _, v := range p.definitions.Catalog().SLOs() {
		if v.SLO.Of != "" {
			continue // its rules stand with those of the SLO whose increments it shares
		}
		text, err := p.rulesOf(v.SLO)
		if err != nil {
			failed = append(failed, fmt.Errorf("rules of %s: %w", v.SLO.ID, err))
			continue
		}
		wanted["slo-"+v.SLO.ID+".yaml"] = text
	}
	present, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range present {
		if _, keep := wanted[f.Name()]; !keep && strings.HasSuffix(f.Name(), ".yaml") {
			failed = append(failed, os.Remove(filepath.Join(dir, f.Name())))
		}
	}
	for name, text := range wanted {
		failed = append(failed, writeIfChanged(filepath.Join(dir, name), text))
	}
	return errors.Join(failed...)
}

func (p *plane) rulesOf(s slo.SLO) ([]byte, error) {
	var text bytes.Buffer
	err := slo.WriteRules(&text, []slo.SLO{s}, slo.RuleOptions{
		RunbookURL: func(s slo.SLO) string { return p.runbookURL(p.definitions.Catalog().Runbook(s.ID)) }, NoDataURL: p.runbookURL(noDataRunbook),
	})
	return text.Bytes(), err
}

// runbookURL is where a runbook that ships can be read; anything that is a URL already stays.
func (p *plane) runbookURL(name string) string {
	if name == "" || strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		return name
	}
	return p.config.PublicURL() + "/runbooks/" + name
}

// writeIfChanged replaces the file as a whole, so that a reader sees the old text or the new one.
func writeIfChanged(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("write rules: %w", err)
	}
	return os.Rename(tmp, path)
}

// loadRules puts the rules of the definitions in force to work. Where the engine is not ours the operator loads the
// files that `nines slo generate` writes.
func (p *plane) loadRules(ctx context.Context) error {
	if p.engineChild == nil {
		return nil
	}
	if err := p.writeRules(); err != nil {
		return err
	}
	if p.engineStarting() {
		return nil // it reads them when it starts, and once more when it is ready
	}
	return p.engine.Reload(ctx)
}
