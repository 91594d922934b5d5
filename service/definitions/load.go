package definitions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/track/vendors"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/runbooks"
	"github.com/nines-sre/nines/slo"
	"github.com/nines-sre/nines/slo/openslo"
	"gopkg.in/yaml.v3"
)

// Limits on one set of files.
const (
	maxFiles    = 2000
	maxProblems = 200 // a set with more is cut, and says so
)

// Set is what was read from files: the documents' records and the catalog they make.
type Set struct {
	Catalog *Catalog
	Records []manifest.Record
	Notes   slo.Notes                    // on what was read otherwise than its format means it; those that block must not be applied
	places  map[string]manifest.Document // where each SLO is defined
	rosters []manifest.Document          // the schedules of the files
}

// Load reads files of every kind and checks each document and all references between them. stored are definitions
// already applied, which references may lead to; a file's document replaces a stored one of the same kind and name.
// runbook reports whether a runbook of that name ships. All problems are returned at once; with any, Set is not usable.
func Load(files []manifest.File, stored []manifest.Record, runbook func(name string) bool) (Set, manifest.Problems) {
	if len(files) > maxFiles {
		return Set{}, manifest.Problems{{File: files[0].Name, Message: fmt.Sprintf("is one of %d files; at most %d are read at once", len(files), maxFiles)}}
	}
	l := newLoader(runbook)
	for _, f := range files {
		docs, problems := manifest.Read(f)
		l.problems = append(l.problems, problems...)
		l.unread = l.unread || len(problems) > 0
		for _, d := range docs {
			l.add(d, 0)
		}
	}
	fresh := len(l.records)
	l.addStored(stored)
	l.addOpenSLO()
	if !l.unread { // what stands in a document that could not be read would show up again as a dangling reference
		l.references()
		l.composites()
	}
	if len(l.problems) > maxProblems {
		more := len(l.problems) - maxProblems
		l.problems = append(l.problems.Sorted()[:maxProblems], manifest.Problem{File: "...", Message: fmt.Sprintf("and %d problems more", more)})
	}
	return Set{Catalog: l.catalog, Records: l.records[:fresh], Notes: l.notes, places: l.slos, rosters: l.rosters}, l.problems
}

type loader struct {
	catalog  *Catalog
	records  []manifest.Record
	seen     map[string]manifest.Document // where each kind/name was defined
	docs     []referring
	openslo  []versioned                  // read as one set, when all are there
	slos     map[string]manifest.Document // where each SLO was defined
	notes    slo.Notes
	problems manifest.Problems
	rosters  []manifest.Document // the schedules of the files
	matrix   *manifest.Document  // the one that rates incidents; nil: none
	unread   bool                // some document did not even parse
	runbook  func(string) bool
}

func newLoader(runbook func(string) bool) *loader {
	return &loader{catalog: newCatalog(), seen: map[string]manifest.Document{}, slos: map[string]manifest.Document{}, runbook: runbook}
}

// referring is a document whose references are still to be checked.
type referring struct {
	doc  manifest.Document
	refs []reference
}

type reference struct{ field, kind, name string }

func (l *loader) addStored(stored []manifest.Record) {
	for _, r := range stored {
		if _, replaced := l.seen[key(r.Kind, r.Name)]; replaced || r.Deleted {
			continue
		}
		name := fmt.Sprintf("%s %s (version %d, as applied)", r.Kind, r.Name, r.Version)
		docs, problems := manifest.Read(manifest.File{Name: name, Text: r.Text})
		l.problems = append(l.problems, problems...)
		for _, d := range docs {
			l.add(d, r.Version)
		}
	}
}

func (l *loader) add(d manifest.Document, version int) {
	switch {
	case d.APIVersion == slo.SlothVersion && d.Kind == "":
		slos, notes, problems := slo.ReadSlothNoting(d)
		l.addSloth(d, KindSloth, "service", version, slos, notes, problems)
		return
	case d.APIVersion == slo.ServiceLevelVersion:
		slos, notes, problems := slo.ReadServiceLevel(d)
		l.addSloth(d, KindServiceLevel, "spec.service", version, slos, notes, problems)
		return
	case openslo.Is(d.APIVersion):
		l.keepOpenSLO(d, version)
		return
	case d.APIVersion != manifest.APIVersion:
		l.fail(d.Problem("apiVersion", "%q is not known; this version reads %s, Sloth's %s and %s, and %s", d.APIVersion,
			manifest.APIVersion, slo.SlothVersion, slo.ServiceLevelVersion, openslo.V1))
		return
	}
	if !slices.Contains(kinds, d.Kind) {
		l.fail(d.Problem("kind", "%q is not known; the kinds are %s", d.Kind, strings.Join(kinds, ", ")))
		return
	}
	name := nameOf(d)
	if !l.claim(d, d.Kind, name) {
		return
	}
	l.fail(l.read(d, version)...)
	l.records = append(l.records, recordOf(d, d.Kind, name))
}

// nameOf is the name under which a document is kept: metadata.name, and for an SLO its id, since two services may each
// have an SLO named availability.
func nameOf(d manifest.Document) string {
	if service := d.Node("spec.service"); d.Kind == KindSLO && service != nil && service.Kind == yaml.ScalarNode {
		return service.Value + "-" + d.Metadata.Name
	}
	return d.Metadata.Name
}

// read decodes the document into the catalog and notes what it refers to.
func (l *loader) read(d manifest.Document, version int) manifest.Problems {
	name := d.Metadata.Name
	switch d.Kind {
	case KindService:
		s, problems := alerting.ReadService(d)
		l.catalog.services[name] = s
		l.refer(d, reference{"spec.policy", KindPolicy, s.Policy}, reference{"spec.runbook", "runbook", s.Runbook})
		return problems
	case KindSLO:
		s, problems := slo.ReadSLO(d)
		l.claimSLO(d, s, version)
		l.refer(d, reference{"spec.service", KindService, s.Service}, reference{"spec.alerting.policy", KindPolicy, s.Alerting.Policy},
			reference{"spec.alerting.runbook", "runbook", s.Alerting.Runbook})
		return problems
	case KindPolicy:
		return l.addPolicy(d)
	case KindTenant:
		c, problems := slo.ReadContract(d)
		l.catalog.contracts[name] = Contract{c, version}
		for i, p := range c.Promises {
			l.refer(d, reference{fmt.Sprintf("spec.promises.%d.slo", i), KindSLO, p.SLO})
		}
		return problems
	case KindWorkload:
		w, problems := autoscale.ReadWorkload(d)
		l.catalog.workloads[name] = w
		l.refer(d, reference{"spec.service", KindService, w.Service})
		return problems
	case KindCap:
		b, problems := cost.ReadBudget(d)
		l.catalog.caps[name] = b
		return problems
	case KindBudget:
		return l.addBudgetPolicy(d)
	case KindHook:
		return l.addIntegration(d)
	case KindReview, KindTemplate:
		return l.addPostmortem(d)
	case KindInhibit, KindWindow, KindRoute, KindHeartbeat:
		return l.addAlerting(d)
	case KindSchedule:
		return l.addSchedule(d, version)
	case incidents.ChannelKind:
		c, problems := incidents.ReadChannel(d)
		l.catalog.channels[name] = c
		return problems
	case runbooks.Kind, runbooks.SourceKind:
		return l.addRunbook(d)
	case incidents.SeverityMatrixKind:
		return l.addMatrix(d)
	case incidents.AudienceKind:
		return l.addAudience(d)
	case vendors.Kind:
		return l.addTracker(d)
	default:
		p, problems := cost.ReadPriceSheet(d)
		l.catalog.prices[name] = p
		return problems
	}
}

func (l *loader) addAudience(d manifest.Document) manifest.Problems {
	a, problems := incidents.ReadAudience(d)
	l.catalog.audiences[a.Name] = a
	for n, service := range a.Services {
		l.refer(d, reference{fmt.Sprintf("spec.services.%d", n), promised, service})
	}
	for n, tenant := range a.Tenants {
		l.refer(d, reference{fmt.Sprintf("spec.tenants.%d", n), KindTenant, tenant})
	}
	return problems
}

// addMatrix reads the matrix that rates incidents, of which there is one at most.
func (l *loader) addMatrix(d manifest.Document) manifest.Problems {
	m, problems := incidents.ReadMatrix(d)
	if l.matrix != nil {
		return append(problems, d.Problem("kind", "is the second %s; the first is %s at %s:%d, keep one", d.Kind, l.matrix.Metadata.Name, l.matrix.File, l.matrix.Line))
	}
	l.matrix, l.catalog.matrix = &d, m
	return problems
}

// claim notes that the document defines kind/name, and reports a second definition of it.
func (l *loader) claim(d manifest.Document, kind, name string) bool {
	if first, again := l.seen[key(kind, name)]; again {
		l.fail(d.Problem("metadata.name", "%s %s is already defined at %s:%d; keep one or rename it", kind, name, first.File, first.Line))
		return false
	}
	l.seen[key(kind, name)] = d
	return true
}

// claimSLO puts the SLO into the catalog, and with it an SLO for each of its further objectives; two documents must not
// make the same id, whatever their formats.
func (l *loader) claimSLO(d manifest.Document, s slo.SLO, version int) {
	if s.ID == "" {
		return // its reader has said why
	}
	for _, one := range s.All() {
		if _, again := l.catalog.slos[one.ID]; again {
			l.fail(d.Problem("metadata.name", "makes the SLO id %s, which is already taken; ids are <service>-<name>", one.ID))
			continue
		}
		l.catalog.slos[one.ID] = slo.Versioned{SLO: one, Version: version}
		l.slos[one.ID] = d
	}
}

func (l *loader) refer(d manifest.Document, refs ...reference) {
	l.docs = append(l.docs, referring{d, refs})
}

func (l *loader) fail(problems ...manifest.Problem) { l.problems = append(l.problems, problems...) }

func (l *loader) references() {
	for _, r := range l.docs {
		for _, ref := range r.refs {
			if ref.name != "" && !l.exists(ref) {
				l.fail(r.doc.Problem(ref.field, "there is no %s named %q; define it in the same files, or apply it first", ref.kind, ref.name))
			}
		}
	}
}

func (l *loader) exists(ref reference) bool {
	var ok bool
	switch ref.kind {
	case KindService:
		_, ok = l.catalog.services[ref.name]
	case KindPolicy:
		_, ok = l.catalog.policies[ref.name]
	case KindSchedule:
		_, ok = l.catalog.schedules[ref.name]
	case KindTemplate:
		ok = l.catalog.hasTemplate(ref.name)
	case KindTenant:
		_, ok = l.catalog.contracts[ref.name]
	case promised:
		ok = l.catalog.HasService(ref.name)
	case KindSLO:
		_, ok = l.catalog.slos[ref.name]
	case runbooks.SourceKind:
		_, ok = l.catalog.sources[ref.name]
	default: // a runbook: a team's, one that ships, or a full URL
		_, ok = l.catalog.runbooks[ref.name]
		ok = ok || strings.HasPrefix(ref.name, "https://") || strings.HasPrefix(ref.name, "http://") || l.runbook(ref.name)
	}
	return ok
}

// LoadSLOs reads the SLOs of files of every format alone, without asking that what they refer to is there. Documents of
// other kinds are passed over. Further objectives stand with their SLO, which writes their rules, and are not returned
// for themselves.
func LoadSLOs(files []manifest.File) ([]slo.SLO, manifest.Problems) {
	slos, notes, problems := LoadSLOsNoting(files)
	problems = append(problems, notes.Blocking()...)
	if len(slos) == 0 && len(problems) == 0 {
		problems = append(problems, manifest.Problem{File: files[0].Name, Message: "holds no SLO"})
	}
	return slos, problems
}

// LoadSLOsNoting is LoadSLOs for those who go on without the SLOs that cannot be counted; the notes say which.
func LoadSLOsNoting(files []manifest.File) ([]slo.SLO, slo.Notes, manifest.Problems) {
	l := newLoader(nil)
	for _, f := range files {
		docs, problems := manifest.Read(f)
		l.fail(problems...)
		for _, d := range docs {
			if d.Kind == KindSLO || d.APIVersion != manifest.APIVersion {
				l.add(d, 0)
			}
		}
	}
	l.addOpenSLO()
	var slos []slo.SLO
	for _, v := range l.catalog.SLOs() {
		if v.SLO.Of == "" {
			slos = append(slos, v.SLO)
		}
	}
	return slos, l.notes, l.problems
}
