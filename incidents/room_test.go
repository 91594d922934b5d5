package incidents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"pgregory.net/rapid"
)

var (
	anna = incidents.Actor{ID: "user:1", Name: "ana@nines.example"}
	bob  = incidents.Actor{ID: "user:2", Name: "bo@nines.example"}

	callsMia = incidents.Policy{Name: "mia", Steps: []incidents.Step{{Targets: []incidents.Target{mail("mia")}}}}
	callsNia = incidents.Policy{Name: "nia", Steps: []incidents.Step{{Targets: []incidents.Target{mail("nia")}}}}
)

// opened is an incident of a severity that pages by a policy.
func opened(id string, number int64, s incidents.Severity, p incidents.Policy) incidents.Incident {
	i := incidents.Open(signal(s, p), incidents.Roster{}, id, t0).Incident
	i.Number = number
	return i
}

func TestTheMatrixSaysTheLevel(t *testing.T) {
	t.Parallel()
	var m incidents.Matrix
	for _, c := range []struct {
		severity incidents.Severity
		impact   incidents.ImpactScope
		want     incidents.Level
	}{
		{incidents.Critical, incidents.ImpactEveryone, 1}, {incidents.Critical, incidents.ImpactUnknown, 2}, {incidents.Critical, "", 2},
		{incidents.Error, incidents.ImpactUnknown, 3}, {incidents.Warning, incidents.ImpactOne, 4}, {incidents.Info, incidents.ImpactInternal, 5},
		{"none", incidents.ImpactEveryone, 0},
	} {
		if got := m.Level(c.severity, c.impact); got != c.want {
			t.Errorf("%s for %s is %s, want %s", c.severity, c.impact, got, c.want)
		}
	}
}

func TestAMatrixIsReadAndItsProblemsAreNamed(t *testing.T) {
	t.Parallel()
	read := func(spec string) (incidents.Matrix, manifest.Problems) {
		return incidents.ReadMatrix(readOne(t, "apiVersion: nines/v1\nkind: SeverityMatrix\nmetadata: {name: levels}\nspec: "+spec))
	}
	m, problems := read("{critical: {one: SEV1, many: SEV1}, info: {unknown: sev4}}")
	if len(problems) > 0 || m.Level(incidents.Critical, incidents.ImpactOne) != 1 || m.Level(incidents.Info, "") != 4 || m.Level(incidents.Error, "") != 3 {
		t.Errorf("%v %+v", problems, m)
	}
	for spec, want := range map[string]string{
		"{critical: {all: SEV1}}":                          `"all" is no impact`,
		"{critical: {one: P1}}":                            `"P1" is no level`,
		"{critical: {one: SEV6}}":                          `"SEV6" is no level`,
		"{critical: {everyone: SEV3}}":                     "spec.critical.many",
		"{error: {everyone: SEV1, many: SEV1, one: SEV1}}": "spec.error.one",
		"{fatal: {one: SEV1}}":                             "fatal",
	} {
		_, problems := read(spec)
		if len(problems) == 0 || !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%s: %v; want %q", spec, problems, want)
		}
	}
}

func FuzzReadMatrix(f *testing.F) {
	f.Add("apiVersion: nines/v1\nkind: SeverityMatrix\nmetadata: {name: a}\nspec: {critical: {one: SEV1}}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
		for _, d := range docs {
			m, problems := incidents.ReadMatrix(d)
			if len(problems) > 0 {
				continue
			}
			for _, impact := range incidents.ImpactScopes() {
				if !m.Level(incidents.Critical, impact).Valid() || m.Level(incidents.Info, impact).WorseThan(m.Level(incidents.Critical, impact)) && impact != incidents.ImpactUnknown {
					t.Errorf("%s: %+v", impact, m)
				}
			}
		}
	})
}

func TestLevelsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]incidents.Level{"SEV1": 1, "sev5": 5, " 3 ": 3, "SEV0": 0, "SEV12": 0, "": 0, "P1": 0, "SEV-1": 0} {
		if got, ok := incidents.ParseLevel(text); ok != (want != 0) || ok && got != want {
			t.Errorf("%q is %d, %t", text, got, ok)
		}
	}
}

// TestRatingNeverLowersWhoIsPaged says of every level and impact what becomes of the severity and of paging.
func TestRatingNeverLowersWhoIsPaged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := opened("i1", 1, genSeverity.Draw(t, "severity"), callsMia)
		if rapid.Bool().Draw(t, "acknowledged") {
			c, err := i.Acknowledge(bob, nil, t0)
			if err != nil {
				t.Fatal(err)
			}
			i = c.Incident
		}
		want := incidents.Rating{Level: incidents.Level(rapid.IntRange(1, 5).Draw(t, "level"))}
		c, err := i.Rate(anna, want, incidents.Matrix{}, callsMia, incidents.Roster{}, t0.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		after := c.Incident
		switch {
		case i.Severity.WorseThan(after.Severity):
			t.Fatalf("severity sank from %s to %s", i.Severity, after.Severity)
		case len(c.Events) > 0 && (after.Level != want.Level || after.RatedBy != anna.Name):
			t.Fatalf("rated %s by %q", after.Level, after.RatedBy)
		case after.Severity.Pages() && after.Step == 0 && after.NextEscalationAt == nil && after.State == incidents.Triggered:
			t.Fatal("it pages by its level and nobody is paged")
		case i.Severity.Pages() && after.State != i.State:
			t.Fatalf("who was paged and acknowledged is paged anew: %s", after.State)
		}
	})
}

func TestWhatCannotBeRatedOrCastIsNamed(t *testing.T) {
	t.Parallel()
	i := opened("i1", 7, incidents.Critical, callsMia)
	for _, r := range []incidents.Rating{{}, {Level: 6}, {Level: -1}, {Impact: "all"}} {
		if _, err := i.Rate(anna, r, incidents.Matrix{}, callsMia, incidents.Roster{}, t0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	cast := func(i incidents.Incident, role incidents.Role, person, from string) (incidents.Incident, error) {
		c, err := i.Cast(anna, incidents.Casting{Role: role, Person: person, From: from}, t0)
		return c.Incident, err
	}
	i, err := cast(i, incidents.Commander, "Ana@Nines.Example", "")
	if err != nil || i.Roles[incidents.Commander] != "ana@nines.example" {
		t.Fatalf("%v, %v", i.Roles, err)
	}
	for name, c := range map[string]struct {
		role         incidents.Role
		person, from string
		kind         fault.Kind
	}{
		"taken by somebody else": {incidents.Commander, "bo@nines.example", "", fault.Conflict},
		"from nobody any more":   {incidents.Scribe, "bo@nines.example", "ana@nines.example", fault.Conflict},
		"no role":                {"boss", "bo@nines.example", "", fault.Invalid},
		"no address":             {incidents.Scribe, "bo", "", fault.Invalid},
	} {
		if _, err := cast(i, c.role, c.person, c.from); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if i, err = cast(i, incidents.Commander, "", "ana@nines.example"); err != nil || len(i.Roles) != 0 {
		t.Errorf("left to nobody: %v, %v", i.Roles, err)
	}
}

func TestADeclarationNeedsWordsAndSaysWhoIsCalled(t *testing.T) {
	t.Parallel()
	good := incidents.Declaration{Title: "  Checkout\nfails ", Severity: incidents.Warning, Impact: incidents.ImpactEveryone}
	d, err := good.Check(incidents.Matrix{})
	if err != nil || d.Title != "Checkout fails" || d.Level != 3 || d.Severity != incidents.Error {
		t.Errorf("%+v, %v", d, err)
	}
	for field, change := range map[string]func(*incidents.Declaration){
		"title":      func(d *incidents.Declaration) { d.Title = " " },
		"severity":   func(d *incidents.Declaration) { d.Severity = "" },
		"impact":     func(d *incidents.Declaration) { d.Impact = "all" },
		"level":      func(d *incidents.Declaration) { d.Level = 9 },
		"summary":    func(d *incidents.Declaration) { d.Summary = strings.Repeat("a", 4001) },
		"runbookUrl": func(d *incidents.Declaration) { d.Runbook = "javascript:alert(1)" },
		"commander":  func(d *incidents.Declaration) { d.Commander = "cora" },
	} {
		d := good
		change(&d)
		if _, err := d.Check(incidents.Matrix{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestMergingLosesNoPage merges any two incidents and asks that what pages goes on paging somebody, or is somebody's.
func TestMergingLosesNoPage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lived := func(name string, number int64, p incidents.Policy) incidents.Incident {
			i := opened(name, number, genSeverity.Draw(t, name), p)
			if rapid.Bool().Draw(t, name+" acknowledged") {
				c, err := i.Acknowledge(bob, nil, t0)
				if err != nil {
					t.Fatal(err)
				}
				i = c.Incident
			}
			return i
		}
		into, source := lived("i1", 1, callsMia), lived("i2", 2, callsNia)
		if rapid.Bool().Draw(t, "calm") {
			into = into.AlertEnded(signal(incidents.Critical, callsMia), 0, t0).Incident
		}
		moved := rapid.IntRange(0, 2).Draw(t, "moved")
		target, from, err := into.Merge(anna, source, "same", moved, []incidents.Target{mail("nia")}, incidents.Roster{}, t0.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		i := target.Incident
		switch {
		case from.Incident.State != incidents.Resolved || from.Incident.MergedInto != "i1" || len(from.Pages) != 1 || !from.CancelPages:
			t.Fatalf("source: %+v", from)
		case i.Severity != worse(into.Severity, source.Severity) || source.Level.WorseThan(i.Level) || into.Level.WorseThan(i.Level):
			t.Fatalf("severity %s, level %s of %s and %s", i.Severity, i.Level, into.Severity, source.Severity)
		case moved > 0 && i.ResolveAt != nil:
			t.Fatal("it is about to be resolved while alerts of it fire")
		case i.Severity.Pages() && i.State == incidents.Triggered && i.Step == 0 && i.ResolveAt == nil:
			t.Fatal("it pages by its severity and nobody was paged")
		case i.State == incidents.Acknowledged && i.Severity.Pages() && !into.Severity.Pages():
			t.Fatal("an acknowledgement of a ticket counts for an outage")
		}
		if _, _, err := i.Merge(anna, from.Incident, "", 0, nil, incidents.Roster{}, t0); !fault.Is(err, fault.Conflict) {
			t.Fatalf("merged twice: %v", err)
		}
	})
}

func worse(a, b incidents.Severity) incidents.Severity {
	if a.WorseThan(b) {
		return a
	}
	return b
}

func TestASplitIncidentIsSomebodysOrPages(t *testing.T) {
	t.Parallel()
	i := opened("i1", 1, incidents.Critical, callsMia)
	s := incidents.Splitting{Alerts: []incidents.Signal{signal(incidents.Error, callsNia)}, Rest: 1}
	_, split, err := i.Split(anna, s, incidents.Roster{}, "i2", t0.Add(time.Minute))
	if err != nil || split.Incident.Level != 3 || split.Incident.Policy.Name != "mia" || len(split.Pages) != 1 {
		t.Errorf("triggered: %+v, %v", split, err)
	}
	timed := callsMia
	timed.AcknowledgeTimeout, timed.AutoResolve = time.Hour, 2*time.Hour
	i = opened("i1", 1, incidents.Critical, timed)
	c, err := i.Acknowledge(bob, nil, t0)
	if err != nil {
		t.Fatal(err)
	}
	_, split, err = c.Incident.Split(anna, s, incidents.Roster{}, "i2", t0.Add(time.Minute))
	n := split.Incident
	if err != nil || n.State != incidents.Acknowledged || n.AcknowledgedBy != anna.Name || len(split.Pages) != 0 || n.ReturnAt == nil || n.AutoResolveAt == nil {
		t.Errorf("acknowledged: %+v, %v", split, err)
	}
	if d := n.Damage(incidents.AuditFacts{}, time.Minute, t0.Add(2*time.Minute)); d != incidents.NoDamage {
		t.Errorf("the auditor finds %s", d)
	}
}

func TestAnUpdateFitsWhereTheIncidentStands(t *testing.T) {
	t.Parallel()
	i := opened("i1", 1, incidents.Critical, callsMia)
	say := func(i incidents.Incident, s incidents.Statement) error {
		_, _, err := i.Tell(anna, s, 1, t0)
		return err
	}
	c, u, err := i.Tell(anna, incidents.Statement{Phase: incidents.Identified, Text: " It is the cache. ", NextIn: time.Hour}, 3, t0)
	if err != nil || u.Text != "It is the cache." || u.Number != 3 || !c.Incident.UpdateDue.Equal(t0.Add(time.Hour)) || c.Incident.Phase != incidents.Identified {
		t.Errorf("%+v, %v", u, err)
	}
	for name, s := range map[string]incidents.Statement{
		"no phase": {Phase: "gone", Text: "x"}, "no text": {Phase: incidents.Identified, Text: " "},
		"long": {Phase: incidents.Identified, Text: strings.Repeat("a", 4001)}, "soon": {Phase: incidents.Identified, Text: "x", NextIn: time.Second},
	} {
		if err := say(i, s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := say(i, incidents.Statement{Phase: incidents.Over, Text: "over"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("over while open: %v", err)
	}
	done, err := c.Incident.Resolve(anna, "rolled back", nil, t0.Add(time.Minute))
	if err != nil || done.Incident.UpdateDue != nil || !done.Incident.Silent() {
		t.Errorf("resolved: %+v, %v", done.Incident, err)
	}
	if err := say(done.Incident, incidents.Statement{Phase: incidents.Monitoring, Text: "x"}); !fault.Is(err, fault.Conflict) {
		t.Errorf("monitoring when over: %v", err)
	}
	end, u, ok := done.Incident.TellEnd(true, 4, t0.Add(time.Hour))
	if !ok || u.Phase != incidents.Over || !u.Public || end.Incident.Silent() {
		t.Errorf("the end: %+v, %t", u, ok)
	}
}

func TestWhatSubscribersHear(t *testing.T) {
	t.Parallel()
	i := incidents.Incident{ID: "i1", Tenant: "acme", Service: "shop", Level: 2}
	public, internal := incidents.StatusUpdate{Public: true}, incidents.StatusUpdate{}
	for _, c := range []struct {
		s                incidents.Subscriber
		public, internal bool
	}{
		{incidents.Subscriber{}, true, true},
		{incidents.Subscriber{PublicOnly: true}, true, false},
		{incidents.Subscriber{Tenant: "acme"}, true, false},
		{incidents.Subscriber{Tenant: "globex"}, false, false},
		{incidents.Subscriber{Service: "shop", Level: 2}, true, true},
		{incidents.Subscriber{Service: "mail"}, false, false},
		{incidents.Subscriber{Level: 1}, false, false},
		{incidents.Subscriber{Incident: "i1"}, true, true},
		{incidents.Subscriber{Incident: "i2"}, false, false},
	} {
		if c.s.Hears(i, public) != c.public || c.s.Hears(i, internal) != c.internal {
			t.Errorf("%+v hears public %t, internal %t", c.s, c.s.Hears(i, public), c.s.Hears(i, internal))
		}
	}
}

func TestALetterHasNoLineOfSomebodyElsesMaking(t *testing.T) {
	t.Parallel()
	u := incidents.StatusUpdate{Phase: incidents.Identified, Text: "We know.", Number: 2, At: t0}
	subject, text := u.Letter(incidents.Incident{Number: 4, Level: 1, Title: "Down\r\nBcc: all@x.example", Service: "shop", StartedAt: t0}, "https://n.example", "/unsubscribe/7")
	if subject != "[identified] SEV1 #4 Down Bcc: all@x.example" || !strings.Contains(text, "https://n.example/unsubscribe/7") {
		t.Errorf("%q\n%s", subject, text)
	}
}
