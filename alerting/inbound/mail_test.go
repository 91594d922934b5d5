package inbound

import "testing"

func TestWhatASubjectSays(t *testing.T) {
	for _, c := range []struct {
		line, key string
		ended     bool
		severity  string
	}{
		{"Disk of db1 is full", "disk of db1 is full", false, ""},
		{"Re: AW: Disk of db1 is full", "disk of db1 is full", false, ""},
		{"[#4711] Disk of db1 is full", "disk of db1 is full", false, ""},
		{"[OPS-12] Re: [EXTERNAL] Disk of db1 is full", "disk of db1 is full", false, ""},
		{"PROBLEM: Disk of db1 is full", "disk of db1 is full", false, ""},
		{"RESOLVED: Disk of db1 is full", "disk of db1 is full", true, ""},
		{"[FIRING:2] HighLatency", "highlatency", false, ""},
		{"[RESOLVED] HighLatency", "highlatency", true, ""},
		{"** PROBLEM Service Alert: db1/Disk is CRITICAL **", "service alert: db1/disk is", false, critical},
		{"** RECOVERY Service Alert: db1/Disk is OK **", "service alert: db1/disk is", true, ""},
		{"Monitor is DOWN: shop", "monitor is: shop", false, critical},
		{"Monitor is UP: shop", "monitor is: shop", true, ""},
		{`ALARM: "shop-5xx" in EU (Frankfurt)`, `"shop-5xx" in eu (frankfurt)`, false, ""},
		{`OK: "shop-5xx" in EU (Frankfurt)`, `"shop-5xx" in eu (frankfurt)`, true, ""},
		{"Problem: High CPU", "high cpu", false, ""},
		{"Resolved in 5m 2s: High CPU", "high cpu", true, ""},
		{"High CPU - WARNING", "high cpu", false, warning},
		{"High CPU - resolved", "high cpu", true, ""},
		{"High CPU [OK]", "high cpu", true, ""},
		// Words of state that are none
		{"Server does not come up", "server does not come up", false, ""},
		{"OK button is broken", "ok button is broken", false, ""},
		{"ALERT: backup is OK", "backup is", false, ""},
		{"Ok button is broken", "ok button is broken", false, ""},
		{"DNS name not resolved", "dns name not resolved", false, ""},
		{"Backup is up to date no more", "backup is up to date no more", false, ""},
		{"Close up: mirror is broken", "close up: mirror is broken", false, ""},
		{"", "", false, ""},
		{"RESOLVED", "resolved", false, ""},
	} {
		got := readSubject(c.line)
		if got.key != c.key || got.ended != c.ended || got.severity != c.severity {
			t.Errorf("%q: %+v", c.line, got)
		}
	}
}

func FuzzSubject(f *testing.F) {
	for _, seed := range []string{"Re: [#1] PROBLEM: x is DOWN", "[RESOLVED] ** x - ok **", "Resolved in 5m: ", "is up is ok"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s := readSubject(line)
		if oneLine(line, maxSummary) != "" && s.key == "" && s.ended {
			t.Errorf("%q ends nothing that has a name: %+v", line, s)
		}
		if again := readSubject("Re: " + oneLine(line, 200)); again.key != readSubject(oneLine(line, 200)).key {
			t.Errorf("%q: an answer is about something else", line)
		}
	})
}
