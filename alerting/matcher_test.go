package alerting_test

import (
	"strings"
	"testing"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
)

func TestMatchersAreAlertmanagers(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"alertname": "Orders", "severity": "critical", "job": "shop-api"}
	f := func(want bool, filters ...string) {
		t.Helper()
		ms, err := alerting.ParseMatchers(filters)
		if err != nil {
			t.Errorf("%v: %v", filters, err)
			return
		}
		if got := ms.Match(labels); got != want {
			t.Errorf("%v: %v; want %v", filters, got, want)
		}
	}
	f(true)
	f(true, `severity="critical"`)
	f(true, `severity=critical`, `job=~"shop.*"`)
	f(false, `severity="critical"`, `job!~"shop.*"`)
	f(false, `job=~"shop"`) // anchored
	f(true, `team=""`)
	f(true, `team!="a"`)
	f(false, `team="a"`)
	f(true, `"alertname"="Orders"`)
}

func TestWhatIsNoMatcherIsInvalid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"alert name", "", "=x", `a=~"("`, `a="b",c="d"`, "a=" + strings.Repeat("x", 5000)} {
		if _, err := alerting.ParseMatcher(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.20q: %v; want invalid", text, err)
		}
	}
	if _, err := alerting.ParseMatchers(make([]string, 65)); !fault.Is(err, fault.Invalid) {
		t.Errorf("65 filters: %v; want invalid", err)
	}
}

func FuzzParseMatcher(f *testing.F) {
	for _, seed := range []string{`a="b"`, `a=~"b.*"`, "a!~b", `"a b"="c"`, "{a=b}", "alert name", `a="\xff"`, "0=\x83", `""=""`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := alerting.ParseMatcher(text)
		if err != nil {
			return
		}
		again, err := alerting.ParseMatcher(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%q reads as %s, which reads as %v, %v", text, m, again, err)
		}
	})
}

func TestAnExpressionThatWouldRunForMinutesIsRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		strings.Repeat("x{1000}", 500), strings.Repeat("(x{1,1000}){1,1}", 200), "((a{30}){30}){30}", `\d\\[((x{99}){99}){9}]`, "(x{80}){80}", strings.Repeat("[a-z]{900}", 6),
	} {
		for _, text := range []string{`a=~"` + pattern + `"`, "a=~" + pattern, `{a!~"` + pattern + `"}`, `"a"=~"` + pattern + `"`, ` a =~ "` + pattern + `" `} {
			if _, err := alerting.ParseMatcher(text); !fault.Is(err, fault.Invalid) {
				t.Errorf("%.30s: %v; want invalid", text, err)
			}
		}
	}
	for _, text := range []string{
		`instance=~"10\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}:9100"`, `job=~"` + strings.Repeat("web|", 900) + `db"`, `a=~"\\[x{2}"`,
	} {
		if _, err := alerting.ParseMatcher(text); err != nil {
			t.Errorf("%.40s: %v; want it to be read", text, err)
		}
	}
}
