package slo

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

var gateNow = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// seen is a well-measured promise with so much left, burning so fast. Labels come in pairs.
func seen(id string, remaining, burn float64, exhausted *time.Duration, labels ...string) GateStatus {
	service, name, _ := strings.Cut(id, "-")
	st := GateStatus{LastSeen: gateNow.Add(-time.Minute), Status: Status{SLO: id, Service: service, Name: name, Labels: map[string]string{}, Objective: 99.9,
		From: gateNow.Add(-30 * 24 * time.Hour), To: gateNow, FirstSeen: gateNow.Add(-30 * 24 * time.Hour), Counts: Counts{Good: 999_000, Total: 1_000_000},
		Traffic: true, Coverage: 0.97, Remaining: remaining, Burn: burn}}
	if exhausted != nil {
		st.Exhausted = gateNow.Add(*exhausted)
	}
	for i := 0; i+1 < len(labels); i += 2 {
		st.Labels[labels[i]] = labels[i+1]
	}
	return st
}

func share(x float64) *float64                           { return &x }
func in(d time.Duration) *time.Duration                  { return &d }
func with(st GateStatus, f func(*GateStatus)) GateStatus { f(&st); return st }

func TestWhatPoliciesSayOfAChange(t *testing.T) {
	t.Parallel()
	full, _ := readBudgetPolicy(t, budgetPolicyText)
	healthy := seen("shop-availability", 0.8, 0.5, nil)
	for name, c := range map[string]struct {
		policies []BudgetPolicy
		statuses []GateStatus
		open     []OpenIncident
		change   Change
		at       time.Time
		want     Action
		says     string // in the headline, or among what is missing or excused
	}{
		"healthy":                       {statuses: []GateStatus{healthy}, want: Allow, says: "A deploy of shop may go: shop-availability has 80 % left of its error budget."},
		"a quarter left, exactly":       {statuses: []GateStatus{seen("shop-availability", 0.25, 0, nil)}, want: Allow},
		"a quarter, but for a rounding": {statuses: []GateStatus{seen("shop-availability", 1-0.75000000000001, 0, nil)}, want: Allow},
		"less than a quarter": {statuses: []GateStatus{seen("shop-availability", 0.12, 0, nil)}, want: Approve,
			says: "A deploy of shop needs approval. shop-availability has 12 % left of its error budget; the bound is 25 % (window from 2026-10-24 14:00 UTC; 97 % seen, 1000000 events)."},
		"just spent":        {statuses: []GateStatus{seen("shop-availability", 0, 0, nil)}, want: Approve},
		"overspent":         {statuses: []GateStatus{seen("shop-availability", -0.5, 0, in(0))}, want: Freeze, says: "has spent its error budget and 50 % of it more"},
		"a young one fails": {statuses: []GateStatus{seen("shop-availability", -426.3, 0, in(0))}, want: Freeze, says: "shop-availability has spent its error budget 427 times over; the bound is 0 % left"},
		"overspent, and nobody minds": {policies: []BudgetPolicy{{Rules: []BudgetRule{{Burn: 100, Action: Freeze}}}}, statuses: []GateStatus{seen("shop-availability", -0.5, 0, in(0))}, want: Allow,
			says: "may go; shop-availability has spent its error budget and 50 % of it more."},
		"overspent, rollback":  {statuses: []GateStatus{seen("shop-availability", -0.5, 0, nil)}, change: Change{Kind: "rollback"}, want: Approve, says: "needs approval"},
		"burning at the bound": {statuses: []GateStatus{seen("shop-availability", 0.9, 6, nil)}, want: Allow},
		"burning":              {statuses: []GateStatus{seen("shop-availability", 0.9, 6.1, nil)}, want: Freeze, says: "burned its error budget 6.1× as fast as allowed in the last hour; the bound is 6×"},
		"gone tomorrow":        {statuses: []GateStatus{seen("shop-availability", 0.9, 2, in(24*time.Hour))}, want: Approve, says: "will have spent its error budget at 2026-11-24 14:00 UTC"},
		"gone in two days":     {statuses: []GateStatus{seen("shop-availability", 0.9, 2, in(48*time.Hour))}, want: Allow},
		"another's budget":     {statuses: []GateStatus{healthy, seen("pay-latency", -3, 20, in(0))}, want: Allow},
		"the worst customer decides": {statuses: []GateStatus{seen("shop-availability", 0.9, 0, nil, "tenant", "acme"), seen("shop-availability", -0.1, 0, nil, "tenant", "globex"),
			seen("shop-availability", -0.3, 0, nil, "tenant", "initech")}, want: Freeze, says: "shop-availability for initech has spent"},
		"an incident pages":         {statuses: []GateStatus{healthy}, open: []OpenIncident{{Number: 7, Severity: "error", Service: "shop", Title: "shop burns."}}, want: Freeze, says: "Incident #7 (error) is open: shop burns."},
		"an incident that does not": {statuses: []GateStatus{healthy}, open: []OpenIncident{{Number: 7, Severity: "warning", Service: "shop"}}, want: Allow},
		"another's incident":        {statuses: []GateStatus{healthy}, open: []OpenIncident{{Number: 7, Severity: "critical", Service: "pay"}}, want: Allow},
		"an incident of the SLO":    {statuses: []GateStatus{healthy}, open: []OpenIncident{{Number: 7, Severity: "critical", SLO: "shop-availability"}}, want: Freeze},
		"a severity nobody knows":   {statuses: []GateStatus{healthy}, open: []OpenIncident{{Number: 7, Severity: "", Service: "shop"}}, want: Allow},
		"on holiday":                {statuses: []GateStatus{healthy}, at: time.Date(2026, 12, 19, 23, 0, 0, 0, time.UTC), want: Freeze, says: "Changes wait from 2026-12-20 00:00 until 2027-01-02 00:00 (Europe/Berlin)"},
		"a second before":           {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.LastSeen = time.Time{} })}, at: time.Date(2026, 12, 19, 22, 59, 59, 0, time.UTC), want: Allow},
		"when it ends":              {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.LastSeen = time.Time{} })}, at: time.Date(2027, 1, 1, 23, 0, 0, 0, time.UTC), want: Allow},
		"few events": {statuses: []GateStatus{with(seen("shop-availability", -5, 9, nil), func(s *GateStatus) { s.Counts.Total = 999 })}, want: Approve,
			says: "says too little: only 999 events were seen in its window; the policy asks for 1000"},
		"enough events":  {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.Counts.Total = 1000 })}, want: Allow},
		"little seen":    {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.Coverage = 0.49 })}, want: Approve, says: "only 49 % of its window was seen; the policy asks for 50 %"},
		"no traffic":     {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.Traffic, s.Counts = false, Counts{} })}, want: Approve, says: "no traffic was seen"},
		"gone silent":    {statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.LastSeen = gateNow.Add(-16 * time.Minute) })}, want: Approve, says: "nothing was seen of it since 2026-11-23 13:44 UTC"},
		"no SLO":         {want: Approve, says: "Nothing is promised about shop"},
		"no policy":      {policies: []BudgetPolicy{}, statuses: []GateStatus{seen("shop-availability", -9, 99, nil)}, want: Allow, says: "No error-budget policy covers shop"},
		"unknown may go": {policies: []BudgetPolicy{{Unknown: Allow, Rules: []BudgetRule{{Burn: 1, Action: Freeze}}}}, statuses: []GateStatus{with(healthy, func(s *GateStatus) { s.Traffic = false })}, want: Allow, says: "says too little"},
		"the strictest of two": {policies: []BudgetPolicy{{Name: "a", Rules: []BudgetRule{{Below: share(0.9), Action: Approve}}}, {Name: "b", Services: []string{"shop"}, Rules: []BudgetRule{{Below: share(0.85), Action: Freeze}}}},
			statuses: []GateStatus{healthy}, want: Freeze, says: "must wait. shop-availability has 80 % left of its error budget; the bound is 85 %"},
		"excepted everywhere": {policies: []BudgetPolicy{{Rules: []BudgetRule{{Below: share(0), Action: Freeze, Except: []string{"security"}}}}}, change: Change{Kind: "security"},
			statuses: []GateStatus{seen("shop-availability", -1, 0, nil)}, want: Allow, says: "a security is excepted from 1 rule"},
		"by others' SLOs": {policies: []BudgetPolicy{{Services: []string{"shop"}, SLOs: []string{"pay-latency"}, Rules: []BudgetRule{{Below: share(0.5), Action: Freeze}}}},
			statuses: []GateStatus{seen("shop-availability", 0.1, 0, nil), seen("pay-latency", 0.4, 0, nil)}, want: Freeze, says: "pay-latency has 40 %"},
		"all services":                        {statuses: []GateStatus{healthy, seen("shop-latency", 0.2, 0, nil)}, change: Change{Service: AllServices}, want: Approve, says: "A deploy of all services needs approval. shop-latency"},
		"a rule without budgets needs no SLO": {policies: []BudgetPolicy{{Unknown: Freeze, Rules: []BudgetRule{{OpenIncident: IncidentAny, Action: Freeze}}}}, want: Allow},
	} {
		if c.policies == nil {
			c.policies = []BudgetPolicy{full}
		}
		if c.change.Service == "" {
			c.change.Service = "shop"
		}
		if c.change.Kind == "" {
			c.change.Kind = "deploy"
		}
		if c.at.IsZero() {
			c.at = gateNow
		} else {
			for i := range c.statuses {
				c.statuses[i].LastSeen = c.at
			}
		}
		v := Decide(c.policies, c.statuses, c.open, c.change, c.at)
		all := v.Headline + strings.Join(v.Missing, " ")
		if v.Action != c.want || !strings.Contains(all, c.says) {
			t.Errorf("%s: %s: %s", name, v.Action, all)
		}
		for _, r := range v.Reasons {
			if r.Policy == "" && c.policies[0].Name != "" || r.Rule == "" || r.Figure == "" || r.Bound == "" || !strings.HasSuffix(r.Text, ".") {
				t.Errorf("%s: a reason lacks something: %+v", name, r)
			}
		}
	}
}

func TestAReasonTellsHowManyGroupsMeetItsRule(t *testing.T) {
	t.Parallel()
	p := BudgetPolicy{Name: "p", Rules: []BudgetRule{{Below: share(0.5), Action: Freeze, Reason: "ask team-shop"}}}
	v := Decide([]BudgetPolicy{p}, []GateStatus{seen("shop-availability", 0.4, 0, nil, "tenant", "a"), seen("shop-availability", 0.3, 0, nil, "tenant", "b"), seen("shop-availability", 0.9, 0, nil, "tenant", "c")},
		nil, Change{Service: "shop", Kind: "deploy"}, gateNow)
	if len(v.Reasons) != 1 || v.Reasons[0].Groups != 2 || v.Reasons[0].Labels["tenant"] != "b" || *v.Reasons[0].Value != 0.3 || v.Reasons[0].Words != "ask team-shop" || v.Reasons[0].Rule != "below: 0.5" {
		t.Errorf("%+v", v.Reasons)
	}
	if len(v.Budgets) != 1 || v.Budgets[0].Groups != 3 || v.Budgets[0].Labels["tenant"] != "b" {
		t.Errorf("%+v", v.Budgets)
	}
}

func change(action Action) Change {
	return Change{ID: "c", Number: 7, Service: "shop", Ref: "r118", Kind: "deploy", Author: "ada", AskedBy: "token:ci", AskedByName: "ci", At: gateNow}.
		Judged(Verdict{Action: action, Headline: "A deploy of shop must wait."}, gateNow)
}

func TestFourEyesApproveAChange(t *testing.T) {
	t.Parallel()
	bo, root := Approver{ID: "user:bo", Name: "bo@nines.example"}, Approver{ID: "user:root", Name: "root@nines.example", Admin: true}
	later := gateNow.Add(time.Hour)
	for name, c := range map[string]struct {
		change Change
		by     Approver
		note   string
		at     time.Time
		want   fault.Kind // Internal is none
	}{
		"a second person":           {change(Approve), bo, "", later, fault.Internal},
		"who asked":                 {change(Approve), Approver{ID: "token:ci", Name: "x"}, "", later, fault.Forbidden},
		"the author's account":      {change(Approve), Approver{ID: "user:1", Name: "Ada@nines.example"}, "", later, fault.Forbidden},
		"the asker's other token":   {change(Approve), Approver{ID: "token:2", Name: "CI"}, "", later, fault.Forbidden},
		"a freeze":                  {change(Freeze), bo, "urgent", later, fault.Forbidden},
		"a freeze, by an admin":     {change(Freeze), root, "urgent", later, fault.Internal},
		"a freeze, without a word":  {change(Freeze), root, " ", later, fault.Invalid},
		"what needs none":           {change(Allow), bo, "", later, fault.Conflict},
		"a day later":               {change(Approve), bo, "", gateNow.Add(24 * time.Hour), fault.Conflict},
		"what is over":              {must(change(Approve).Finished(OutcomeFailed, later)), bo, "", later, fault.Conflict},
		"what was approved already": {must(change(Approve).Approved(bo, "", later)), root, "", later, fault.Internal},
	} {
		got, err := c.change.Approved(c.by, c.note, c.at)
		if c.want != fault.Internal {
			if !fault.Is(err, c.want) || got.ApprovedAt != c.change.ApprovedAt {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || got.Standing() != Allow || got.BeganAt == nil || !got.BeganAt.Equal(later) || got.ApprovedBy == "" {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	approved := must(change(Approve).Approved(bo, "", later))
	if worse := approved.Judged(Verdict{Action: Freeze}, later); worse.Standing() != Freeze || !worse.BeganAt.Equal(later) {
		t.Errorf("an approval does not answer a freeze that came later: %s", worse.Standing())
	}
	if lifted := must(change(Freeze).Approved(root, "urgent", later)); lifted.Judged(Verdict{Action: Approve}, later).Standing() != Allow {
		t.Error("who lifted a freeze agreed to less than that too")
	}
}

func must(c Change, err error) Change {
	if err != nil {
		panic(err)
	}
	return c
}

func TestAChangeBeginsWhenItMayGoAndEndsOnce(t *testing.T) {
	t.Parallel()
	if c := change(Approve); c.BeganAt != nil {
		t.Errorf("began at %s though nobody let it go", c.BeganAt)
	}
	if c := change(Allow); !c.BeganAt.Equal(gateNow) {
		t.Errorf("began at %v", c.BeganAt)
	}
	later := gateNow.Add(time.Hour)
	if c := change(Allow).Judged(Verdict{Action: Allow}, later); !c.BeganAt.Equal(gateNow) {
		t.Errorf("asking again begins it again, at %s", c.BeganAt)
	}
	if c := must(change(Freeze).Finished(OutcomeSucceeded, later)); !c.BeganAt.Equal(gateNow) || !c.FinishedAt.Equal(later) {
		t.Errorf("what went although it was frozen: %+v", c)
	}
	if c := must(change(Freeze).Finished(OutcomeAborted, later)); c.BeganAt != nil {
		t.Error("what was called off never began")
	}
	done := must(change(Allow).Finished(OutcomeSucceeded, later))
	if again := must(done.Finished(OutcomeSucceeded, later.Add(time.Hour))); !again.FinishedAt.Equal(later) {
		t.Error("telling it twice moved its end")
	}
	if _, err := done.Finished(OutcomeFailed, later); !fault.Is(err, fault.Conflict) {
		t.Errorf("another outcome: %v", err)
	}
	if _, err := change(Allow).Finished("great", later); !fault.Is(err, fault.Invalid) {
		t.Errorf("an outcome nobody knows: %v", err)
	}
}

func TestTheSameChangeIsOneUntilItIsOverOrADayOld(t *testing.T) {
	t.Parallel()
	c := change(Approve)
	for name, f := range map[string]struct {
		other Change
		at    time.Time
		want  bool
	}{
		"a retry":             {c, gateNow.Add(23 * time.Hour), true},
		"a day later":         {c, gateNow.Add(24 * time.Hour), false},
		"another kind":        {with2(c, func(c *Change) { c.Kind = "rollback" }), gateNow, false},
		"another ref":         {with2(c, func(c *Change) { c.Ref = "r119" }), gateNow, false},
		"another environment": {with2(c, func(c *Change) { c.Environment = "staging" }), gateNow, false},
		"other words":         {with2(c, func(c *Change) { c.Description, c.Author = "again", "bo" }), gateNow, true},
	} {
		if got := c.Same(f.other, f.at); got != f.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if must(c.Finished(OutcomeFailed, gateNow)).Same(c, gateNow) {
		t.Error("what is over is asked for anew")
	}
}

func with2(c Change, f func(*Change)) Change { f(&c); return c }

func TestAChangeIsCheckedFieldByField(t *testing.T) {
	t.Parallel()
	if err := (Change{Service: "shop", Ref: "r"}).WithDefaults("ci").Check(); err != nil {
		t.Error(err)
	}
	err := Change{Kind: "Big Bang", Description: strings.Repeat("x", 4001)}.WithDefaults("ci").Check()
	if !fault.Is(err, fault.Invalid) || len(fault.Public(err).Details) != 4 {
		t.Errorf("%v", err)
	}
	if c := (Change{}).WithDefaults("ci"); c.Author != "ci" || c.Kind != "deploy" {
		t.Errorf("%+v", c)
	}
}
