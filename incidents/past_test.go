package incidents_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

func pastOne() incidents.Past {
	acked := t0.Add(-50 * time.Minute)
	return incidents.Past{
		Source: "pagerduty", ID: "Q1", URL: "https://acme.pagerduty.com/incidents/Q1", Title: "Disk full", Service: "db",
		OpenedAt: t0.Add(-time.Hour), AcknowledgedAt: &acked, AcknowledgedBy: "Ada", ResolvedAt: t0.Add(-time.Minute), ResolvedBy: "Bo",
		Notes: []incidents.PastNote{{At: t0.Add(-40 * time.Minute), By: "Ada", Text: "Removed old logs"}},
	}
}

func TestAPastIncidentKeepsItsTimesAndPagesNobody(t *testing.T) {
	t.Parallel()
	by := incidents.Actor{ID: "user:1", Name: "cy"}
	c, err := pastOne().Change("acme", by, t0)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := pastOne().Change("acme", by, t0.Add(time.Hour))
	other, _ := pastOne().Change("", by, t0)
	if i := c.Incident; i.ID != again.Incident.ID || i.ID == other.Incident.ID || i.State != incidents.Resolved || i.Severity != incidents.Error ||
		len(c.Pages) != 0 || i.NextEscalationAt != nil {
		t.Errorf("%+v", i)
	}
	var told []string
	for _, e := range c.Events {
		told = append(told, e.At.Sub(t0).String()+" "+e.Name+": "+e.Text)
	}
	want := []string{
		"-1h0m0s pagerduty: Opened in pagerduty as Q1.", "-50m0s Ada: Acknowledged in pagerduty.", "-40m0s Ada: Removed old logs",
		"-1m0s Bo: Resolved in pagerduty.", "0s cy: Taken over from pagerduty: https://acme.pagerduty.com/incidents/Q1",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("timeline:\n%s", strings.Join(told, "\n"))
	}
}

func TestWhatCannotHaveBeenIsNotTakenOver(t *testing.T) {
	t.Parallel()
	late, early := t0.Add(time.Hour), t0.Add(-2*time.Hour)
	for want, change := range map[string]func(*incidents.Past){
		"source: is not":            func(p *incidents.Past) { p.Source = "Pager Duty" },
		"id: has 0 characters":      func(p *incidents.Past) { p.ID = "" },
		"title: has 0":              func(p *incidents.Past) { p.Title = " " },
		"title: has 301":            func(p *incidents.Past) { p.Title = strings.Repeat("ü", 301) },
		"severity: is not":          func(p *incidents.Past) { p.Severity = "high" },
		"url: is not":               func(p *incidents.Past) { p.URL = "javascript:alert(1)" },
		"openedAt: is missing":      func(p *incidents.Past) { p.OpenedAt = time.Time{} },
		"resolvedAt: is not":        func(p *incidents.Past) { p.ResolvedAt = time.Time{} },
		"what is still open is not": func(p *incidents.Past) { p.ResolvedAt = late },
		"acknowledgedAt: is not":    func(p *incidents.Past) { p.AcknowledgedAt = &early },
		"startedAt: is after":       func(p *incidents.Past) { p.StartedAt = &late },
		"notes.0.text: is empty":    func(p *incidents.Past) { p.Notes[0].Text = " " },
		"notes.0.at: is missing":    func(p *incidents.Past) { p.Notes[0].At = late },
		"notes: has 101":            func(p *incidents.Past) { p.Notes = make([]incidents.PastNote, 101) },
	} {
		p := pastOne()
		change(&p)
		if _, err := p.Change("", incidents.Actor{}, t0); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
