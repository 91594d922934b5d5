package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// contactsOf is the world's policies and tests: one target has taken its test, one has refused it, the others had none.
type contactsOf struct{ w *world }

var (
	oncallPhone   = incidents.Target{SMS: &incidents.TwilioTarget{To: "+4915112345678", From: "+15005550006", Account: "AC1", Token: incidents.Secret{Env: "T"}}}
	oncallSlack   = incidents.Target{Slack: &incidents.SlackTarget{URL: incidents.Secret{Env: "SLACK_WEBHOOK_OF_THE_SHOPS_TEAM"}}}
	oncallPager   = incidents.Target{PagerDuty: &incidents.PagerDutyTarget{RoutingKey: incidents.Secret{Env: "PD_KEY"}}}
	oncallLead    = incidents.Target{Email: &incidents.EmailTarget{To: []string{"lead@example.com"}}}
	oncallWebhook = incidents.Target{Webhook: &incidents.WebhookTarget{URL: "https://hooks.example/x?key=s3cret", Secret: incidents.Secret{File: "key"}}}
)

func (c contactsOf) Policies(_ context.Context, who access.Principal) ([]incidents.Policy, error) {
	if who.Tenant != "" {
		return nil, fault.New(fault.Forbidden, "escalation policies are for the operator's people")
	}
	if c.w.failing != nil || c.w.empty {
		return nil, c.w.failing
	}
	return []incidents.Policy{
		{Name: "quiet", Steps: []incidents.Step{{Targets: []incidents.Target{oncallWebhook}}}},
		{Name: "shop-oncall", Repeat: 2, Steps: []incidents.Step{
			{Targets: []incidents.Target{oncallPhone, oncallSlack}, Fallback: &incidents.Fallback{After: 2 * time.Minute, Targets: []incidents.Target{oncallLead}}},
			{Delay: 15 * time.Minute, Targets: []incidents.Target{oncallPager}},
		}},
	}, nil
}

func (c contactsOf) LastTests(context.Context, access.Principal, []incidents.Target) (map[string]incidents.ContactTest, error) {
	return map[string]incidents.ContactTest{
		oncallPhone.Key(): {At: c.w.ago(3 * time.Minute), Outcome: incidents.OutcomeSent, Took: 240 * time.Millisecond},
		oncallSlack.Key(): {At: c.w.ago(26 * time.Hour), Outcome: incidents.OutcomeFailed, Error: "Slack answered 404: no_service"},
	}, c.w.failing
}

func (c contactsOf) TestPolicy(_ context.Context, _ access.Principal, policy string, at incidents.Spot) ([]incidents.ContactTest, error) {
	switch {
	case policy != "shop-oncall":
		return nil, fault.New(fault.NotFound, "there is no escalation policy %q", policy)
	case at == incidents.Spot{Step: 1, Index: 1}:
		return []incidents.ContactTest{{Outcome: incidents.OutcomeSent, Provider: "sms"}}, nil
	case at == incidents.Spot{Step: 1, Index: 1, Fallback: true}:
		return nil, fault.New(fault.Limited, "this was tested less than 10s ago")
	case at == incidents.Spot{Step: 2, Index: 1}:
		return []incidents.ContactTest{{Outcome: incidents.OutcomeSent, Provider: "pagerduty"}}, nil
	}
	return []incidents.ContactTest{{Outcome: incidents.OutcomeFailed, Error: "Slack answered 404: no_service"}}, nil
}

func TestAPolicyShowsWhomItPagesAndHowTheLastTestsWent(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(ada))
	for path, want := range map[string][]string{
		"/policies": {">shop-oncall<", ">quiet<", "never tested", "1" + thin + "test failed", `href="/policies/shop-oncall"`},
		"/policies/shop-oncall": {"Step 1", "at once", "15" + thin + "min after step 1", "SMS to &#43;4915112345678", "accepted", "240" + thin + "ms",
			"Slack answered 404: no_service", "Fallback", "e-mail to lead@example.com", "2" + thin + "times", ">Send a test<"},
		"/incidents": {`href="/policies"`},
	} {
		page := get(t, app, path)
		for _, words := range want {
			if !page.has(words) {
				t.Errorf("%s: no %q in\n%s", path, words, page.body)
			}
		}
	}
	if page := get(t, app, "/policies/quiet"); page.has("s3cret") || !page.has("webhook hooks.example") {
		t.Error(page.body)
	}
	if page := get(t, app, "/policies/loud"); page.StatusCode != http.StatusNotFound {
		t.Errorf("%d", page.StatusCode)
	}
}

func TestOnePressSendsATestAndThePageSaysHowThatWent(t *testing.T) {
	t.Parallel()
	app := newWorld().app(as(ada))
	f := func(path, form string, status int, word string) {
		t.Helper()
		values, _ := url.ParseQuery(form)
		a := post(t, app, path, values)
		led := a.Header.Get("Location") == path[:len(path)-len("/test")]
		if a.StatusCode != status || status == http.StatusSeeOther && (!led || !strings.Contains(a.Header.Get("Set-Cookie"), flashCookie+"="+word+";")) {
			t.Errorf("%s: %d to %s, %s", form, a.StatusCode, a.Header.Get("Location"), a.Header.Get("Set-Cookie"))
		}
	}
	f("/policies/shop-oncall/test", "step=1&index=1", http.StatusSeeOther, "tested")
	f("/policies/shop-oncall/test", "step=1&index=2", http.StatusSeeOther, "test-failed")
	f("/policies/shop-oncall/test", "step=1&index=1&fallback=yes", http.StatusSeeOther, "test-early")
	f("/policies/shop-oncall/test", "step=2&index=1", http.StatusSeeOther, "tested-open")
	f("/policies/shop-oncall/test", "step=0&index=1", http.StatusBadRequest, "")
	f("/policies/shop-oncall/test", "step=1", http.StatusBadRequest, "")
	f("/policies/loud/test", "step=1&index=1", http.StatusNotFound, "")
}

func TestViewersSeePoliciesAndTenantsDoNot(t *testing.T) {
	t.Parallel()
	w := newWorld()
	form := url.Values{"step": {"1"}, "index": {"1"}}
	app := w.app(as(vic))
	if page := get(t, app, "/policies/shop-oncall"); page.StatusCode != http.StatusOK || page.has("Send a test") {
		t.Errorf("%d %s", page.StatusCode, page.body)
	}
	if a := post(t, app, "/policies/shop-oncall/test", form); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer's test: %d", a.StatusCode)
	}
	app = w.app(as(acme))
	for _, path := range []string{"/policies", "/policies/shop-oncall"} {
		if page := get(t, app, path); page.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, page.StatusCode)
		}
	}
	if a := post(t, app, "/policies/shop-oncall/test", form); a.StatusCode != http.StatusForbidden {
		t.Errorf("a tenant's test: %d", a.StatusCode)
	}
	if get(t, app, "/incidents").has("/policies") {
		t.Error("a tenant is led to policies")
	}
}
