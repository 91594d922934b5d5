package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
)

func TestTheHistoryOfAlertsHasWhatChangedAndNoRepetition(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a := alert("Down", "critical", "service", "shop")
	receive(t, db, a)
	receive(t, db, again(a))
	earlier := again(a)
	earlier.StartsAt = a.StartsAt.Add(-time.Minute)
	receive(t, db, earlier)
	receive(t, db, ended(a))
	receive(t, db, ended(a))
	receive(t, db, again(a))
	if got := happened(t, db, a); got != "fired restarted ended fired " {
		t.Errorf("history: %s", got)
	}
	if _, err := conn.Exec(context.Background(), "delete from alert_events"); err == nil {
		t.Error("what happened today can be removed")
	}
}

func TestTheHistoryIsSearchedByMatchersAndTime(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	var told []alerting.Alert
	for n := range 25 {
		told = append(told, alert("Down", "critical", "service", "shop", "pod", fmt.Sprint(n)), alert("Slow", "error", "service", "cart", "pod", fmt.Sprint(n)))
	}
	receive(t, db, told...)
	began := time.Now()
	for n := range told {
		told[n] = ended(told[n])
	}
	receive(t, db, told...)
	shop := must(alerting.ParseMatchers([]string{`service="shop"`, `pod=~"1.?"`}))(t)
	filter := alerting.HistoryFilter{Matchers: shop, Kinds: []alerting.EventKind{alerting.EventEnded}, From: began.Add(-time.Second), Limit: 4}
	var pods []string
	for pages := 0; ; pages++ {
		page := must(db.AlertHistory(ctx, access.Operator(), filter))(t)
		for _, e := range page.Events {
			if e.Kind != alerting.EventEnded || e.Labels["service"] != "shop" || e.Incident == "" {
				t.Errorf("found %+v", e)
			}
			pods = append(pods, e.Labels["pod"])
		}
		if page.Next == 0 {
			if pages != 2 {
				t.Errorf("%d pages of four for eleven events", pages+1)
			}
			break
		}
		filter.Before = page.Next
	}
	slices.Sort(pods)
	if want := []string{"1", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19"}; !slices.Equal(pods, want) {
		t.Errorf("ended pods %v, want %v", pods, want)
	}
	if page := must(db.AlertHistory(ctx, access.Operator(), alerting.HistoryFilter{To: began.Add(-time.Hour)}))(t); len(page.Events) != 0 {
		t.Errorf("%d events before any", len(page.Events))
	}
	if page := must(db.AlertHistory(ctx, access.Tenant("acme"), alerting.HistoryFilter{}))(t); len(page.Events) != 0 {
		t.Errorf("acme sees %d events of the operator", len(page.Events))
	}
}

func TestOldAlertsAreForgottenAndFiringOnesAreNot(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	old, lasting, fresh := alert("Old", "critical"), alert("Lasting", "critical"), alert("Fresh", "critical")
	receive(t, db, old, lasting)
	receive(t, db, ended(old))
	calm(t, db, conn)
	do(t, conn, "alter table alert_events disable trigger kept_a_day")
	do(t, conn, "update alert_events set at = at - interval '31 days'")
	do(t, conn, "alter table alert_events enable trigger kept_a_day")
	do(t, conn, "update alerts set updated_at = updated_at - interval '31 days'")
	do(t, conn, "update incidents set resolved_at = resolved_at - interval '31 days', opened_at = opened_at - interval '31 days' where state = 'resolved'")
	receive(t, db, fresh)
	if n := must(db.ForgetAlerts(ctx, 30*24*time.Hour))(t); n != 4 {
		t.Errorf("%d rows were forgotten, want three events and one alert", n)
	}
	if names := value[[]string](t, conn, "select array_agg(labels->>'alertname' order by id) from alerts"); !slices.Equal(names, []string{"Lasting", "Fresh"}) {
		t.Errorf("kept: %v", names)
	}
	if len(all(t, db)) != 3 {
		t.Errorf("%d incidents are left, want all three", len(all(t, db)))
	}
	if n := must(db.ForgetAlerts(ctx, 0))(t); n != 0 {
		t.Errorf("%d rows of today were forgotten", n)
	}
}

func TestEachFiringOfAnAlertIsOneRowAndAnEndedOneStaysEnded(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	a, other, unknown := alert("Hello", "critical", "service", "shop"), alert("Hello", "critical", "service", "cart"), alert("Never", "critical")
	changed := again(a)
	changed.Annotations = map[string]string{"summary": "another word for it"}
	for _, batch := range [][]alerting.Alert{{a, a}, {a}, {changed}, {other}, {ended(unknown)}} {
		receive(t, db, batch...)
	}
	rowsOf := func(fingerprint string) int {
		return value[int](t, conn, "select count(*)::int from alerts where fingerprint = $1", fingerprint)
	}
	for name, c := range map[string]struct{ got, want int }{
		"the same told four times": {rowsOf(a.Fingerprint), 1}, "another service's": {rowsOf(other.Fingerprint), 1}, "ended and unknown": {rowsOf(unknown.Fingerprint), 0},
		"incidents": {len(all(t, db)), 2}, "pages": {pagesSent(t, conn), 2}, "events": {value[int](t, conn, "select count(*)::int from alert_events"), 2},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	receive(t, db, ended(a))
	receive(t, db, ended(a))
	receive(t, db, again(a))
	if n, open := rowsOf(a.Fingerprint), value[int](t, conn, "select count(*)::int from alerts where fingerprint = $1 and open", a.Fingerprint); n != 2 || open != 1 {
		t.Errorf("after it ended and fired again there are %d rows, %d of them open", n, open)
	}
}

func TestOldTestsOfContactsAreForgottenButTheLast(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	for range 3 {
		if err := begin(db, operator, ntfy("a")); err != nil {
			t.Fatal(err)
		}
		test := incidents.ContactTest{Key: ntfy("a").Key(), Provider: "ntfy", Outcome: incidents.OutcomeSent}
		if err := db.EndContactTests(ctx, operator, []incidents.ContactTest{test}); err != nil {
			t.Fatal(err)
		}
		do(t, conn, "update contact_tests set at = at - interval '31 days'")
	}
	if n := must(db.ForgetAlerts(ctx, 30*24*time.Hour))(t); n != 5 {
		t.Errorf("%d rows were forgotten; want all but the last result", n)
	}
	if last := must(db.LastContactTests(ctx, access.Operator(), []incidents.Target{ntfy("a")}))(t); len(last) != 1 {
		t.Errorf("the last test is %v", last)
	}
}
