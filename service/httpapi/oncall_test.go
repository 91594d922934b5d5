package httpapi

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents/oncall"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// onCallFake has one schedule, always of bea, and one link.
type onCallFake struct{ OnCall }

func (onCallFake) Schedules() map[string]oncall.Schedule {
	return map[string]oncall.Schedule{"shop": {Name: "shop", Zone: time.UTC, Layers: []oncall.Layer{{Name: "main", Rotation: oncall.Rotation{
		Unit: oncall.Weekly, Length: 1, Start: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), Zone: time.UTC, Parties: [][]string{{"bea@nines.example"}},
	}}}}}
}

func (onCallFake) Overlays(context.Context, access.Scope, []string, time.Time, time.Time) (map[string]oncall.Overlay, error) {
	return nil, nil
}

func (onCallFake) LinkOf(_ context.Context, secret string) (OnCallLink, error) {
	switch secret {
	case "calendar-secret":
		return OnCallLink{Kind: "calendar", Schedule: "shop"}, nil
	case "badge-secret":
		return OnCallLink{Kind: "badge", Schedule: "shop"}, nil
	}
	return OnCallLink{}, fault.New(fault.NotFound, "this address shows nothing, or no longer does")
}

func TestASecretAddressShowsWhatItsLinkNamesAndNothingElse(t *testing.T) {
	app, _ := newWorld(t, func(_ *Config, d *Deps) { d.OnCall = onCallFake{} })
	for path, want := range map[string]string{
		"/schedules/shop/calendar.ics?token=calendar-secret":                  "BEGIN:VCALENDAR",
		"/schedules/shop/badge.svg?token=badge-secret":                        "<svg",
		"/schedules/shop/badge.svg?token=calendar-secret":                     "",
		"/schedules/shop/calendar.ics?token=badge-secret":                     "",
		"/schedules/shop/calendar.ics":                                        "",
		"/oncall/people/bea@nines.example/calendar.ics?token=calendar-secret": "",
	} {
		res, err := app.Test(httptest.NewRequest("GET", apiPath+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		if want == "" && res.StatusCode != 404 || want != "" && (res.StatusCode != 200 || !strings.Contains(string(text), want)) {
			t.Errorf("%s: %d %.200s", path, res.StatusCode, text)
		}
	}
}
