package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

var gatherer = access.System("evidence")

func kept(kind incidents.ExhibitKind, private bool) incidents.Exhibit {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	budget := 0.5
	return incidents.Exhibit{Moment: incidents.AtOpening, Kind: kind, From: at.Add(-time.Hour), To: at, Outcome: incidents.ExhibitKept,
		Seen: 1, Private: private, Content: incidents.ExhibitContent{Budget: &budget, Lines: []incidents.LogLine{{At: at, Text: "boom \"x\""}}}}
}

func TestOpeningAnIncidentQueuesItsEvidenceAndResolvingItMore(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	receive(t, db, troubles("shop", 0, 1)...)
	i := openIncidents(t, db)[0]
	for _, kind := range incidents.ExhibitKinds {
		jobs := must(db.ClaimExhibits(ctx, kind, time.Minute, 10))(t)
		if len(jobs) != 1 || jobs[0].Incident.ID != i.ID || jobs[0].Moment != incidents.AtOpening || jobs[0].Tries != 1 {
			t.Fatalf("%s: %+v", kind, jobs)
		}
		if again := must(db.ClaimExhibits(ctx, kind, time.Minute, 10))(t); len(again) != 0 {
			t.Errorf("%s is claimed twice: %+v", kind, again)
		}
		if err := db.KeepExhibits(ctx, gatherer, jobs[0], []incidents.Exhibit{kept(kind, kind != incidents.ExhibitSLO)}); err != nil {
			t.Fatal(err)
		}
		if err := db.KeepExhibits(ctx, gatherer, jobs[0], []incidents.Exhibit{kept(kind, true)}); err != nil {
			t.Errorf("ended twice: %v", err)
		}
	}
	found := must(db.Exhibits(ctx, access.Operator(), i.ID))(t)
	if len(found) != 4 || *found[0].Content.Budget != 0.5 || found[1].Content.Lines[0].Text != "boom \"x\"" {
		t.Errorf("kept %+v", found)
	}
	records := must(db.Audit(ctx, access.Principal{ID: "user:ad", Role: access.Admin}, postgres.AuditFilter{Action: "incident.evidence"}))(t)
	if len(records) != 4 || records[0].Object != "incident/"+i.ID {
		t.Errorf("audit records: %+v", records)
	}
	must(db.Resolve(ctx, responder, i.ID, "over"))(t)
	jobs := must(db.ClaimExhibits(ctx, incidents.ExhibitSLO, time.Minute, 10))(t)
	if len(jobs) != 1 || jobs[0].Moment != incidents.AtResolution {
		t.Errorf("at the resolution: %+v", jobs)
	}
}

func TestEvidenceIsNeverChangedAndATenantSeesItsOwnThatIsNotPrivate(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	id := value[string](t, conn, addIncidentSQL, "acme", "Trouble", "shop", time.Now(), nil, `{}`)
	for _, kind := range []incidents.ExhibitKind{incidents.ExhibitSLO, incidents.ExhibitLogs} {
		job := must(db.ClaimExhibits(ctx, kind, time.Minute, 10))(t)[0]
		if err := db.KeepExhibits(ctx, gatherer, job, []incidents.Exhibit{kept(kind, kind == incidents.ExhibitLogs)}); err != nil {
			t.Fatal(err)
		}
	}
	if found := must(db.Exhibits(ctx, access.Tenant("acme"), id))(t); len(found) != 1 || found[0].Kind != incidents.ExhibitSLO {
		t.Errorf("the tenant sees %+v", found)
	}
	if _, err := db.Exhibits(ctx, access.Tenant("globex"), id); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant: %v", err)
	}
	for _, sql := range []string{"update exhibits set seen = 0", "delete from exhibits", "truncate exhibits"} {
		if _, err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("%q is not refused", sql)
		}
	}
}

func TestEvidenceThatFailedIsTriedAgainWhenItsWaitIsOver(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	id := value[string](t, conn, addIncidentSQL, "", "Trouble", "shop", time.Now(), nil, `{}`)
	job := must(db.ClaimExhibits(ctx, incidents.ExhibitLogs, time.Minute, 10))(t)[0]
	if err := db.DelayExhibit(ctx, job, time.Hour); err != nil {
		t.Fatal(err)
	}
	if again := must(db.ClaimExhibits(ctx, incidents.ExhibitLogs, time.Minute, 10))(t); len(again) != 0 {
		t.Errorf("claimed during its wait: %+v", again)
	}
	do(t, conn, "update exhibit_jobs set next_at = now() where kind = 'logs'")
	if again := must(db.ClaimExhibits(ctx, incidents.ExhibitLogs, time.Minute, 10))(t); len(again) != 1 || again[0].Tries != 2 {
		t.Errorf("after its wait: %+v", again)
	}
	if pending := must(db.PendingExhibits(ctx, access.Operator(), id))(t); len(pending) != 4 {
		t.Errorf("pending: %+v", pending)
	}
}

func TestWhatIsTakenOverHasNoEvidenceToGather(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	over := time.Now()
	id := value[string](t, conn, addIncidentSQL, "", "Trouble", "shop", over.Add(-time.Hour), &over, `{}`)
	if pending := must(db.PendingExhibits(context.Background(), access.Operator(), id))(t); len(pending) != 0 {
		t.Errorf("pending: %+v", pending)
	}
}
