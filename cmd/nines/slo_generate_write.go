package main

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
)

// ruleFile is one output: a rule file, or objects one after the other.
type ruleFile struct {
	path    string // "" prints
	format  string
	objects []*ruleObject // a rule file has one, whose meta is unused
}

type ruleObject struct {
	meta slo.ObjectMeta
	slos []slo.SLO
}

// arrangement sorts SLOs into outputs.
type arrangement struct {
	flags   generateFlags
	made    *generated
	folder  bool
	files   []*ruleFile
	at      map[string]*ruleFile
	objects map[string]*ruleObject // by the document or SLO that they are of
	named   map[string]string      // the document or SLO that has an object's name
	wrong   map[string]bool        // documents whose metadata cannot be used
}

// arrange returns the outputs, in the order in which their first SLOs come. SLOs for which there is none are problems.
func arrange(g generateFlags, made *generated) ([]*ruleFile, error) {
	r := arrangement{
		flags: g, made: made, folder: isFolder(g.out), at: map[string]*ruleFile{},
		objects: map[string]*ruleObject{}, named: map[string]string{}, wrong: map[string]bool{},
	}
	for _, p := range made.slos {
		if err := r.add(p); err != nil {
			return nil, err
		}
	}
	return r.files, nil
}

func (r *arrangement) add(p definitions.Placed) error {
	format := r.flags.format
	if format == "" {
		format = formatGroups
		if p.Spec == slo.ServiceLevelVersion {
			format = formatObject
		}
	}
	if format == formatGroups {
		f, err := r.file(r.path(p, p.ID), format)
		if err != nil {
			return err
		}
		if len(f.objects) == 0 {
			f.objects = append(f.objects, &ruleObject{})
		}
		f.objects[0].slos = append(f.objects[0].slos, p.SLO)
		return nil
	}
	return r.addObject(p)
}

// addObject puts the SLO into the object of its PrometheusServiceLevel, or into one of its own.
func (r *arrangement) addObject(p definitions.Placed) error {
	meta, of := slo.ObjectMeta{Name: p.ObjectName()}, p.ID
	if p.Spec == slo.ServiceLevelVersion {
		of = p.Document.File + ":" + strconv.Itoa(p.Document.Line)
		if r.wrong[of] {
			return nil
		}
		var problems manifest.Problems
		if meta, problems = slo.ReadObjectMeta(p.Document); len(problems) > 0 {
			r.wrong[of] = true
			r.made.problems = append(r.made.problems, problems...)
			return nil
		}
	}
	if r.flags.namespace != "" {
		meta.Namespace = r.flags.namespace
	}
	if o, begun := r.objects[of]; begun {
		o.slos = append(o.slos, p.SLO)
		return nil
	}
	path := r.path(p, meta.Name)
	name := path + " " + meta.Namespace + "/" + meta.Name
	if first, taken := r.named[name]; taken {
		r.made.without(p, fault.New(fault.Invalid, "its PrometheusRule is named %s, and so is that of %s; rename one", meta.Name, first))
		return nil
	}
	f, err := r.file(path, formatObject)
	if err != nil {
		return err
	}
	o := &ruleObject{meta: meta, slos: []slo.SLO{p.SLO}}
	r.named[name], r.objects[of] = of, o
	f.objects = append(f.objects, o)
	return nil
}

// path returns where the SLO's rules go.
func (r *arrangement) path(p definitions.Placed, name string) string {
	if !r.folder {
		return r.flags.out
	}
	if below, ok := r.made.names[p.Document.File]; ok {
		return filepath.Join(r.flags.out, below)
	}
	return filepath.Join(r.flags.out, name+".yaml")
}

func (r *arrangement) file(path, format string) (*ruleFile, error) {
	f, begun := r.at[path]
	if !begun {
		f = &ruleFile{path: path, format: format}
		r.at[path] = f
		r.files = append(r.files, f)
	}
	if f.format != format {
		return nil, fault.New(fault.Invalid, "PrometheusServiceLevels and SLOs of other formats would be written to one output, as objects and as a rule file; say which with --format, or write to a folder")
	}
	return f, nil
}

// write writes the whole output.
func (f *ruleFile) write(to io.Writer, o slo.RuleOptions) error {
	if f.format == formatGroups {
		return slo.WriteRules(to, f.objects[0].slos, o)
	}
	for _, object := range f.objects {
		if err := slo.WritePrometheusRule(to, object.meta, object.slos, o); err != nil {
			return err
		}
	}
	return nil
}

// generation is what was written, for --json.
type generation struct {
	SLOs     int             `json:"slos"`
	Files    []manifest.File `json:"files"` // with their text where they were not written to a path
	Problems []fault.Detail  `json:"problems"`
	Notes    []noteBody      `json:"notes"`
}

// writeRules writes every output beside its place, and then all of them at once to it.
func (a *cli) writeRules(g generateFlags, made generated) error {
	files, err := arrange(g, &made)
	if err != nil {
		return err
	}
	var staged []*stagedFile
	if !g.strict || len(made.problems) == 0 {
		staged, err = a.stageAll(g, files, &made)
	}
	defer func() {
		for _, s := range staged {
			s.discard()
		}
	}()
	switch {
	case err != nil:
		return err
	case g.strict && len(made.problems) > 0:
		return made.failure("nothing was written, since --strict was asked for")
	}
	done := generation{Files: []manifest.File{}, Notes: noteBodies(made.notes), Problems: append([]fault.Detail{}, details(made.problems)...)}
	for i, s := range staged {
		if err := s.commit(); err != nil {
			return err
		}
		done.Files = append(done.Files, manifest.File{Name: s.path, Text: s.text()})
		done.SLOs += files[i].slos()
	}
	if err := a.show(done, func() { a.printGenerated(g, done) }); err != nil {
		return err
	}
	if len(made.problems) > 0 {
		return made.failure(fmt.Sprintf("they are left out; the rules of %d SLOs were written", done.SLOs))
	}
	return nil
}

func (f *ruleFile) slos() (n int) {
	for _, o := range f.objects {
		n += len(o.slos)
	}
	return n
}

// stageAll writes the outputs beside their places. SLOs whose rules cannot be made are problems, and the outputs hold the
// rest.
func (a *cli) stageAll(g generateFlags, files []*ruleFile, made *generated) ([]*stagedFile, error) {
	bar := newProgress(a.err)
	defer bar.clear()
	var staged []*stagedFile
	for i, f := range files {
		s, err := stage(f.path)
		if err != nil {
			return staged, err
		}
		staged = append(staged, s)
		if err := made.leftOut(f, f.write(s, g.options())); err != nil {
			return staged, fault.Wrap(fault.Invalid, err, "write the rules")
		}
		bar.show(i+1, len(files), "writing rules")
	}
	return staged, nil
}

// leftOut takes the SLOs down that an output does not hold, and returns any other error.
func (m *generated) leftOut(f *ruleFile, err error) error {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, one := range all {
		if !fault.Is(one, fault.Invalid) && !fault.Is(one, fault.Conflict) {
			return err
		}
		m.problems = append(m.problems, manifest.Problem{File: cmp.Or(f.path, "standard output"), Message: message(faultOf(one))})
	}
	return nil
}

func (a *cli) printGenerated(g generateFlags, done generation) {
	if isFolder(g.out) {
		a.printf("wrote %d files to %s\n", len(done.Files), g.out)
		return
	}
	for _, f := range done.Files {
		a.printf("%s", f.Text)
	}
}

// failure lists the problems; what says what became of the rest.
func (m *generated) failure(what string) error {
	noun := "problems"
	if len(m.problems) == 1 {
		noun = "problem"
	}
	return &fault.Error{Kind: fault.Invalid, Message: fmt.Sprintf("%d %s in the definitions; %s", len(m.problems), noun, what), Details: details(m.problems)}
}
