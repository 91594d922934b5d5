package definitions

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Files reads the named files, standard input for "-", and all .yaml and .yml files below the named folders, in order of
// name. In folders, Prometheus configuration and rule files are passed over: they are not definitions. Markdown files
// (.md) with front matter are runbooks.
func Files(paths []string, in io.Reader) ([]manifest.File, error) {
	var files []manifest.File
	for _, path := range paths {
		more, err := readPath(path, in)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	if len(files) == 0 {
		return nil, fault.New(fault.Invalid, "no .yaml, .yml or runbook (.md with front matter) in %s", strings.Join(paths, ", "))
	}
	return files, nil
}

func readPath(path string, in io.Reader) ([]manifest.File, error) {
	if path == "-" {
		raw, err := io.ReadAll(io.LimitReader(in, manifest.MaxBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return []manifest.File{{Name: "standard input", Text: string(raw)}}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read definitions")
	}
	if !info.IsDir() {
		return readOne(path)
	}
	var names []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && definitionFile(p) {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the folder %s", path)
	}
	sort.Strings(names)
	var files []manifest.File
	for _, name := range names {
		one, err := readOne(name)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, manifest.MarkdownSuffix) && !manifest.HasFrontMatter(one[0].Text) {
			continue // a README
		}
		if !prometheusFile(one[0].Text) {
			files = append(files, one...)
		}
	}
	return files, nil
}

func definitionFile(path string) bool {
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml") || strings.HasSuffix(path, manifest.MarkdownSuffix)
}

func readOne(path string) ([]manifest.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read definitions")
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, manifest.MaxBytes+1))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read %s", path)
	}
	return []manifest.File{{Name: path, Text: string(raw)}}, nil
}

// prometheusFile reports whether the text is a Prometheus configuration or rule file, by its first top-level keys.
func prometheusFile(text string) bool {
	for line := range strings.Lines(text) {
		for _, key := range []string{"scrape_configs:", "global:", "groups:", "rule_files:", "alerting:"} {
			if strings.HasPrefix(line, key) {
				return true
			}
		}
		if strings.HasPrefix(line, "apiVersion:") || strings.HasPrefix(line, "version:") {
			return false
		}
	}
	return false
}
