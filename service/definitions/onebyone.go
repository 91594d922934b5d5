package definitions

import (
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/openslo"
	"gopkg.in/yaml.v3"
)

// Placed is an SLO and the document it stands in.
type Placed struct {
	slo.SLO
	Document manifest.Document
	Path     string // of the SLO in the document, such as slos.2; "" where it is the document
}

// Problem makes a problem at the SLO's place.
func (p Placed) Problem(message string) manifest.Problem {
	return p.Document.Problem(p.Path, "SLO %s: %s", p.ID, message)
}

// LoadEach is LoadSLOs for those who go on with what is right: it returns every SLO that has no problem itself, in the
// order in which they stand, whatever is wrong with those beside it. An SLO that cannot be counted, as blocking notes
// say, is a problem. Of SLOs with the same id in files of the same set the first is kept; between sets, which set names
// by the file's name and which are of different places, it is a note. A nil set is one for all.
func LoadEach(files []manifest.File, set func(file string) string) ([]Placed, slo.Notes, manifest.Problems) {
	if set == nil {
		set = func(string) string { return "" }
	}
	l := &eachLoader{set: set, taken: map[claimed]Placed{}, first: map[string]Placed{}, told: map[manifest.Problem]bool{}}
	for _, f := range files {
		docs, problems := manifest.Read(f)
		l.fail(problems)
		for _, d := range docs {
			l.add(d)
		}
	}
	l.addOpenSLO()
	if more := len(l.told) - len(l.problems); more > 0 {
		l.problems = append(l.problems, manifest.Problem{File: "...", Message: "and " + strconv.Itoa(more) + " problems more"})
	}
	return l.kept(), l.notes, l.problems
}

type claimed struct{ set, id string }

type eachLoader struct {
	found    []Placed
	openslo  []manifest.Document
	order    []string // of the documents, since OpenSLO's are read last
	set      func(file string) string
	taken    map[claimed]Placed
	first    map[string]Placed // of each id, whatever the set
	told     map[manifest.Problem]bool
	notes    slo.Notes
	problems manifest.Problems
}

// fail keeps problems, each once: those of a document's head come up with each SLO in it.
func (l *eachLoader) fail(problems manifest.Problems) {
	for _, p := range problems {
		if !l.told[p] && len(l.problems) < maxProblems {
			l.problems = append(l.problems, p)
		}
		l.told[p] = true
	}
}

func (l *eachLoader) add(d manifest.Document) {
	l.order = append(l.order, placeOf(d))
	switch {
	case d.APIVersion == slo.SlothVersion && d.Kind == "":
		l.addSloth(d, "slos", slo.ReadSlothNoting)
	case d.APIVersion == slo.ServiceLevelVersion:
		l.addSloth(d, "spec.slos", slo.ReadServiceLevel)
	case openslo.Is(d.APIVersion):
		l.openslo = append(l.openslo, d)
	case d.APIVersion == slo.PrometheusRuleVersion: // what is written here, read again
	case d.APIVersion != manifest.APIVersion:
		l.fail(manifest.Problems{d.Problem("apiVersion", "%q is not known; this version reads %s, Sloth's %s and %s, and %s", d.APIVersion,
			manifest.APIVersion, slo.SlothVersion, slo.ServiceLevelVersion, openslo.V1)})
	case d.Kind == KindSLO:
		s, problems := slo.ReadSLO(d)
		l.fail(problems)
		if len(problems) == 0 {
			l.keep(Placed{SLO: s, Document: d})
		}
	}
}

// addSloth reads the SLOs of one of Sloth's documents one at a time.
func (l *eachLoader) addSloth(d manifest.Document, list string, read func(manifest.Document) ([]slo.SLO, slo.Notes, manifest.Problems)) {
	at := d.Node(list)
	if at == nil || at.Kind != yaml.SequenceNode || len(at.Content) == 0 {
		_, _, problems := read(d) // nothing to take apart; its reader says why
		l.fail(problems)
		return
	}
	noted := map[manifest.Problem]bool{}
	for i := range at.Content {
		path := list + "." + strconv.Itoa(i)
		slos, notes, problems := read(alone(d, list, i))
		for j := range problems {
			problems[j].Field = renumber(problems[j].Field, list, path)
		}
		for _, n := range notes {
			n.Field = renumber(n.Field, list, path)
			if n.Blocks {
				problems = append(problems, n.Problem)
			} else if !noted[n.Problem] {
				l.notes = append(l.notes, n)
				noted[n.Problem] = true
			}
		}
		l.fail(problems)
		for _, s := range slos {
			if len(problems) == 0 {
				l.keep(Placed{SLO: s, Document: d, Path: path})
			}
		}
	}
}

// alone returns the document with only one item of the list; lines stay what they are.
func alone(d manifest.Document, list string, item int) manifest.Document {
	d.Root = with(d.Root, strings.Split(list, "."), item)
	return d
}

func with(n *yaml.Node, path []string, item int) *yaml.Node {
	out := *n
	if len(path) == 0 {
		out.Content = n.Content[item : item+1]
		return &out
	}
	out.Content = append([]*yaml.Node(nil), n.Content...)
	for i := 0; i+1 < len(out.Content); i += 2 {
		if out.Content[i].Value == path[0] {
			out.Content[i+1] = with(out.Content[i+1], path[1:], item)
		}
	}
	return &out
}

// renumber gives the field of an item that was read alone its place in the whole list.
func renumber(field, list, path string) string {
	if rest, ok := strings.CutPrefix(field, list+".0"); ok {
		return path + rest
	}
	return field
}

// addOpenSLO reads the OpenSLO documents as one set, and keeps the SLOs which neither have a problem nor use a document
// that has one.
func (l *eachLoader) addOpenSLO() {
	if len(l.openslo) == 0 {
		return
	}
	promises, notes, problems := openslo.Read(l.openslo)
	for _, n := range notes {
		if !n.Blocks {
			l.notes = append(l.notes, n)
		}
	}
	problems = append(problems, notes.Blocking()...)
	l.fail(problems)
	for _, p := range promises {
		right := true
		for _, d := range append([]manifest.Document{p.Document}, p.Uses...) {
			right = right && !holds(d, problems)
		}
		if right {
			l.keep(Placed{SLO: p.SLO, Document: p.Document})
		}
	}
}

// holds reports whether one of the problems is in the document.
func holds(d manifest.Document, problems manifest.Problems) bool {
	last := lastLine(d.Root)
	for _, p := range problems {
		if p.File == d.File && (p.Line == 0 || p.Line >= d.Line && p.Line <= last) {
			return true
		}
	}
	return false
}

func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// keep takes the SLO in, if none of the ids it makes is taken in its set.
func (l *eachLoader) keep(p Placed) {
	set := l.set(p.Document.File)
	for _, one := range p.All() {
		if first, again := l.taken[claimed{set, one.ID}]; again {
			l.fail(manifest.Problems{p.Document.Problem(p.Path, "makes the SLO id %s, which is already taken at %s:%d; rename one", one.ID, first.Document.File, first.line())})
			return
		}
	}
	for _, one := range p.All() {
		l.taken[claimed{set, one.ID}] = p
		if first, again := l.first[one.ID]; again {
			l.notes = append(l.notes, slo.Note{Problem: p.Document.Problem(p.Path, "makes the SLO id %s, as %s:%d does; one Prometheus must not load both files", one.ID, first.Document.File, first.line())})
		} else {
			l.first[one.ID] = p
		}
	}
	l.found = append(l.found, p)
}

func (p Placed) line() int {
	if p.Path == "" {
		return p.Document.Line
	}
	return p.Document.LineOf(p.Path)
}

func placeOf(d manifest.Document) string { return d.File + ":" + strconv.Itoa(d.Line) }

// kept returns what was found, in the order of the documents.
func (l *eachLoader) kept() []Placed {
	at := map[string][]Placed{}
	for _, p := range l.found {
		at[placeOf(p.Document)] = append(at[placeOf(p.Document)], p)
	}
	out := make([]Placed, 0, len(l.found))
	for _, place := range l.order {
		out = append(out, at[place]...)
		delete(at, place)
	}
	return out
}
