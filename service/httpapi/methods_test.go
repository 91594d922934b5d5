package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

func TestHowOneIsCalledIsReadAndSet(t *testing.T) {
	t.Parallel()
	app, w := newWorld(t)
	got := ask(t, app, get, "/api/v1/me/ways?person=ada@example.com", "", "Authorization: Bearer admin")
	for _, want := range []string{`"from":"22:00","to":"24:00"`, `"days":[1]`, `"delaySeconds":300`, `"verifiedAt":null`, `"email":"ada@example.com"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("%d %s lacks %s", got.status, got.text, want)
		}
	}
	set := ask(t, app, "PUT", "/api/v1/me/quiet", `{"zone":"UTC","quiet":[{"from":"22:30","to":"07:00"},{"from":"00:00","to":"24:00","days":[0,6]}]}`, "Authorization: Bearer responder")
	want := []incidents.Quiet{{From: 22*time.Hour + 30*time.Minute, To: 7 * time.Hour}, {To: 24 * time.Hour, Days: []time.Weekday{0, 6}}}
	if set.status != 200 || len(w.quiet) != 2 || w.quiet[0].From != want[0].From || w.quiet[1].To != want[1].To || len(w.quiet[1].Days) != 2 {
		t.Errorf("%d %s: %+v", set.status, set.text, w.quiet)
	}
	if bad := ask(t, app, "PUT", "/api/v1/me/quiet", `{"zone":"UTC","quiet":[{"from":"25:00","to":"07:00"}]}`, "Authorization: Bearer responder"); bad.status != 422 && bad.status != 400 {
		t.Errorf("25:00 is answered %d %s", bad.status, bad.text)
	}
	if set := ask(t, app, "PUT", "/api/v1/me/rules", `{"rules":[{"urgency":"low","delaySeconds":90,"method":"7b0c3ad6-6f2e-4a52-8c1f-2f3d1f0f9a11"}]}`, "Authorization: Bearer responder"); set.status != 200 ||
		len(w.rules) != 1 || w.rules[0].Delay != 90*time.Second {
		t.Errorf("%d %s: %+v", set.status, set.text, w.rules)
	}
}
