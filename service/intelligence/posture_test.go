package intelligence

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
)

func TestPostureSaysWhatIsAtRiskWhyAndWhoIsOnIt(t *testing.T) {
	t.Parallel()
	acked := burningIncident()
	at := ago(10 * time.Minute)
	acked.State, acked.AcknowledgedAt, acked.AcknowledgedBy, acked.NextEscalationAt = incidents.Acknowledged, &at, "Ada", nil
	burns := func(w *world) { w.fill(shop, "acme", "us", ago(45*time.Minute), ago(5*time.Minute), 6, 500) }
	for name, c := range map[string]struct {
		break_   func(*world)
		level    Level
		headline string
		first    string // state and reason of the riskiest promise
	}{
		"all is well": {func(*world) {}, Calm, "All 3 promises are kept.",
			"fine: 100 % of the error budget is left; the last hour burns it 0.0× as fast as allowed."},
		"nothing promised": {func(w *world) { w.slos = nil }, Calm, "Nothing has been promised yet.", ""},
		"burning, and somebody is on it": {func(w *world) { burns(w); w.open = append(w.open, acked) }, AtRisk,
			"1 of 3 promises is at risk: shop availability for acme burns its error budget 3.0× too fast; Ada is on it since 11:50 UTC.",
			"burning: The last hour burns the error budget 3.0× too fast; 84 % of it is left, and gone by 2026-12-01 20:32 UTC at this speed."},
		"burning, and somebody is paged": {func(w *world) { burns(w); w.open = append(w.open, burningIncident()) }, AtRisk,
			"1 of 3 promises is at risk: shop availability for acme burns its error budget 3.0× too fast; nobody is on it yet; step 1 of 2 of oncall was paged, the next is at 12:07 UTC.", "burning"},
		"burning without an incident": {burns, AtRisk,
			"1 of 3 promises is at risk: shop availability for acme burns its error budget 3.0× too fast; no incident is open.", "burning"},
		"an incident, and the burn is over": {func(w *world) { w.open = append(w.open, acked) }, AtRisk,
			"1 of 3 promises is at risk: shop availability for acme has an open incident; Ada is on it since 11:50 UTC.",
			"burning: An incident is open. The last hour burns the error budget 0.0× as fast as allowed; 100 % of it is left."},
		"exhausted comes before burning": {func(w *world) {
			burns(w)
			w.fill(shop, "globex", "us", ago(9*time.Hour), ago(8*time.Hour), 100, 1000)
		}, Overspent, "2 of 3 promises are at risk: shop availability for globex has spent 400 % of its error budget; no incident is open.",
			"exhausted: 99.9 % was promised; since 2026-11-22 12:00 UTC 1,200 of 300,000 failed, which is 400 % of the error budget. The last hour burns it 0.0× as fast as allowed."},
		"never seen": {func(w *world) {
			w.slos = append(w.slos, slo.Versioned{SLO: slo.SLO{ID: "x-y", Service: "x", Name: "y", Objective: 99}})
		},
			NotKnown, "Of 4 promises, 1 cannot be judged: too little was seen of x y.",
			"unknown: Nothing was seen of it: neither the ledger nor the metrics engine has a figure."},
		"half of it not seen": {func(w *world) { w.fill(api, "", "", ago(60*time.Hour), ago(50*time.Hour), 0, 100) },
			NotKnown, "Of 3 promises, 1 cannot be judged: too little was seen of nines api.",
			"unknown: Only 57 % of the time since 2026-11-21 00:00 UTC was seen; what was seen leaves 100 % of the error budget."},
		"silent for an hour": {func(w *world) {
			w.live[api.SLO.ID] = nil
			w.buckets = nil
			w.fill(api, "", "", ago(20*24*time.Hour), ago(time.Hour), 0, 100)
			w.slos = []slo.Versioned{api}
		}, NotKnown, "Of 1 promise, 1 cannot be judged: too little was seen of nines api.",
			"unknown: Nothing was seen of it since 11:00 UTC; then 100 % of the error budget was left."},
		"idle is not unknown": {func(w *world) {
			w.buckets, w.live, w.slos = nil, map[string][]slo.IncrementSeries{}, []slo.Versioned{api}
			w.fill(api, "", "", ago(24*time.Hour), ago(5*time.Minute), 0, 0)
			w.goLive(api, "", ago(5*time.Minute), now, 0, 0)
		}, Calm, "The promise is kept: nines api.", "fine: Measured, and without traffic: nothing failed."},
		"another trouble": {func(w *world) {
			w.open = append(w.open, incidents.Incident{ID: "i-2", Number: 9, Title: "disk", Severity: incidents.Warning, State: incidents.Triggered})
		}, AtRisk, "All 3 promises are kept. 1 incident about something else is open; on #9: nobody is on it, and at severity warning nobody is paged.", "fine"},
		"incidents cannot be read": {func(w *world) { w.incidentsErr = errors.New("no") }, NotKnown, "All 3 promises are kept.", "fine"},
	} {
		w := twoCustomers()
		c.break_(w)
		p, err := w.service().Posture(bg, operator)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		first := ""
		if len(p.Promises) > 0 {
			first = string(p.Promises[0].State) + ": " + p.Promises[0].Reason
		}
		if p.Level != c.level || p.Headline != c.headline || !strings.HasPrefix(first, c.first) {
			t.Errorf("%s:\n  level    %s\n  headline %s\n  first    %s\nwant\n  level    %s\n  headline %s\n  first    %s", name, p.Level, p.Headline, first, c.level, c.headline, c.first)
		}
		if n := p.Tally; n.Exhausted+n.Burning+n.Unknown+n.Fine != n.Promises || n.Promises != len(p.Promises) {
			t.Errorf("%s: tally %+v", name, n)
		}
		if _, err := json.Marshal(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATenantsPostureHoldsNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.fill(shop, "globex", "us", ago(9*time.Hour), ago(8*time.Hour), 100, 1000)
	mine, theirs, ours := burningIncident(), burningIncident(), burningIncident()
	theirs.ID, theirs.Tenant, theirs.Title, theirs.Labels = "i-2", "globex", "globex suffers", map[string]string{"tenant": "globex"}
	ours.ID, ours.Tenant, ours.Title, ours.SLO = "i-3", "", "the operator's own", ""
	mine.State, mine.AcknowledgedBy = incidents.Acknowledged, "Ada Operator"
	w.open = []incidents.Incident{theirs, ours, mine}
	p := must[Posture](t)(w.service().Posture(bg, acme))
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"globex", "operator's", "Ada", "oncall", "SLACK", "nines-api"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q is in acme's posture: %s", secret, text)
		}
	}
	if want := "1 of 1 promise is at risk: shop availability for acme has an open incident; our engineers are on it."; p.Headline != want {
		t.Errorf("headline %q", p.Headline)
	}
	if none := must[Posture](t)(w.service().Posture(bg, access.Scope{})); len(none.Promises)+len(none.Others) != 0 {
		t.Errorf("nobody sees %+v", none)
	}
}

func TestWhoIsOnItInEveryStateOfPaging(t *testing.T) {
	t.Parallel()
	base := burningIncident()
	with := func(f func(*incidents.Incident)) incidents.Incident { i := base; f(&i); return i }
	for want, i := range map[string]incidents.Incident{
		"Bob is on it": with(func(i *incidents.Incident) { i.State, i.AcknowledgedBy = incidents.Acknowledged, "Bob" }),
		"nobody is on it, and no escalation policy says whom to page": with(func(i *incidents.Incident) { i.Policy = incidents.Policy{} }),
		"nobody is on it, and the policy oncall is exhausted":         with(func(i *incidents.Incident) { i.NextEscalationAt, i.Step = nil, 2 }),
		"nobody is on it yet; paging starts at 12:07 UTC":             with(func(i *incidents.Incident) { i.Step = 0 }),
		"nobody is on it, and at severity info nobody is paged":       with(func(i *incidents.Incident) { i.Severity = incidents.Info }),
	} {
		if got := whoIsOn(i, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	i := with(func(i *incidents.Incident) { i.Step = 99 }) // a stored step beyond a policy must not break the answer
	if got := whoIsOn(i, now); !strings.Contains(got, "step 2 of 2") {
		t.Errorf("got %q", got)
	}
}

func TestThePostureNeedsTheLedger(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.ledgerErr = fault.New(fault.Unavailable, "away")
	if _, err := w.service().Posture(bg, operator); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestNumbersInWords(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"0 %": percent(0), "less than 0.1 %": percent(0.0004), "0.5 %": percent(0.005), "12 %": percent(0.123), "100 %": percent(1),
		"99.5 %": percent(0.995), "more than 99.9 %": percent(0.99999), "-40 %": percent(-0.4), "140 %": percent(1.4),
		"1,234,567": whole(1234567), "999": whole(999), "0": whole(0), "-1,000": whole(-1000), "-100": whole(-100),
		"14× too fast": burn(14.4), "1.5× too fast": burn(1.5), "0.5× as fast as allowed": burn(0.5),
		"12:00 UTC": stamp(now, now), "2026-11-22 12:00 UTC": stamp(ago(24*time.Hour), now),
		"a, b, c and 2 more": listed([]string{"a", "b", "c", "d", "e"}),
		"3 days":             span(72 * time.Hour), "5 hours": span(5*time.Hour + time.Minute), "90 seconds": span(90 * time.Second),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
