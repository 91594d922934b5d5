package service

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nines-sre/nines/runbooks"
)

// TestEveryComponentHasARunbookAndEveryJobAComponent fails for periodic work that is added without saying what to do when it
// fails.
func TestEveryComponentHasARunbookAndEveryJobAComponent(t *testing.T) {
	t.Parallel()
	of := map[string]string{}
	for _, c := range runbooks.Components() {
		if _, ok := runbooks.Read(c.Runbook); !ok {
			t.Errorf("%s: there is no runbook %q", c.Name, c.Runbook)
		}
		for _, job := range c.Jobs {
			if of[job] != "" || !slices.Contains(periodic, job) {
				t.Errorf("%s: the job %s does not exist, or is of %s too", c.Name, job, of[job])
			}
			of[job] = c.Name
		}
	}
	said, _ := runbooks.Read("job-fails")
	for _, job := range periodic {
		if of[job] == "" {
			t.Errorf("the job %s belongs to no component of runbooks.Components", job)
		}
		if !strings.Contains(said, job) {
			t.Errorf("the runbook job-fails does not say what is not done when %s fails", job)
		}
	}
}

// TestMetricsInRunbooksAndAlertsExist looks for each in the source, where it is registered.
func TestMetricsInRunbooksAndAlertsExist(t *testing.T) {
	t.Parallel()
	source := sourceOf(t, "..")
	suffix := regexp.MustCompile(`_(bucket|count|sum)$`) // of histograms
	metric := regexp.MustCompile(`\bnines_[a-z_]+\b`)
	texts := map[string]string{"alerts.yaml": string(runbooks.Alerts(nil))}
	for _, name := range runbooks.Names() {
		texts[name], _ = runbooks.Read(name)
	}
	found := 0
	for name, text := range texts {
		for _, m := range metric.FindAllString(text, -1) {
			m = suffix.ReplaceAllString(m, "")
			found++
			if !strings.Contains(source, `"`+m+`"`) {
				t.Errorf("%s names %s, which no code registers", name, m)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d metrics were found", found)
	}
}

// sourceOf returns all Go code below a folder but tests.
func sourceOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
