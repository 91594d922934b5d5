package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/spf13/cobra"
)

type filesBody struct {
	Files []manifest.File `json:"files"`
	Prune bool            `json:"prune"`
}

type outcomesBody struct {
	Outcomes []manifest.Outcome `json:"outcomes"`
}

func (a *cli) applyCommand() *cobra.Command {
	var paths []string
	var prune bool
	c := &cobra.Command{
		Use: "apply -f DIR", Short: "Make definition files the ones in force: all of them, or none", Args: args(cobra.NoArgs),
		Example: "  nines apply -f examples/quickstart\n  nines apply -f slos/ -f policies.yaml --prune",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.sendDefinitions(c, "/definitions/apply", paths, prune)
		},
	}
	definitionFlags(c, &paths, &prune)
	return c
}

func (a *cli) diffCommand() *cobra.Command {
	var paths []string
	var prune bool
	c := &cobra.Command{
		Use: "diff -f DIR", Short: "Show what apply would change", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.sendDefinitions(c, "/definitions/diff", paths, prune)
		},
	}
	definitionFlags(c, &paths, &prune)
	return c
}

func definitionFlags(c *cobra.Command, paths *[]string, prune *bool) {
	c.Flags().StringSliceVarP(paths, "filename", "f", nil, "file or folder of definitions; - for standard input (repeatable)")
	c.Flags().BoolVar(prune, "prune", false, "remove definitions that are not in the files")
	needs(c, "filename")
}

func (a *cli) sendDefinitions(c *cobra.Command, path string, paths []string, prune bool) error {
	files, err := definitions.Files(paths, a.in)
	if err != nil {
		return err
	}
	api, err := a.client()
	if err != nil {
		return err
	}
	var answer outcomesBody
	if err := api.post(c.Context(), path, filesBody{files, prune}, &answer); err != nil {
		return err
	}
	return a.show(answer, func() { a.printOutcomes(answer.Outcomes) })
}

func (a *cli) printOutcomes(outcomes []manifest.Outcome) {
	counts := map[string]int{}
	for _, o := range outcomes {
		counts[o.Action]++
		if o.Action == "unchanged" {
			continue
		}
		a.printf("%-9s %s %s (version %d)\n", o.Action, o.Kind, o.Name, o.Version)
		if o.Diff != "" {
			a.printf("%s\n", strings.TrimRight(o.Diff, "\n"))
		}
		for _, note := range o.Notes {
			a.printf("  note: %s\n", printable(note))
		}
	}
	a.printf("%d created, %d updated, %d deleted, %d unchanged\n", counts["create"], counts["update"], counts["delete"], counts["unchanged"])
}

func (a *cli) validateCommand() *cobra.Command {
	var paths []string
	var engine string
	c := &cobra.Command{
		Use: "validate -f DIR", Short: "Check definition files without a server; every problem at once", Args: args(cobra.NoArgs),
		Example: "  nines validate -f slos/\n  nines validate -f slos/ --prometheus-url http://127.0.0.1:9990/prometheus",
		RunE: func(c *cobra.Command, _ []string) error {
			files, err := definitions.Files(paths, a.in)
			if err != nil {
				return err
			}
			set, err := loadFiles(files)
			if err != nil {
				return err
			}
			set.Notes = append(set.Notes, set.ScheduleNotes(time.Now())...)
			if engine != "" {
				return a.probe(c.Context(), set, engine, len(files))
			}
			return a.show(map[string]any{"documents": len(set.Records), "problems": []any{}, "notes": noteBodies(set.Notes)}, func() {
				a.printLosses(conversion{Notes: noteBodies(set.Notes)})
				a.printf("%d documents in %d files are fine\n", len(set.Records), len(files))
			})
		},
	}
	c.Flags().StringSliceVarP(&paths, "filename", "f", nil, "file or folder of definitions; - for standard input (repeatable)")
	c.Flags().StringVar(&engine, "prometheus-url", "", "ask this Prometheus whether what the SLOs read is there; a token is taken from NINES_PROMETHEUS_TOKEN")
	needs(c, "filename")
	return c
}

// loadFiles reads definitions on their own, without what a control plane has applied.
func loadFiles(files []manifest.File) (definitions.Set, error) {
	set, problems := definitions.Load(files, nil, runbookShips)
	return set, problems.Err()
}

func runbookShips(name string) bool {
	_, ok := runbooks.Read(name)
	return ok
}

func (a *cli) exportCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "export [-o DIR]", Short: "Write the definitions in force as files", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer struct {
				Files []manifest.File `json:"files"`
			}
			if err := api.get(c.Context(), "/definitions", nil, &answer); err != nil {
				return err
			}
			if dir == "" {
				return a.show(answer, func() { a.printFiles(answer.Files) })
			}
			return a.writeFiles(dir, answer.Files)
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to write to; unset prints one YAML stream")
	return c
}

func (a *cli) printFiles(files []manifest.File) {
	for _, f := range files {
		a.printf("---\n%s\n", strings.TrimRight(f.Text, "\n"))
	}
}

func (a *cli) writeFiles(dir string, files []manifest.File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Invalid, err, "make the folder %s", dir)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), []byte(f.Text), 0o644); err != nil {
			return fault.Wrap(fault.Invalid, err, "write %s", f.Name)
		}
	}
	a.printf("wrote %d files to %s\n", len(files), dir)
	return nil
}
