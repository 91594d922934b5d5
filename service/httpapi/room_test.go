package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
)

func TestDeclaringHandsOverAllThatWasSaid(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	got := ask(t, app, post, "/api/v1/incidents", `{"title":"Checkout fails","level":1,"impact":"many","service":"shop",
		"users":["ada@example.com"],"alerts":["25c2cdb12d31dc50"],"commander":"ada@example.com"}`, bearer("responder"))
	if got.status != http.StatusCreated || !strings.Contains(got.text, `"declaredBy":"responder"`) || !strings.Contains(got.text, `"commander":"ada@example.com"`) {
		t.Errorf("%d %s", got.status, got.text)
	}
	want := w.declared[0]
	if want.Title != "Checkout fails" || want.Level != 1 || want.Impact != incidents.ImpactMany || want.Users[0] != "ada@example.com" ||
		want.Fingerprints[0] != "25c2cdb12d31dc50" || want.Commander != "ada@example.com" {
		t.Errorf("%+v", want)
	}
	for body, says := range map[string]string{
		`{"title":"x"}`: "severity, level", `{"level":1}`: "title", `{"title":"x","level":7}`: "level", `{"title":"x","impact":"all","level":1}`: "impact",
	} {
		if got := ask(t, app, post, "/api/v1/incidents", body, bearer("responder")); got.status < 400 || got.status >= 500 || !strings.Contains(got.text, says) {
			t.Errorf("%s: %d %s", body, got.status, got.text)
		}
	}
}

func TestARoleThatSomebodyElseTookIsAConflictThatNamesThem(t *testing.T) {
	t.Parallel()
	app, _ := newWorld(t)
	got := ask(t, app, post, "/api/v1/incidents/2/roles", `{"role":"commander","user":"ada@example.com","from":"ben@example.com"}`, bearer("responder"))
	if got.status != http.StatusConflict || !strings.Contains(got.text, "cy@example.com is commander") {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestATenantsPeopleLearnWhatIsPublicAndNotWhoWroteIt(t *testing.T) {
	t.Parallel()
	events := forTenant([]incidents.Event{
		{Kind: incidents.EventStatus, Actor: "user:1", Name: "ada@example.com", Text: "internal", Detail: map[string]any{"public": false}},
		{Kind: incidents.EventStatus, Actor: "user:1", Name: "ada@example.com", Text: "public", Detail: map[string]any{"public": true}},
		{Kind: incidents.EventRole, Actor: "user:1", Name: "ada@example.com", Text: "ada takes the role"},
		{Kind: incidents.EventMerged, Actor: "user:1", Name: "ada@example.com", Text: "Merged into #2 by ada@example.com"},
	})
	if len(events) != 2 || events[0].Text != "public" || events[0].Name != "operator" || events[1].Text != "" || events[1].Name != "operator" {
		t.Errorf("%+v", events)
	}
}
