package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

var writer = access.Principal{ID: "user:ada", Name: "ada@nines.example", Role: access.Editor}

// drafted returns a postmortem of a resolved incident, written by writer.
func drafted(t *testing.T, db *postgres.DB) incidents.Postmortem {
	t.Helper()
	return draftOf(t, db, resolvedIncident(t, db, "Down"))
}

func resolvedIncident(t *testing.T, db *postgres.DB, name string) incidents.Incident {
	t.Helper()
	ctx := context.Background()
	receive(t, db, alert(name, "critical"))
	i := only(t, db)
	if _, err := db.Acknowledge(ctx, responder, i.ID); err != nil {
		t.Fatal(err)
	}
	i, err := db.Resolve(ctx, responder, i.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func draftOf(t *testing.T, db *postgres.DB, i incidents.Incident) incidents.Postmortem {
	t.Helper()
	p, err := db.AddPostmortem(context.Background(), writer, func(now time.Time) (incidents.Postmortem, error) {
		return incidents.NewPostmortem(incidents.DefaultTemplate(), []incidents.Found{{Incident: i}}, writer.Name, writer.Name, now)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func texts(base int, pairs ...string) incidents.Edit {
	e := incidents.Edit{Base: base, Texts: map[string]string{}}
	for n := 0; n < len(pairs); n += 2 {
		e.Texts[pairs[n]] = pairs[n+1]
	}
	return e
}

func save(t *testing.T, db *postgres.DB, p incidents.Postmortem, e incidents.Edit) incidents.Postmortem {
	t.Helper()
	p, err := db.SavePostmortem(context.Background(), writer, p.ID, e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPostmortemIsStoredWithItsFiguresAndFirstVersion(t *testing.T) {
	t.Parallel()
	db := open(t)
	p := drafted(t, db)
	if p.Number != 1 || p.Version != 1 || p.State != incidents.ReviewDraft || len(p.Incidents) != 1 || p.Section("timeline").Figures == "" {
		t.Errorf("got %+v", p)
	}
	_, err := db.AddPostmortem(context.Background(), writer, func(now time.Time) (incidents.Postmortem, error) {
		p.Incidents[0].Tenant = ""
		return p, nil
	})
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("a second postmortem of the incident: %v", err)
	}
}

func TestTwoEditorsOfOneSectionBothKeepTheirWords(t *testing.T) {
	t.Parallel()
	db := open(t)
	p := drafted(t, db)
	var wait sync.WaitGroup
	errs := make([]error, 2)
	for n := range errs {
		wait.Add(1)
		go func() {
			defer wait.Done()
			_, errs[n] = db.SavePostmortem(context.Background(), writer, p.ID, texts(1, "trigger", fmt.Sprintf("words of editor %d", n)))
		}()
	}
	wait.Wait()
	won := 0
	if errs[0] != nil {
		won = 1
	}
	if errs[won] != nil || !fault.Is(errs[1-won], fault.Conflict) {
		t.Fatalf("one has to win and the other to be told: %v, %v", errs[0], errs[1])
	}
	var lost *fault.Error
	errors.As(errs[1-won], &lost)
	want := []fault.Detail{{Where: "trigger.theirs", Message: fmt.Sprintf("words of editor %d", won)}, {Where: "trigger.yours", Message: fmt.Sprintf("words of editor %d", 1-won)}}
	if fmt.Sprint(lost.Details) != fmt.Sprint(want) {
		t.Errorf("got %v", lost.Details)
	}
	versions, err := db.PostmortemVersions(context.Background(), writer, p.ID)
	if err != nil || len(versions) != 2 {
		t.Errorf("%d versions, %v", len(versions), err)
	}
}

func TestEditsOfDifferentSectionsAreJoined(t *testing.T) {
	t.Parallel()
	db := open(t)
	p := drafted(t, db)
	save(t, db, p, texts(1, "trigger", "a deploy"))
	p = save(t, db, p, texts(1, "trigger", "", "well", "the alert")) // a whole form, with the trigger as it was
	if p.Version != 3 || p.Section("trigger").Text != "a deploy" || p.Section("well").Text != "the alert" {
		t.Errorf("version %d: %+v", p.Version, p.Sections)
	}
	if p = save(t, db, p, texts(3, "well", "the alert")); p.Version != 3 {
		t.Errorf("saving nothing made version %d", p.Version)
	}
	if _, err := db.SavePostmortem(context.Background(), writer, "1", texts(9, "well", "x")); !fault.Is(err, fault.Invalid) {
		t.Errorf("an edit of a version that is not there: %v", err)
	}
}

func TestFiguresAreRefreshedAndWordsAreKept(t *testing.T) {
	t.Parallel()
	db := open(t)
	i := resolvedIncident(t, db, "Down")
	p := save(t, db, draftOf(t, db, i), texts(1, "timeline", "and *then*\n\nit was over"))
	events, err := db.Timeline(context.Background(), access.Operator(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	p, err = db.RefreshPostmortem(context.Background(), writer, p.ID, []incidents.Found{{Incident: i, Events: events}})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Section("timeline")
	if p.Version != 3 || s.Text != "and *then*\n\nit was over" || !strings.Contains(s.Figures, "Acknowledged") {
		t.Errorf("version %d: %+v", p.Version, s)
	}
}

func TestAPostmortemGoesThroughItsReview(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	p := drafted(t, db)
	move := func(who access.Principal, step incidents.ReviewStep, reason string, want fault.Kind) {
		t.Helper()
		after, err := db.MovePostmortem(ctx, who, p.ID, step, reason)
		if want == 0 && err == nil {
			p = after
			return
		}
		if !fault.Is(err, want) {
			t.Errorf("%s by %s: %v", step, who.Name, err)
		}
	}
	move(writer, incidents.StepSubmit, "", fault.Invalid)
	p = save(t, db, p, texts(1, "summary", "it was down", "root-causes", "a bug", "trigger", "a deploy"))
	move(writer, incidents.StepSubmit, "", fault.Invalid) // no action item
	if _, err := db.AddActionItem(ctx, writer, "1", incidents.ActionEdit{Title: ptr("test restores"), Owner: ptr("Bob@nines.example")}); err != nil {
		t.Fatal(err)
	}
	move(writer, incidents.StepSubmit, "", 0)
	move(writer, incidents.StepApprove, "", fault.Forbidden)
	move(responder, incidents.StepReturn, "", fault.Invalid)
	move(responder, incidents.StepReturn, "the trigger is not clear", 0)
	move(responder, incidents.StepApprove, "", fault.Conflict)
	move(writer, incidents.StepSubmit, "", 0)
	move(responder, incidents.StepApprove, "", 0)
	if p.State != incidents.Reviewed || p.ReviewedBy != responder.Name {
		t.Errorf("got %+v", p)
	}
	move(writer, incidents.StepClose, "", 0)
	if _, err := db.SavePostmortem(ctx, writer, p.ID, texts(2, "trigger", "x")); !fault.Is(err, fault.Conflict) {
		t.Errorf("a closed one was edited: %v", err)
	}
	comments, err := db.PostmortemComments(ctx, writer, p.ID)
	if err != nil || len(comments) != 5 || comments[1].Text != "the trigger is not clear" || comments[1].Step != "return" {
		t.Errorf("got %+v, %v", comments, err)
	}
}

func ptr[T any](v T) *T { return &v }

func TestATenantSeesWhatWasPublishedToIt(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	a := alert("Down", "critical")
	a.Labels["tenant"] = "acme"
	receive(t, db, a)
	i := only(t, db)
	p := save(t, db, draftOf(t, db, i), texts(1, "summary", "it was down", "root-causes", "a bug", "trigger", "a deploy"))
	if p.Tenant != "acme" {
		t.Fatalf("tenant %q", p.Tenant)
	}
	if _, err := db.Postmortem(ctx, acme.Scope(), "1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("not published, and acme got %v", err)
	}
	if _, err := db.PublishPostmortem(ctx, writer, "1", true); !fault.Is(err, fault.Conflict) {
		t.Errorf("a draft was published: %v", err)
	}
	do(t, conn, "update postmortems set state = 'reviewed', reviewed_at = now(), reviewed_by = 'x'")
	if _, err := db.PublishPostmortem(ctx, writer, "1", true); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Postmortem(ctx, acme.Scope(), "1"); err != nil || len(got.Incidents) != 1 {
		t.Errorf("published, and acme got %+v, %v", got, err)
	}
	if _, err := db.Postmortem(ctx, globex.Scope(), "1"); !fault.Is(err, fault.NotFound) {
		t.Errorf("globex got %v", err)
	}
	if _, err := db.ActionItems(ctx, acme, incidents.ActionFilter{}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("acme asked for action items and got %v", err)
	}
	if _, err := db.SavePostmortem(ctx, acme, "1", texts(2, "trigger", "x")); !fault.Is(err, fault.Forbidden) {
		t.Errorf("acme edited: %v", err)
	}
}

func TestPostmortemsAreFoundByTheirWords(t *testing.T) {
	t.Parallel()
	db := open(t)
	save(t, db, drafted(t, db), texts(1, "root-causes", "The connection pool was exhausted by retries."))
	for query, want := range map[string]int{"connection pools": 1, "exhausting retry": 1, "kafka": 0, `"pool was exhausted"`: 1, "' or 1=1 --": 0} {
		found, err := db.Postmortems(context.Background(), access.Operator(), incidents.PostmortemFilter{Query: query})
		if err != nil || len(found) != want {
			t.Errorf("%q found %d, %v", query, len(found), err)
		}
	}
}
