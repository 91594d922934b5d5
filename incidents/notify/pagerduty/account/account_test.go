package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents/notify/pagerduty/account"
	"github.com/nines-sre/nines/incidents/notify/pagerduty/pagerdutytest"
	"github.com/nines-sre/nines/internal/fault"
)

type object = map[string]any

var now = time.Date(2026, 11, 3, 3, 4, 5, 0, time.UTC)

func reference(kind, id, summary string) object {
	return object{"id": id, "type": kind + "_reference", "summary": summary}
}

// acme is a small account with one of everything that matters.
func acme() map[string][]any {
	return map[string][]any{
		"users": {
			object{"id": "PADA", "name": "Ada", "email": "ada@acme.example", "time_zone": "Europe/Berlin", "contact_methods": []any{
				object{"id": "PC", "type": "phone_contact_method", "label": "Mobile", "address": "15112345678", "country_code": 49}}},
			object{"id": "PBEN", "name": "Ben", "email": "ben@acme.example"},
			object{"id": "PCY", "name": "Cy", "email": ""},
		},
		"schedules": {object{"id": "PSCHED", "type": "schedule", "name": "Core", "time_zone": "Europe/Berlin",
			"users": []any{reference("user", "PADA", "Ada"), reference("user", "PBEN", "Ben")},
			"schedule_layers": []any{object{"id": "PL", "name": "Layer 1", "start": "2026-01-01T00:00:00+01:00", "rotation_virtual_start": "2026-01-01T00:00:00+01:00",
				"rotation_turn_length_seconds": 604800, "users": []any{object{"user": reference("user", "PADA", "Ada")}, object{"user": reference("user", "PBEN", "Ben")}}}}}},
		"escalation_policies": {
			object{"id": "PEP", "type": "escalation_policy", "name": "Shop & Core!", "num_loops": 2, "escalation_rules": []any{
				object{"id": "R1", "escalation_delay_in_minutes": 10, "targets": []any{reference("user", "PADA", "Ada")}},
				object{"id": "R2", "escalation_delay_in_minutes": 20, "targets": []any{reference("user", "PCY", "Cy")}},
				object{"id": "R3", "escalation_delay_in_minutes": 30, "targets": []any{reference("schedule", "PSCHED", "Core")}}}},
			object{"id": "PNONE", "name": "Empty", "escalation_rules": []any{}},
			object{"id": "PEP2", "name": "shop-core", "escalation_rules": []any{object{"escalation_delay_in_minutes": 5, "targets": []any{reference("user", "PBEN", "Ben")}}}},
		},
		"services": {object{"id": "PSVC", "name": "Webshop", "description": "sells", "status": "active", "auto_resolve_timeout": 14400,
			"escalation_policy": reference("escalation_policy", "PEP", "Shop & Core!"), "teams": []any{reference("team", "PT", "Core team")},
			"integrations": []any{reference("events_api_v2_inbound_integration", "PI", "Prometheus")}},
			object{"id": "PSVC2", "name": "Old", "status": "disabled", "escalation_policy": reference("escalation_policy", "PNONE", "Empty")}},
		"incidents": {
			object{"id": "Q1", "incident_number": 1, "title": "open for long", "status": "acknowledged", "created_at": "2025-01-01T00:00:00Z", "service": reference("service", "PSVC", "Webshop")},
			object{"id": "Q2", "incident_number": 2, "title": "lately", "status": "resolved", "created_at": "2026-11-01T00:00:00Z",
				"last_status_change_at": "2026-11-01T02:00:00Z", "last_status_change_by": reference("user", "PADA", "Ada"), "priority": object{"summary": "P1"}, "service": reference("service", "PSVC", "Webshop")},
			object{"id": "Q3", "incident_number": 3, "title": "long ago", "status": "resolved", "created_at": "2026-01-01T00:00:00Z", "service": reference("service", "PSVC", "Webshop")},
			object{"id": "Q4", "incident_number": 4, "title": "two months ago", "status": "resolved", "created_at": "2026-09-05T00:00:00Z", "service": reference("service", "PSVC", "Webshop")},
		},
	}
}

func options(s *pagerdutytest.REST) account.Options {
	return account.Options{Token: "u+secret", Endpoint: s.URL, Since: now.Add(-90 * 24 * time.Hour), Now: now}
}

func TestAnAccountBecomesDefinitionsAndHistory(t *testing.T) {
	t.Parallel()
	read, err := account.Read(t.Context(), options(pagerdutytest.NewREST(t, "u+secret", acme())))
	if err != nil {
		t.Fatal(err)
	}
	made, err := read.Export()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range made.Files {
		files[f.Name] = f.Text
	}
	for name, wants := range map[string][]string{
		account.PoliciesFile:  {"name: shop-core\n", "name: shop-core-2\n", "repeat: 2\n", "repeatAfter: 30m\n", "- delay: 30m\n", "- ada@acme.example\n", "user: ada@acme.example\n", "schedule: core\n", "fallback:\n"},
		account.ServicesFile:  {"name: webshop\n", "policy: shop-core\n", "owner: Core team\n", "name: old\n"},
		account.UsersFile:     {`"address": "15112345678"`, `"countryCode": 49`},
		account.PlansFile:     {"kind: Schedule\n", "name: core\n", "rotation: weekly\n", "start: 2026-01-01 00:00\n", "- ada@acme.example\n"},
		account.SchedulesFile: {`"turnSeconds": 604800`, `"PADA",`},
		account.IncidentsFile: {"open for long", "lately", "two months ago"},
		account.PastFile:      {`"source": "pagerduty"`, `"id": "Q2"`, `"service": "webshop"`, `"severity": "critical"`, `"resolvedAt": "2026-11-01T02:00:00Z"`, `"resolvedBy": "Ada"`},
	} {
		for _, want := range wants {
			if !strings.Contains(files[name], want) {
				t.Errorf("%s lacks %q:\n%s", name, want, files[name])
			}
		}
	}
	if strings.Contains(files[account.IncidentsFile], "long ago\"") && strings.Contains(files[account.IncidentsFile], `"Q3"`) {
		t.Error("an incident from before --since was read")
	}
	for _, want := range []string{
		"escalation policy Shop & Core!, rule 2: Cy has no mail address",
		"escalation policy Empty: is left out", "service Webshop: resolves incidents by a timer", "its integration Prometheus needs an Integration",
		"incident 1: is acknowledged in PagerDuty",
		"incident 4: does not say when", "service Old: is disabled", "service Old: its escalation policy is not there",
	} {
		if !slices.ContainsFunc(made.Losses, func(l account.Loss) bool { return strings.Contains(l.What+": "+l.Message, want) }) {
			t.Errorf("nothing says %q: %v", want, made.Losses)
		}
	}
}

func TestEveryPageIsRead(t *testing.T) {
	t.Parallel()
	lists := map[string][]any{"users": nil, "schedules": {}, "escalation_policies": {}, "services": {}, "incidents": {}}
	for n := range 250 {
		lists["users"] = append(lists["users"], object{"id": fmt.Sprint(n), "name": "u", "email": "u@acme.example"})
	}
	last := 0
	o := options(pagerdutytest.NewREST(t, "u+secret", lists))
	o.Progress = func(what string, read int) {
		if what == "users" {
			last = read
		}
	}
	read, err := account.Read(t.Context(), o)
	if err != nil || len(read.Users) != 250 || read.Users[249].ID != "249" || last != 250 {
		t.Errorf("%d users, told of %d: %v", len(read.Users), last, err)
	}
}

// TestItsLimitsAreWaitedFor: as long as PagerDuty says, and where it says nothing longer each time.
func TestItsLimitsAreWaitedFor(t *testing.T) {
	t.Parallel()
	server := pagerdutytest.NewREST(t, "u+secret", acme())
	server.Limit(2, 2)
	var waits []time.Duration
	o := options(server)
	o.Wait = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	if _, err := account.Read(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{7 * time.Second, 7 * time.Second, 8 * time.Second, 16 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waited %v, want %v", waits, want)
	}
	server.Limit(1000, 0)
	if _, err := account.Read(t.Context(), o); !fault.Is(err, fault.Limited) {
		t.Errorf("limits without end: %v", err)
	}
	server.Limit(1000, 0)
	ctx, cancel := context.WithCancel(t.Context())
	o.Wait = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	if _, err := account.Read(ctx, o); err == nil {
		t.Error("waiting does not end with its context")
	}
}

func TestATokenThatIsNotTakenIsSaidAndNotShown(t *testing.T) {
	t.Parallel()
	o := options(pagerdutytest.NewREST(t, "another", acme()))
	_, err := account.Read(t.Context(), o)
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "u+secret") || !strings.Contains(err.Error(), "does not take the token") {
		t.Errorf("%v", err)
	}
	o.Endpoint = "http://127.0.0.1:1"
	if _, err := account.Read(t.Context(), o); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "u+secret") {
		t.Errorf("%v", err)
	}
}
