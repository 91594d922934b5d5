package openslo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

const maxProblems = 100 // told of one set of documents

// Promise is one SLO and where it comes from.
type Promise struct {
	slo.SLO
	Document manifest.Document   // the OpenSLO document of kind SLO
	Uses     []manifest.Document // the documents it refers to, so that a change of one is a change of it
}

// Read reads documents as one set, because SLOs refer to indicators, alert policies, conditions and data sources by
// name. Every problem of every document is told at once; the promises are only to be used where there are none.
// An SLO that cannot be counted, because its source is no Prometheus or what it refers to is not among the documents, is
// left out with a note that blocks.
func Read(docs []manifest.Document) ([]Promise, slo.Notes, manifest.Problems) {
	r := &reader{
		indicators: map[string]found[sliSpec]{}, policies: map[string]found[policySpec]{},
		conditions: map[string]found[conditionSpec]{}, sources: map[string]found[sourceSpec]{}, named: map[string]manifest.Document{},
	}
	var slos []found[sloSpec]
	for _, d := range docs {
		switch d.Kind {
		case KindSLO:
			if one, ok := read[sloSpec](r, d); ok {
				slos = append(slos, one)
			}
		case KindSLI:
			keep(r, r.indicators, d)
		case KindPolicy:
			keep(r, r.policies, d)
		case KindCondition:
			keep(r, r.conditions, d)
		case KindSource:
			keep(r, r.sources, d)
		case KindTarget:
			read[targetSpec](r, d)
		case KindService:
			read[serviceSpec](r, d)
		default:
			r.refuse(d, "kind", "%q is not known; OpenSLO's kinds are %s", d.Kind, strings.Join(Kinds, ", "))
		}
	}
	r.checkAlone()
	for _, one := range slos {
		r.add(one)
	}
	return r.promises, r.notes, r.problems
}

// found is a decoded document.
type found[S any] struct {
	document[S]
	doc manifest.Document
}

type reader struct {
	indicators map[string]found[sliSpec]
	policies   map[string]found[policySpec]
	conditions map[string]found[conditionSpec]
	sources    map[string]found[sourceSpec]
	named      map[string]manifest.Document
	promises   []Promise
	notes      slo.Notes
	problems   manifest.Problems
	bytes      int // of PromQL looked at
}

func (r *reader) refuse(d manifest.Document, path, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, d.Problem(path, format, args...))
	}
}

func (r *reader) note(blocks bool, d manifest.Document, path, format string, args ...any) {
	if len(r.notes) < maxProblems {
		r.notes = append(r.notes, slo.Note{Problem: d.Problem(path, format, args...), Blocks: blocks})
	}
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

// read decodes a document and checks its envelope; ok is false where it is not to be used.
func read[S any](r *reader, d manifest.Document) (one found[S], ok bool) {
	before := len(r.problems)
	one.doc = d
	for _, p := range d.Decode(&one.document) {
		if len(r.problems) < maxProblems {
			r.problems = append(r.problems, p)
		}
	}
	switch {
	case d.APIVersion != V1 && d.APIVersion != V1Alpha:
		r.refuse(d, "apiVersion", "%q is not read; write %s", clip(d.APIVersion), V1)
	case one.Metadata.Name == "":
		r.refuse(d, "metadata.name", "is missing")
	case !namePattern.MatchString(one.Metadata.Name):
		r.refuse(d, "metadata.name", "%q must be letters, digits, dashes, dots and underscores, at most 63, starting and ending with a letter or digit", clip(one.Metadata.Name))
	case d.Node("spec") == nil:
		r.refuse(d, "spec", "is missing")
	default:
		r.nameOnce(d)
	}
	return one, len(r.problems) == before && before < maxProblems
}

func (r *reader) nameOnce(d manifest.Document) {
	service := ""
	if n := d.Node("spec.service"); d.Kind == KindSLO && n != nil {
		service = n.Value // two services may each have an SLO named availability
	}
	key := strings.Join([]string{d.Kind, service, d.Metadata.Name}, "/")
	if first, again := r.named[key]; again {
		r.refuse(d, "metadata.name", "%s %s is already defined at %s:%d; keep one or rename it", d.Kind, d.Metadata.Name, first.File, first.Line)
		return
	}
	r.named[key] = d
}

func keep[S any](r *reader, into map[string]found[S], d manifest.Document) {
	if one, ok := read[S](r, d); ok {
		into[d.Metadata.Name] = one
	}
}

// checkAlone checks what can be said of documents that no SLO may refer to.
func (r *reader) checkAlone() {
	for _, one := range sorted(r.indicators) {
		r.checkForm(one.doc, "spec", one.Spec)
	}
	for _, one := range sorted(r.conditions) {
		r.condition(one.doc, "spec", one.Spec, one.Metadata.Name)
	}
	for _, one := range sorted(r.sources) {
		if strings.TrimSpace(one.Spec.Type) == "" {
			r.refuse(one.doc, "spec.type", "is missing; write what it is, such as Prometheus")
		}
	}
}

func sorted[S any](m map[string]found[S]) []found[S] {
	out := make([]found[S], 0, len(m))
	for _, one := range m {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b found[S]) int {
		return strings.Compare(fmt.Sprintf("%s:%09d", a.doc.File, a.doc.Line), fmt.Sprintf("%s:%09d", b.doc.File, b.doc.Line))
	})
	return out
}

func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
