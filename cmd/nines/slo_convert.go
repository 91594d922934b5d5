package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/openslo"
	"github.com/spf13/cobra"
)

// writers are the formats that SLOs can be written in.
var writers = map[string]func([]slo.SLO) (string, []slo.Loss, error){
	"nines": writeNative, "sloth": slo.WriteSloth, "kubernetes": slo.WriteServiceLevel, "openslo": openslo.Write,
}

// conversion is what a conversion made, for --json.
type conversion struct {
	Format string          `json:"format"`
	SLOs   int             `json:"slos"`
	Files  []manifest.File `json:"files"`
	Losses []slo.Loss      `json:"losses"`
	Notes  []noteBody      `json:"notes"`
}

// noteBody is something that was read otherwise than its format means it, or left out.
type noteBody struct {
	Where   string `json:"where"`
	Field   string `json:"field"`
	Message string `json:"message"`
	LeftOut bool   `json:"leftOut"`
}

func noteBodies(notes slo.Notes) []noteBody {
	out := []noteBody{}
	for _, n := range notes {
		out = append(out, noteBody{n.Where(), n.Field, n.Message, n.Blocks})
	}
	return out
}

func (a *cli) sloConvert() *cobra.Command {
	var inputs []string
	var to, output string
	var strict bool
	c := &cobra.Command{
		Use: "convert -i FILE --to FORMAT [-o FILE]", Short: "Write SLO files in another format, and say what that cannot carry", Args: args(cobra.NoArgs),
		Long: "Read SLOs of any format (nines/v1, Sloth's prometheus/v1 and PrometheusServiceLevel, OpenSLO v1) and write them in\n" +
			"another. What the format cannot carry is listed on standard error, an SLO and field at a time; what stands there in\n" +
			"other words that count the same is marked so. An output that is a folder gets a file an SLO, or a service for Sloth's.",
		Example: "  nines slo convert -i sloth.yaml --to nines\n  nines slo convert -i slos/ --to openslo -o out/ --strict",
		RunE: func(_ *cobra.Command, _ []string) error {
			write, known := writers[to]
			if !known {
				return usageError{fmt.Errorf("--to %q is not a format; write nines, sloth, kubernetes or openslo", to)}
			}
			files, err := definitions.Files(inputs, a.in)
			if err != nil {
				return err
			}
			slos, notes, problems := definitions.LoadSLOsNoting(files)
			if err := problems.Err(); err != nil {
				return err
			}
			if len(slos) == 0 && len(notes) == 0 {
				return fault.New(fault.Invalid, "there is no SLO in %s", strings.Join(inputs, ", "))
			}
			return a.convert(slos, notes, to, write, output, strict)
		},
	}
	f := c.Flags()
	f.StringSliceVarP(&inputs, "input", "i", nil, "file or folder of SLOs; - for standard input")
	f.StringVar(&to, "to", "", "format to write: nines, sloth, kubernetes or openslo")
	f.StringVarP(&output, "out", "o", "", "file or folder to write to (a folder exists or ends with /); unset prints")
	f.BoolVar(&strict, "strict", false, "write nothing where anything would be lost")
	needs(c, "input")
	needs(c, "to")
	return c
}

func (a *cli) convert(slos []slo.SLO, notes slo.Notes, to string, write func([]slo.SLO) (string, []slo.Loss, error), output string, strict bool) error {
	made := conversion{Format: to, SLOs: len(slos), Files: []manifest.File{}, Losses: []slo.Loss{}, Notes: noteBodies(notes)}
	folder := isFolder(output)
	sets := [][]slo.SLO{slos}
	if folder {
		sets = partition(slos, to)
	}
	for _, set := range sets {
		text, lost, err := write(set)
		made.Losses = append(made.Losses, lost...)
		switch {
		case err != nil && !fault.Is(err, fault.Invalid):
			return err
		case text != "": // else nothing of the set can be written, and the losses say why
			made.Files = append(made.Files, manifest.File{Name: fileName(output, set[0], to, folder), Text: text})
		}
	}
	if strict && lossy(made) {
		a.printLosses(made)
		return fault.New(fault.Invalid, "the %s format cannot carry everything; nothing was written, since --strict was asked for", to)
	}
	if len(made.Files) == 0 && len(slos) > 0 {
		a.printLosses(made)
		return fault.New(fault.Invalid, "no SLO can be written in the %s format", to)
	}
	return a.deliver(made, output)
}

// deliver writes the files, or prints them where no output was named.
func (a *cli) deliver(made conversion, output string) error {
	if output != "" {
		for _, f := range made.Files {
			if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
				return fault.Wrap(fault.Invalid, err, "make the folder of %s", f.Name)
			}
			if err := os.WriteFile(f.Name, []byte(f.Text), 0o644); err != nil {
				return fault.Wrap(fault.Invalid, err, "write the SLOs")
			}
		}
	}
	return a.show(made, func() {
		a.printLosses(made)
		switch {
		case made.SLOs == 0:
			fmt.Fprintf(a.err, "nothing was written: there is no SLO that Nines can count\n")
		case output == "":
			for _, f := range made.Files {
				a.printf("%s", f.Text)
			}
		default:
			a.printf("wrote %d of %d SLOs to %s\n", made.SLOs-leftOut(made), made.SLOs, output)
		}
	})
}

// leftOut returns how many SLOs nothing was written of.
func leftOut(made conversion) int {
	out := map[string]bool{}
	for _, l := range made.Losses {
		if strings.HasPrefix(l.Message, "is left out") {
			out[l.SLO] = true
		}
	}
	return len(out)
}

func lossy(made conversion) bool {
	return slices.ContainsFunc(made.Losses, func(l slo.Loss) bool { return !l.Equivalent }) ||
		slices.ContainsFunc(made.Notes, func(n noteBody) bool { return n.LeftOut })
}

// printLosses lists notes and losses on standard error, for people to read in full: long messages are wrapped.
func (a *cli) printLosses(made conversion) {
	if len(made.Notes)+len(made.Losses) == 0 || a.json {
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(a.err)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	t.AppendHeader(row([]string{"slo", "field", "what becomes of it"}))
	taken := 0
	add := func(slo, field, message string) {
		t.AppendRow(row([]string{slo, field, message}))
		taken = max(taken, len(slo)+len(field)+6)
	}
	for _, n := range made.Notes {
		add(n.Where, n.Field, n.Message)
	}
	for _, l := range made.Losses {
		if l.Equivalent {
			l.Message = "counts the same: " + l.Message
		}
		add(l.SLO, l.Field, l.Message)
	}
	if w := width(a.err); w > 0 {
		t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: max(30, w-taken), WidthMaxEnforcer: text.WrapSoft}})
	}
	t.Render()
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return strings.HasSuffix(path, "/") || err == nil && info.IsDir()
}

// partition makes the sets that get a file each: of a service for Sloth's formats, else of one SLO.
func partition(slos []slo.SLO, to string) [][]slo.SLO {
	var out [][]slo.SLO
	at := map[string]int{}
	for _, s := range slos {
		key := s.ID
		if to == "sloth" || to == "kubernetes" {
			key = s.Service
		}
		i, begun := at[key]
		if !begun {
			i = len(out)
			at[key] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}

func fileName(output string, s slo.SLO, to string, folder bool) string {
	switch {
	case !folder:
		return output
	case to == "sloth" || to == "kubernetes":
		return filepath.Join(output, s.Service+".yaml")
	}
	return filepath.Join(output, s.ID+".yaml")
}

// writeNative writes nines/v1 documents. Nothing of an SLO is lost in them but a name that they may not have.
func writeNative(slos []slo.SLO) (string, []slo.Loss, error) {
	var docs []string
	var lost []slo.Loss
	for _, s := range slos {
		text, err := slo.WriteSLO(s)
		if err != nil {
			lost = append(lost, slo.Loss{SLO: s.ID, Field: "metadata.name", Message: "is left out: " + fault.Public(err).Message})
			continue
		}
		docs = append(docs, text)
	}
	return strings.Join(docs, "---\n"), lost, nil
}
