package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
)

// sample is a request of each operation that succeeds for whoever may make it.
var sample = map[string]struct{ query, body string }{
	"get-me": {}, "sign-in": {body: `{"email":"ada@example.com","password":"correct horse"}`}, "sign-out": {},
	"list-users": {}, "create-user": {body: `{"email":"grace@example.com","password":"twelve chars","role":"viewer"}`},
	"list-tokens": {}, "create-token": {body: `{"name":"ci","role":"editor"}`}, "revoke-token": {}, "list-audit": {},
	"export-definitions": {}, "validate-definitions": {body: `{"files":[]}`}, "diff-definitions": {body: `{"files":[]}`},
	"apply-definitions": {body: `{"files":[],"prune":true}`}, "list-definition-versions": {},
	"list-corrections": {query: "from=2026-11-01T00:00:00Z"}, "add-correction": {body: newDisks}, "preview-correction": {body: newDisks},
	"revoke-correction": {body: `{"reason":"put off"}`}, "get-slo-budget": {query: "by=tenant"},
	"list-slos": {}, "get-slo": {}, "get-slo-burndown": {query: "points=10"},
	"list-incidents": {query: "state=triggered,acknowledged"}, "get-incident": {}, "get-incident-timeline": {}, "list-incident-attempts": {},
	"get-incident-postmortem": {}, "acknowledge-incident": {}, "escalate-incident": {}, "resolve-incident": {body: `{"reason":"rolled back"}`},
	"reassign-incident": {body: `{"users":["ada@example.com"],"turn":0}`}, "snooze-incident": {body: `{"minutes":30}`}, "list-incident-pages": {},
	"declare-incident": {body: `{"title":"Checkout fails","level":1,"service":"shop"}`}, "rate-incident": {body: `{"level":2}`},
	"cast-role": {body: `{"role":"commander","user":"ada@example.com"}`}, "merge-incident": {body: `{"into":"2"}`},
	"split-incident": {body: `{"alerts":["25c2cdb12d31dc50"]}`}, "reopen-incident": {body: `{"reason":"it is back"}`}, "list-related-incidents": {},
	"list-incident-alerts": {}, "list-incident-tasks": {}, "add-incident-task": {body: `{"text":"fail over"}`},
	"change-incident-task": {body: `{"state":"done","revision":1}`}, "list-incident-updates": {},
	"tell-incident-update": {body: `{"phase":"identified","text":"we know","public":true,"nextMinutes":30}`},
	"list-trackers":        {}, "test-tracker": {}, "sync-action-item": {},
	"list-subscribers": {query: "incident=2"}, "subscribe": {body: `{"level":2}`}, "unsubscribe": {},
	"add-incident-note":   {body: `{"text":"waiting"}`},
	"take-over-incidents": {body: `{"incidents":[{"source":"pagerduty","id":"Q1","title":"Disk","openedAt":"2026-11-01T00:00:00Z","resolvedAt":"2026-11-01T01:00:00Z"}]}`},
	"list-alerts":         {query: "filter=severity%3Dcritical"}, "get-sla-report": {query: "month=2026-11&tenant=acme"}, "get-posture": {},
	"forecast": {query: "query=up&horizon=1d&limit=3"}, "anomalies": {query: "query=up&window=1d"}, "list-forecasts": {query: "subject=shop&judged=true"}, "recommend": {}, "list-recommendations": {query: "workload=shop"},
	"get-cost-report":     {query: "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z"},
	"get-cost-allocation": {query: "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&by=service"}, "export-cost": {}, "get-cost-outlook": {query: "growth=5&low=2"},
	"list-cost-budgets": {}, "list-cost-anomalies": {query: "days=20"}, "list-cost-savings": {},
	"cost-what-if":         {body: `{"from":"2026-11-01T00:00:00Z","to":"2026-11-08T00:00:00Z","set":["price.cpu=-10%"]}`},
	"search-alert-history": {query: "filter=severity%3Dcritical&kind=fired,ended"}, "get-alert-history": {},
	"explain-alert": {body: `{"labels":{"alertname":"A"}}`}, "list-silences": {query: "expired=true"}, "get-silence": {}, "get-silence-history": {},
	"put-silence": {body: `{"matchers":["alertname=A"],"duration":"2h"}`}, "preview-silence": {body: `{"matchers":["alertname=~\"A.*\""]}`},
	"expire-silence": {}, "list-heartbeats": {}, "ping-heartbeat": {}, "ping-heartbeat-by-get": {},
	"list-policies": {}, "test-contact": {body: `{"policy":"shop","step":1,"index":1}`},
	"ping-heartbeat-with-key": {}, "ping-heartbeat-with-key-by-get": {},
	"ask-gate": {body: `{"service":"shop","change":"r118"}`}, "list-changes": {query: "service=shop"}, "get-change": {}, "list-incident-changes": {},
	"list-runbooks": {}, "get-runbook": {}, "run-step": {body: `{"step":"free","incident":"12"}`}, "list-runs": {query: "incident=12"}, "approve-run": {}, "deny-run": {body: `{"reason":"no"}`},
	"get-reachability": {}, "add-method": {body: `{"name":"mobile","way":"sms","address":"+4915112345678"}`}, "send-method-code": {},
	"verify-method": {body: `{"code":"123456"}`}, "remove-method": {}, "set-rules": {body: `{"rules":[]}`}, "set-quiet": {body: `{"zone":"UTC","quiet":[]}`},
	"get-figures": {query: "by=team&zone=Europe/Berlin"}, "search-incidents": {query: "q=disk"}, "list-similar-incidents": {}, "list-incident-suspects": {},
	"get-incident-evidence": {}, "get-incident-stake": {},
	"list-postmortems": {query: "q=pool&state=draft"}, "draft-postmortem": {body: `{"incidents":["42"]}`}, "list-postmortem-templates": {},
	"list-postmortem-duties": {query: "overdue=true"}, "get-postmortem": {}, "save-postmortem": {body: `{"base":1,"texts":{"trigger":"load"}}`},
	"refresh-postmortem": {}, "move-postmortem": {body: `{"reason":"x"}`}, "publish-postmortem": {body: `{"published":true}`},
	"list-postmortem-versions": {}, "list-postmortem-comments": {}, "comment-postmortem": {body: `{"text":"x"}`}, "export-postmortem": {},
	"list-action-items": {query: "state=open"}, "get-action-item": {}, "add-action-item": {body: `{"postmortem":"2","title":"test it"}`},
	"change-action-item": {body: `{"state":"done"}`},
	"approve-change":     {body: `{"reason":"looked at the canary"}`}, "finish-change": {body: `{"outcome":"succeeded"}`},
}

var pathValues = strings.NewReplacer("{id}", "2", "{kind}", "SLO", "{name}", "shop", "{workload}", "shop", "{fingerprint}", "25c2cdb12d31dc50", "{key}", "the-right-key", "{step}", "submit", "{format}", "md", "{month}", "2026-11", "{number}", "1")

// documented is one operation as the OpenAPI document tells it.
type documented struct {
	Method, Path string
	OperationID  string `json:"operationId"`
	Summary      string
	Tags         []string
	Role         access.Role `json:"x-required-role"`
	Audience     audience    `json:"x-audience"`
	Parameters   []struct{ Name, In string }
}

func document(t testing.TB, app *fiber.App) []documented {
	t.Helper()
	got := ask(t, app, get, "/api/v1/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]documented
	}
	if err := json.Unmarshal([]byte(got.text), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d %v %s", got.status, err, doc.OpenAPI)
	}
	var ops []documented
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range doc.Paths[path] {
			op.Method, op.Path = strings.ToUpper(method), path
			ops = append(ops, op)
		}
	}
	return ops
}

// target is the operation's path about things that exist.
func (d documented) target() string {
	if under(d.Path, apiPath+"/slos") {
		return strings.ReplaceAll(d.Path, "{id}", "shop-availability")
	}
	if under(d.Path, apiPath+"/silences") {
		return strings.ReplaceAll(d.Path, "{id}", acmesSilence)
	}
	return pathValues.Replace(d.Path)
}

func (d documented) ask(t testing.TB, app *fiber.App, token string) answer {
	t.Helper()
	s, known := sample[d.OperationID]
	if !known {
		t.Fatalf("operation %s has no sample request", d.OperationID)
	}
	target := d.target()
	if s.query != "" {
		target += "?" + s.query
	}
	var headers []string
	if token != "" {
		headers = append(headers, bearer(token))
	}
	return ask(t, app, d.Method, target, s.body, headers...)
}

func TestEveryOperationIsForExactlyTheRolesItNames(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	for _, op := range document(t, app) {
		if op.OperationID == "listen" {
			continue // a stream without end; TestEventsNeedAPrincipal
		}
		for _, tenant := range []string{"", "acme"} {
			for _, role := range append([]access.Role{""}, access.Roles...) {
				token := string(role)
				if tenant != "" {
					token += "@" + tenant
				}
				if role == "" {
					token = ""
				}
				got := op.ask(t, app, token)
				if want := wantStatus(op, role, tenant); !want(got.status) {
					t.Errorf("%s as %q: status %d: %s", op.OperationID, token, got.status, got.text)
				}
				if tenant != "" && strings.Contains(got.text, "globex") {
					t.Errorf("%s shows acme what belongs to globex: %s", op.OperationID, got.text)
				}
			}
		}
	}
	if len(w.observed) == 0 {
		t.Error("nothing was measured")
	}
}

func wantStatus(op documented, role access.Role, tenant string) func(int) bool {
	is := func(want int) func(int) bool { return func(got int) bool { return got == want } }
	switch {
	case op.Role == public:
		return func(got int) bool { return got < 300 }
	case role == "":
		return is(http.StatusUnauthorized)
	case !role.Includes(op.Role), tenant != "" && op.Audience == operatorOnly:
		return is(http.StatusForbidden)
	}
	return func(got int) bool { return got >= 200 && got < 300 }
}

func TestTheDocumentAndTheRouterAgree(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	var inDocument, inRouter []string
	ids := map[string]bool{}
	for _, op := range document(t, app) {
		inDocument = append(inDocument, op.Method+" "+strings.NewReplacer("{", ":", "}", "").Replace(op.Path))
		if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 || ids[op.OperationID] {
			t.Errorf("%s %s: operationId %q, summary %q, tags %v", op.Method, op.Path, op.OperationID, op.Summary, op.Tags)
		}
		ids[op.OperationID] = true
		for _, p := range op.Parameters {
			if p.In == "path" && !strings.Contains(op.Path, "{"+p.Name+"}") {
				t.Errorf("%s: the path has no %s", op.OperationID, p.Name)
			}
		}
		if in := strings.Count(op.Path, "{"); in != len(slices.DeleteFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.In != "path" })) {
			t.Errorf("%s: %s has %d parameters; documented are %v", op.OperationID, op.Path, in, op.Parameters)
		}
		if op.Audience != operatorOnly && op.Audience != anyone || op.Role != public && !op.Role.Valid() {
			t.Errorf("%s: audience %q, role %q", op.OperationID, op.Audience, op.Role)
		}
	}
	for _, r := range app.GetRoutes(true) {
		if under(r.Path, apiPath) && r.Method != http.MethodHead && !strings.Contains(r.Path, "/openapi.") {
			inRouter = append(inRouter, r.Method+" "+r.Path)
		}
	}
	slices.Sort(inDocument)
	slices.Sort(inRouter)
	if !slices.Equal(inDocument, inRouter) {
		t.Errorf("document:\n%s\nrouter:\n%s", strings.Join(inDocument, "\n"), strings.Join(inRouter, "\n"))
	}
}

func TestTheDocumentIsServedAsYAMLToo(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, get, "/api/v1/openapi.yaml", "")
	if got.status != 200 || !strings.Contains(got.text, "openapi: 3.1.0") || got.header.Get("Content-Type") != "application/openapi+yaml" {
		t.Errorf("%d %s %.80s", got.status, got.header.Get("Content-Type"), got.text)
	}
}

func TestAnotherTenantsNameIsNotFound(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	seen := 0
	for _, op := range document(t, app) {
		named := slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "tenant" })
		if !named || op.Audience == operatorOnly {
			continue
		}
		seen++
		query := strings.ReplaceAll(sample[op.OperationID].query, "tenant=acme", "")
		got := ask(t, app, op.Method, op.target()+"?"+query+"&tenant=globex", "", bearer("viewer@acme"))
		if got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", op.OperationID, got.status, got.text)
		}
	}
	if seen < 3 {
		t.Errorf("only %d operations take a tenant", seen)
	}
}

func TestAFullPageLeadsToTheNext(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	f := func(target, cursor string) {
		t.Helper()
		got := ask(t, app, get, target, "", bearer("admin"))
		var page struct{ NextCursor string }
		if err := json.Unmarshal([]byte(got.text), &page); err != nil || got.status != 200 || page.NextCursor != cursor {
			t.Errorf("%s: %d %v %s", target, got.status, err, got.text)
		}
	}
	f("/api/v1/incidents?limit=1", "2")
	f("/api/v1/incidents?limit=50&cursor=2", "")
	f("/api/v1/audit?limit=2", "8")
	f("/api/v1/audit", "")
}

func TestANewTokenIsShownOnce(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	made := ask(t, app, post, "/api/v1/tokens", sample["create-token"].body, bearer("admin"))
	if made.status != 201 || !strings.Contains(made.text, `"token":"nines_secret"`) || !strings.Contains(made.text, `"id":"t1"`) {
		t.Errorf("%d %s", made.status, made.text)
	}
	if listed := ask(t, app, get, "/api/v1/tokens", "", bearer("admin")); strings.Contains(listed.text, "nines_secret") {
		t.Errorf("listed: %s", listed.text)
	}
}

func TestAnotherTenantsIncidentIsNotFound(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	for _, path := range []string{"", "/timeline"} {
		for _, id := range []string{"1", theIncidents[1].ID} {
			got := ask(t, app, get, "/api/v1/incidents/"+id+path, "", bearer("admin@acme"))
			if got.status != http.StatusNotFound {
				t.Errorf("%s%s: %d %s", id, path, got.status, got.text)
			}
		}
	}
}

func TestATenantIsNotToldWhomTheOperatorPages(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	for _, path := range []string{"/api/v1/incidents", "/api/v1/incidents/2", "/api/v1/incidents/2/timeline"} {
		theirs := ask(t, app, get, path, "", bearer("admin@acme"))
		if theirs.status != 200 || strings.Contains(theirs.text, "example.com") || strings.Contains(theirs.text, "rude") {
			t.Errorf("%s: %d %s", path, theirs.status, theirs.text)
		}
		ours := ask(t, app, get, path, "", bearer("viewer"))
		if !strings.Contains(ours.text, "ada@example.com") {
			t.Errorf("%s hides from the operator who is on it: %s", path, ours.text)
		}
	}
}

func TestHandWrittenRoutesAreGuardedToo(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	open := map[string]bool{"/alertmanager/-/ready": true, "/alertmanager/-/healthy": true}
	for _, r := range app.GetRoutes(true) {
		if under(r.Path, apiPath) || r.Method == http.MethodHead {
			continue
		}
		target := strings.NewReplacer(":name", "x", ":id", "x").Replace(r.Path)
		want := http.StatusUnauthorized
		if open[r.Path] {
			want = http.StatusOK
		}
		if got := ask(t, app, r.Method, target, ""); got.status != want {
			t.Errorf("%s %s as nobody: %d", r.Method, target, got.status)
		}
		if !under(r.Path, prometheusPath) {
			continue
		}
		if got := ask(t, app, r.Method, target, "", bearer("admin@acme")); got.status != http.StatusForbidden {
			t.Errorf("%s %s as a tenant: %d", r.Method, target, got.status)
		}
	}
}
