package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

var phones = incidents.Channels{"phone": {Name: "phone", Way: incidents.BySMS, Telephone: incidents.TwilioTarget{
	From: "+15005550006", Account: "AC1", Token: incidents.Secret{Env: "T"}}}}

// somebody is a person who signs in.
func somebody(t *testing.T, db *postgres.DB, name string) access.Principal {
	t.Helper()
	u := must(db.CreateUser(context.Background(), operator, postgres.User{Email: name + "@example.com", Role: access.Responder}, "correct horse battery"))(t)
	return access.Principal{ID: "user:" + u.ID, Name: u.Email, Role: u.Role}
}

func sms(number string) postgres.ContactMethod {
	return postgres.ContactMethod{Name: "mobile", Way: incidents.BySMS, Address: number}
}

func TestAPersonIsCalledByVerifiedWaysAndTheirRules(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	db.UseChannels(func() incidents.Channels { return phones })
	ana := somebody(t, db, "ana")
	m, code, err := db.AddMethod(ctx, ana, "", sms("+4915112345678"))
	if err != nil || len(code) != 6 {
		t.Fatal(code, err)
	}
	called := func() string {
		t.Helper()
		r := must(db.WhoIsCalled(ctx, []incidents.Target{{User: ana.Name}}))(t)
		var ways []string
		for _, n := range r.People[ana.Name].Notices(incidents.HighUrgency, noon) {
			ways = append(ways, fmt.Sprint(n.At.Sub(noon), " ", n.Target))
		}
		return strings.Join(ways, "; ")
	}
	if got := called(); got != "0s e-mail to ana@example.com" {
		t.Errorf("before it is verified she is called by %s", got)
	}
	if err := db.VerifyMethod(ctx, ana, "", m.ID, "no"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong code: %v", err)
	}
	if err := db.VerifyMethod(ctx, ana, "", m.ID, " "+code+" "); err != nil {
		t.Fatal(err)
	}
	if got := called(); got != "0s SMS to +4915112345678" {
		t.Errorf("then by %s", got)
	}
	if err := db.SetRules(ctx, ana, "", []incidents.Rule{{Urgency: incidents.HighUrgency, Method: m.ID}, {Urgency: incidents.HighUrgency, Delay: 5 * time.Minute, Method: m.ID}}); err != nil {
		t.Fatal(err)
	}
	if got := called(); got != "0s SMS to +4915112345678; 5m0s SMS to +4915112345678" {
		t.Errorf("by her rules %s", got)
	}
	if at := must(db.PersonAt(ctx, "+4915112345678"))(t); at != ana.Name || must(db.PersonAt(ctx, "+4915100000000"))(t) != "" {
		t.Errorf("at her telephone is %q", at)
	}
	if err := db.RemoveMethod(ctx, ana, "", m.ID); err != nil {
		t.Fatal(err)
	}
	if r := must(db.Reachability(ctx, ana, ""))(t); len(r.Methods)+len(r.Rules) != 0 || called() != "0s e-mail to ana@example.com" {
		t.Errorf("without it %+v", r)
	}
}

func TestACodeIsGuessedFiveTimesAtMost(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	db.UseChannels(func() incidents.Channels { return phones })
	ana, bo := somebody(t, db, "ana"), somebody(t, db, "bo")
	m, code, err := db.AddMethod(ctx, ana, "", sms("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := db.VerifyMethod(ctx, ana, "", m.ID, "guess"); !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
	}
	if err := db.VerifyMethod(ctx, ana, "", m.ID, code); !fault.Is(err, fault.Invalid) {
		t.Errorf("the sixth try: %v", err)
	}
	_, code, err = db.RenewCode(ctx, ana, "", m.ID)
	if err != nil {
		t.Fatal(err)
	}
	do(t, conn, "update contact_methods set code_until = now() - interval '1 second'")
	if err := db.VerifyMethod(ctx, ana, "", m.ID, code); !fault.Is(err, fault.Invalid) {
		t.Errorf("too late: %v", err)
	}
	_, code, _ = db.RenewCode(ctx, ana, "", m.ID)
	if err := db.VerifyMethod(ctx, ana, "", m.ID, code); err != nil {
		t.Fatal(err)
	}
	n, code, err := db.AddMethod(ctx, bo, "", sms("+4915112345678"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.VerifyMethod(ctx, bo, "", n.ID, code); !fault.Is(err, fault.Conflict) {
		t.Errorf("somebody else's number: %v", err)
	}
	if _, _, err := db.AddMethod(ctx, ana, "", sms("+4915112345678")); !fault.Is(err, fault.Conflict) {
		t.Errorf("the same number twice: %v", err)
	}
}

func TestWaysToBeReachedAreOnesOwn(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	ana, bo := somebody(t, db, "ana"), somebody(t, db, "bo")
	if _, err := db.Reachability(ctx, ana, bo.Name); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a responder reads another's: %v", err)
	}
	if err := db.SetQuiet(ctx, operator, bo.Name, "Europe/Berlin", []incidents.Quiet{{From: 22 * time.Hour, To: 7 * time.Hour}}); err != nil {
		t.Errorf("an admin: %v", err)
	}
	if r := must(db.Reachability(ctx, bo, ""))(t); r.Zone != "Europe/Berlin" || len(r.Quiet) != 1 {
		t.Errorf("%+v", r)
	}
	if err := db.SetQuiet(ctx, bo, "", "Mars/Phobos", nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a zone that is none: %v", err)
	}
	if _, err := db.Reachability(ctx, access.Principal{ID: "user:x", Name: "x@acme.example", Role: access.Admin, Tenant: "acme"}, ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a tenant's person: %v", err)
	}
	if _, err := db.Reachability(ctx, access.Principal{ID: "token:x", Name: "ci", Role: access.Admin}, ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("a token: %v", err)
	}
}
