package definitions

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Discover reads the .yaml and .yml files below a folder of which keep says so, in order of name. A file that cannot be
// read is a problem and stops no other; Prometheus configuration and rule files are passed over.
func Discover(folder string, keep func(path string) bool) ([]manifest.File, manifest.Problems, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		ext := strings.ToLower(filepath.Ext(path))
		if err == nil && !d.IsDir() && (ext == ".yaml" || ext == ".yml") && keep(path) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "read the folder %s", folder)
	}
	slices.Sort(names)
	var (
		files    []manifest.File
		problems manifest.Problems
	)
	for _, name := range names {
		one, err := readOne(name)
		switch {
		case err != nil:
			problems = append(problems, manifest.Problem{File: name, Message: "cannot be read: " + err.Error()})
		case !prometheusFile(one[0].Text):
			files = append(files, one...)
		}
	}
	return files, problems, nil
}
