package definitions

import (
	"slices"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/openslo"
	"gopkg.in/yaml.v3"
)

// Kinds under which other formats' documents are kept. OpenSLO's are kept one by one as they came, under their own kind
// behind KindOpenSLO, so that each has its versions and is exported as it was applied.
const (
	KindServiceLevel = slo.KindServiceLevel // by their service
	KindOpenSLO      = "OpenSLO-"
)

// versioned is a document with the version under which it is applied; 0 is a document of the files at hand.
type versioned struct {
	manifest.Document
	version int
}

// addSloth adds what was read of either of Sloth's formats.
func (l *loader) addSloth(d manifest.Document, kind, field string, version int, slos []slo.SLO, notes slo.Notes, problems manifest.Problems) {
	l.fail(problems...)
	l.notes = append(l.notes, notes...)
	service := d.Node(field)
	if service == nil || service.Kind != yaml.ScalarNode || service.Value == "" || !l.claim(d, kind, service.Value) {
		return
	}
	for _, s := range slos {
		l.claimSLO(d, s, version)
	}
	l.records = append(l.records, recordOf(d, kind, service.Value))
}

// keepOpenSLO makes the record of an OpenSLO document and puts it by, until all are there that it may refer to.
func (l *loader) keepOpenSLO(d manifest.Document, version int) {
	if d.Kind == "" || d.Metadata.Name == "" || !slices.Contains(openslo.Kinds, d.Kind) {
		l.openslo = append(l.openslo, versioned{d, version}) // its reader will say what is wrong
		return
	}
	kind, name := KindOpenSLO+d.Kind, nameOf(d)
	if l.claim(d, kind, name) {
		l.openslo = append(l.openslo, versioned{d, version})
		l.records = append(l.records, recordOf(d, kind, name))
	}
}

// addOpenSLO reads all OpenSLO documents as one set. An SLO's version counts the versions of the documents it refers to
// as well, so that a change of its indicator is one of it.
func (l *loader) addOpenSLO() {
	if len(l.openslo) == 0 {
		return
	}
	docs, versions := make([]manifest.Document, 0, len(l.openslo)), map[*yaml.Node]int{}
	for _, v := range l.openslo {
		docs = append(docs, v.Document)
		versions[v.Root] = v.version
	}
	promises, notes, problems := openslo.Read(docs)
	l.fail(problems...)
	l.notes = append(l.notes, notes...)
	for _, p := range promises {
		version := versions[p.Document.Root]
		for _, used := range p.Uses {
			version += max(0, versions[used.Root]-1)
		}
		l.claimSLO(p.Document, p.SLO, version)
	}
}
