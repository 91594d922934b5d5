package publish_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/publish"
)

var update = flag.Bool("update", false, "write the golden files anew")

var t0 = time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)

// document is a postmortem with something of everything.
func document(t testing.TB) publish.Document {
	t.Helper()
	opened, acked, over, spent := t0.Add(time.Minute), t0.Add(3*time.Minute), t0.Add(49*time.Minute), 0.31
	i := incidents.Incident{ID: "i1", Number: 42, Tenant: "acme", Title: "shop availability for acme burns 14 times too fast", Severity: incidents.Critical,
		State: incidents.Resolved, Service: "shop", StartedAt: t0, OpenedAt: opened, AcknowledgedAt: &acked, AcknowledgedBy: "ada@example.com",
		ResolvedAt: &over, ResolvedBy: "ada@example.com", BudgetSpent: &spent}
	events := []incidents.Event{
		{ID: 1, At: opened, Kind: incidents.EventOpened, Text: "Opened as critical.", Name: "Nines"},
		{ID: 2, At: acked, Kind: incidents.EventAcknowledged, Text: "Acknowledged.", Actor: "user:1", Name: "ada@example.com"},
		{ID: 3, At: acked.Add(time.Minute), Kind: incidents.EventNote, Text: "Rolled back | <b>the deploy</b>", Actor: "user:1", Name: "ada@example.com"},
	}
	bad := 48.0
	impact := incidents.Impact{From: t0, To: over, Coverage: 1, Complete: true, BudgetShare: &spent, BadMinutes: &bad, Objective: 99.9,
		Counts: []incidents.Harm{{Tenant: "acme", Region: "eu-west", Errors: 1234, Total: 56789}}}
	p, err := incidents.NewPostmortem(incidents.DefaultTemplate(), []incidents.Found{{Incident: i, Events: events, Impact: impact}}, "ada@example.com", "ada@example.com", t0.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p.Number, p.Version = 7, 3
	p.Section("summary").Text = "Checkout **failed** for a fifth of the customers; see [the dashboard](https://grafana.example/d/1) and `max_connections`.\n\n# Loud heading\n\n> We did not see it coming. Größe, Łódź, 東京."
	p.Section("root-causes").Text = "1. Retries without a budget\n   went on and on\n2. A pool of 100\n   - of which 90 were idle\n\n```sql\nselect count(*) from pg_stat_activity; -- <script>\n"
	p.Section("well").Text = "<script>alert(1)</script> <img src=x onerror=alert(2)> [x](javascript:alert(3))\n\n- [x] told\n- [ ] written 🎉"
	due := t0.AddDate(0, 0, 7)
	return publish.Document{Postmortem: p, Items: []incidents.ActionItem{
		{Number: 1, Title: "Give retries a budget | in every client", Kind: incidents.Prevent, Owner: "ada@example.com", DueAt: &due, State: incidents.ActionOpen, TrackerKey: "SHOP-118"},
		{Number: 2, Title: "A bigger pool", Kind: incidents.Mitigate, State: incidents.ActionDropped, Reason: "the budget is enough"},
	}}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it, and run with -update if it is right", path)
	}
}

func TestDocumentsAreAsTheyWere(t *testing.T) {
	t.Parallel()
	d := document(t)
	golden(t, "postmortem.md", []byte(d.Postmortem.Markdown(d.Items)))
	golden(t, "postmortem.html", publish.HTML(d))
}

func TestThePDFIsTheSameForTheSameVersion(t *testing.T) {
	t.Parallel()
	first, err := publish.PDF(document(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := publish.PDF(document(t))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two exports differ: %d and %d bytes, %v", len(first), len(second), err)
	}
	if !bytes.HasPrefix(first, []byte("%PDF-")) || !bytes.Contains(first, []byte("%%EOF")) || len(first) > 400_000 {
		t.Errorf("%d bytes that are no PDF of moderate size", len(first))
	}
	if path := os.Getenv("NINES_PDF"); path != "" {
		_ = os.WriteFile(path, first, 0o644)
	}
}

func TestHostileTextIsNoMarkup(t *testing.T) {
	t.Parallel()
	page := string(publish.HTML(document(t)))
	for _, bad := range []string{"<script", "<img", "javascript:alert", "<b>"} {
		if strings.Contains(strings.ReplaceAll(page, "&lt;script", ""), bad) && bad != "javascript:alert" {
			t.Errorf("the page holds %s", bad)
		}
	}
	if strings.Contains(page, `href="javascript`) {
		t.Error("a link leads to a script")
	}
	if strings.Contains(page, "<h1>Loud") || !strings.Contains(page, "<h3>Loud heading</h3>") {
		t.Error("a heading of a section stands above it")
	}
	if at := strings.Index(page, "<h2>Trigger</h2>"); at < 0 {
		t.Error("code that was not closed swallowed the next section")
	}
}

func FuzzDocumentsTakeAnyText(f *testing.F) {
	for _, seed := range []string{"", "```", "| a | b |\n|---|--:|\n| 1 |", "- a\n  - b\n1) c", "> q\n\n***\n[x](http://a)", "\\\x00\xff🎉", "~~~\n# x", "|\n|-", "a\n===\nb\n---", strings.Repeat("w", 3000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := incidents.Postmortem{Number: 1, Title: text, Version: 1, State: incidents.ReviewDraft, CreatedAt: t0, UpdatedAt: t0,
			Sections: []incidents.Section{{Key: "a", Title: "One", Text: text}, {Key: "b", Title: "Second section", Text: "end"}}}
		d := publish.Document{Postmortem: p, Items: []incidents.ActionItem{{Title: text, Kind: incidents.Prevent}}}
		page := string(publish.HTML(d))
		if strings.Count(page, "<h2>") != 3 {
			t.Errorf("%q makes %d sections of 3:\n%s", text, strings.Count(page, "<h2>"), page)
		}
		if strings.Contains(page, "<script") {
			t.Errorf("%q makes a script", text)
		}
		if _, err := publish.PDF(d); err != nil {
			t.Errorf("%q makes no PDF: %v", text, err)
		}
	})
}
