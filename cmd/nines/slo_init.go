package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo/packs"
	"github.com/spf13/cobra"
)

// packFlags are the parameters that have flags of their own; all others are set with --set.
var packFlags = []struct{ name, usage string }{
	{packs.ServiceParameter, "the service that makes the promises"},
	{packs.JobParameter, "job label of the targets, or ~ and a regular expression"},
	{packs.ExporterParameter, "whose metric names are used; --explain lists them"},
	{packs.ObjectiveParameter, "objective of the pack's first promise in per cent"},
	{packs.ThresholdParameter, "the pack's main bound, such as how fast is fast enough"},
}

// initOptions are the flags of nines slo init.
type initOptions struct {
	pack, dir            string
	set                  []string
	list, explain, force bool
}

func (a *cli) sloInit() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use: "init --pack NAME [-o DIR]", Short: "Begin with ready SLOs of a technology; needs no server", Args: args(cobra.NoArgs),
		Long: "Write the SLOs of a ready pack: promises about one technology with the metric names of its usual exporters, each\n" +
			"with a runbook. The files are yours to edit; their comments say what to look at.",
		Example: "  nines slo init --list\n  nines slo init --pack postgres --explain\n" +
			"  nines slo init --pack http --service shop --job shop --threshold 500ms -o slos/\n" +
			"  nines slo init --pack http --exporter client_golang --set status=status_code -o slos/",
		RunE: func(c *cobra.Command, _ []string) error {
			if o.list {
				return a.listPacks()
			}
			if o.pack == "" {
				return usageError{errors.New("--pack is missing; --list shows which there are")}
			}
			set, err := setValues(c, o.set)
			if err != nil {
				return err
			}
			p, err := packs.Get(o.pack)
			if err != nil {
				return err
			}
			if o.explain {
				return a.explainPack(p, set[packs.ExporterParameter])
			}
			return a.initPack(p, set, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.pack, "pack", "", "which pack: "+strings.Join(packs.Names(), ", "))
	for _, p := range packFlags {
		f.String(p.name, "", p.usage)
	}
	f.StringArrayVar(&o.set, "set", nil, "another parameter as key=value (repeatable); --explain lists them")
	f.StringVarP(&o.dir, "out", "o", "", "folder to write to; unset prints")
	f.BoolVar(&o.force, "force", false, "write over the pack's file where it is there already")
	f.BoolVar(&o.list, "list", false, "show the packs")
	f.BoolVar(&o.explain, "explain", false, "show the pack's promises, exporters and parameters")
	return c
}

// setValues collects what the flags and --set say. The same parameter twice is a wrong command line.
func setValues(c *cobra.Command, pairs []string) (map[string]string, error) {
	set := map[string]string{}
	for _, p := range packFlags {
		if c.Flags().Changed(p.name) {
			set[p.name], _ = c.Flags().GetString(p.name)
		}
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--set %q is not of the form key=value", pair)}
		}
		if _, twice := set[name]; twice {
			return nil, usageError{fmt.Errorf("%s is set twice", name)}
		}
		set[name] = value
	}
	return set, nil
}

func (a *cli) listPacks() error {
	all := packs.All()
	return a.show(map[string]any{"packs": all}, func() {
		var rows [][]string
		for _, p := range all {
			var exporters []string
			for _, e := range p.Exporters {
				exporters = append(exporters, e.Name)
			}
			rows = append(rows, []string{p.Name, p.Title, strings.Join(exporters, ", "), strings.Join(p.SLOs, ", ")})
		}
		a.table([]string{"pack", "for", "exporters", "promises"}, rows)
		a.printf("\nnines slo init --pack NAME --explain shows what can be set; -o DIR writes the files.\n")
	})
}

// packBody is what --explain prints as JSON: the pack, with the defaults that its parameters have with the exporter.
type packBody struct {
	packs.Pack
	Defaults map[string]string `json:"defaults"`
}

func (a *cli) explainPack(p packs.Pack, exporter string) error {
	defaults := p.Defaults(exporter)
	if exporter != "" && defaults[packs.ExporterParameter] != exporter {
		_, err := p.Files(map[string]string{packs.ExporterParameter: exporter}) // says which there are
		return err
	}
	return a.show(packBody{p, defaults}, func() { a.printPack(p, defaults) })
}

func (a *cli) printPack(p packs.Pack, defaults map[string]string) {
	a.printf("%s: %s\n%s\n\nPromises  %s\nRunbook   %s\n\n", p.Name, p.Title, p.About, strings.Join(p.SLOs, ", "), p.Runbook)
	var exporters, parameters [][]string
	for _, e := range p.Exporters {
		exporters = append(exporters, []string{e.Name, e.About})
	}
	a.table([]string{"exporter", "expects"}, exporters)
	a.printf("\n")
	exporter := defaults[packs.ExporterParameter]
	for _, q := range p.Parameters {
		if len(q.Needs) == 0 || slices.Contains(q.Needs, exporter) {
			parameters = append(parameters, []string{q.Name, orMissing(q.Unit), q.About, defaults[q.Name]})
		}
	}
	a.table([]string{"parameter", "unit", "what", "default with " + exporter}, parameters)
	a.printf("\nSet them with --set key=value; service, job, exporter, objective and threshold have flags of their own.\n")
}

// writtenFile says what became of a file.
type writtenFile struct {
	Path string `json:"path"`
	Kept bool   `json:"kept,omitempty"` // it was there already and is as it was
}

func (a *cli) initPack(p packs.Pack, set map[string]string, o initOptions) error {
	files, err := p.Files(set)
	if err != nil {
		return err
	}
	if o.dir == "" {
		both := []manifest.File{files.Service, files.SLOs}
		return a.show(map[string]any{"files": both}, func() { a.printFiles(both) })
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return fault.Wrap(fault.Invalid, err, "make the folder %s", o.dir)
	}
	// The SLOs come first: where their file is in the way, nothing is written at all.
	path := filepath.Join(o.dir, files.SLOs.Name)
	if err := writeFresh(path, files.SLOs.Text, o.force); errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Conflict, "%s is there already; write to another folder, or over it with --force", path)
	} else if err != nil {
		return fault.Wrap(fault.Invalid, err, "write %s", path)
	}
	written := []writtenFile{{Path: path}}
	// The service is one for all its packs and is edited by people, so it is never written over.
	path = filepath.Join(o.dir, files.Service.Name)
	err = writeFresh(path, files.Service.Text, false)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fault.Wrap(fault.Invalid, err, "write %s", path)
	}
	written = append(written, writtenFile{Path: path, Kept: err != nil})
	return a.show(map[string]any{"files": written}, func() { a.printWritten(o.dir, written) })
}

func (a *cli) printWritten(dir string, written []writtenFile) {
	for _, f := range written {
		verb := "wrote"
		if f.Kept {
			verb = "kept "
		}
		a.printf("%s %s\n", verb, printable(f.Path))
	}
	a.printf("\nRead their comments, then: nines validate -f %s && nines apply -f %[1]s\n", printable(dir))
}

// writeFresh writes a file that must not be there, unless over it is allowed.
func writeFresh(path, text string, over bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if over {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
