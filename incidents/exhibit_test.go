package incidents_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
	"pgregory.net/rapid"
)

func TestSecretsAreTakenOutOfLinesAndTheRestStays(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`level=info msg="paid" user=ana`:                         `level=info msg="paid" user=ana`,
		`password=hunter2 user=ana`:                              `password=[redacted] user=ana`,
		`{"db_password": "hun\ter2", "user": "ana"}`:             `{"db_password": "[redacted]", "user": "ana"}`,
		`api-key: 'abc def' rest`:                                `api-key: '[redacted]' rest`,
		`GET /x?access_token=abc123&page=2`:                      `GET /x?access_token=[redacted]&page=2`,
		`Authorization: Bearer abc.def-123456`:                   `Authorization: [redacted] [redacted]`,
		`connect postgres://shop:s3cret@db:5432/shop failed`:     `connect postgres://[redacted]@db:5432/shop failed`,
		`key AKIAABCDEFGHIJKLMNOP used`:                          `key [redacted] used`,
		`got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_d from it`: `got [redacted] from it`,
		`pushed with ghp_abcdefghij0123456789`:                   `pushed with [redacted]`,
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\nQ==\n":           `[redacted]`,
		`the tokens of the parser are three`:                     `the tokens of the parser are three`,
		"broken \xff byte and \x00":                              "broken \uFFFD byte and \uFFFD",
	} {
		if got := incidents.Redact(line); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

func TestNoValueOfASecretsFieldSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Z]{3}[a-z0-9]{9,30}`).Draw(t, "secret")
		name := rapid.SampledFrom([]string{"password", "DB_PASSWORD", "client_secret", "token", "x-api-key", "Authorization"}).Draw(t, "name")
		line := rapid.SampledFrom([]string{"a NAME=VALUE b", `{"NAME":"VALUE"}`, "NAME: VALUE", "{'NAME': 'VALUE'}", `"{\"NAME\":\"VALUE\"}"`}).Draw(t, "form")
		got := incidents.Redact(strings.NewReplacer("NAME", name, "VALUE", secret).Replace(line))
		if strings.Contains(got, secret) {
			t.Fatalf("%q holds the secret", got)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("password=\"a\\\"b\" token: x")
	f.Fuzz(func(t *testing.T, line string) {
		got := incidents.Redact(line)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("%q cannot be stored", got)
		}
	})
}

func TestLinesAreKeptWithinBoundsTheNewestForSure(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var lines []incidents.LogLine // the newest first
	for n := range 300 {
		lines = append(lines, incidents.LogLine{At: at.Add(-time.Duration(n) * time.Second), Text: strings.Repeat("é", n)})
	}
	var c incidents.ExhibitContent
	if more := c.KeepLines(lines); !more || len(c.Lines) > incidents.MaxExhibitLines {
		t.Errorf("%d lines, more %v", len(c.Lines), more)
	}
	size := 0
	for n, l := range c.Lines {
		size += len(l.Text)
		if n > 0 && l.At.Before(c.Lines[n-1].At) {
			t.Fatal("lines are not in order")
		}
	}
	if last := c.Lines[len(c.Lines)-1]; !last.At.Equal(at) || size > incidents.MaxExhibitBytes {
		t.Errorf("the newest line is of %v, %d bytes in all", last.At, size)
	}
	var long incidents.ExhibitContent
	if more := long.KeepLines([]incidents.LogLine{{At: at, Text: strings.Repeat("é", 5000)}}); !more || !utf8.ValidString(long.Lines[0].Text) {
		t.Errorf("a long line: more %v", more)
	}
}

func TestAnExhibitSaysItsWindowWhatWasSeenAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	over := start.Add(time.Hour)
	i := incidents.Incident{StartedAt: start, OpenedAt: start.Add(2 * time.Minute), ResolvedAt: &over}
	from, to := i.ExhibitWindow(incidents.AtOpening, incidents.ExhibitSLO)
	if !from.Equal(start.Add(-time.Hour)) || !to.Equal(i.OpenedAt) {
		t.Errorf("at the opening from %v to %v", from, to)
	}
	if _, to = i.ExhibitWindow(incidents.AtResolution, incidents.ExhibitSLO); !to.Equal(over) {
		t.Errorf("at the resolution to %v", to)
	}
	for want, e := range map[string]incidents.Exhibit{
		"1 line from 2026-03-01 11:00:00 to 2026-03-01 12:02:00 UTC.": {Kind: incidents.ExhibitLogs, Outcome: incidents.ExhibitKept, Seen: 1},
		"20 traces from 2026-03-01 11:00:00 to 2026-03-01 12:02:00 UTC, and more than is kept.": {
			Kind: incidents.ExhibitTraces, Outcome: incidents.ExhibitKept, Seen: 20, More: true},
		"Nothing was seen from 2026-03-01 11:00:00 to 2026-03-01 12:02:00 UTC. Loki does not answer.": {
			Kind: incidents.ExhibitLogs, Outcome: incidents.ExhibitUnreachable, Missing: "Loki does not answer."},
	} {
		e.From, e.To = start.Add(-time.Hour), i.OpenedAt
		if got := e.Says(); got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	}
}

func TestAPostmortemTellsOfWhatWasKeptButNotOfItsLines(t *testing.T) {
	t.Parallel()
	start, budget := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 0.25
	found := incidents.Found{Incident: incidents.Incident{Number: 7, Title: "Slow"}, Kept: []incidents.Exhibit{
		{Moment: incidents.AtOpening, Kind: incidents.ExhibitSLO, Subject: "shop-latency", From: start.Add(-time.Hour), To: start,
			Outcome: incidents.ExhibitKept, Seen: 60, Content: incidents.ExhibitContent{Budget: &budget}},
		{Moment: incidents.AtOpening, Kind: incidents.ExhibitLogs, From: start.Add(-time.Hour), To: start, Outcome: incidents.ExhibitKept, Seen: 1, Private: true,
			Content: incidents.ExhibitContent{Lines: []incidents.LogLine{{At: start, Text: "only for us"}}}},
	}}
	text := incidents.EvidenceText(incidents.EvidenceImpact, []incidents.Found{found}, start)
	for _, want := range []string{"60 steps from 2026", "25.00 % of the error budget was left", "1 line from 2026"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if strings.Contains(text, "only for us") {
		t.Errorf("%q quotes a private line", text)
	}
}
