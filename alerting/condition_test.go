package alerting_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"pgregory.net/rapid"
)

func TestAMatcherReadsAndWritesAlertmanagersSyntax(t *testing.T) {
	t.Parallel()
	f := func(text string, want alerting.Matcher) {
		t.Helper()
		m, err := alerting.ReadMatcher(text)
		if err != nil || m != want {
			t.Errorf("%s reads as %+v, %v; want %+v", text, m, err, want)
		}
		if again, err := alerting.ReadMatcher(m.String()); err != nil || again != want {
			t.Errorf("%s, written of %s, reads as %+v, %v", m, text, again, err)
		}
	}
	f(`severity="critical"`, alerting.Matcher{Name: "severity", Value: "critical", IsEqual: true})
	f(`severity=critical`, alerting.Matcher{Name: "severity", Value: "critical", IsEqual: true})
	f(`severity!="critical"`, alerting.Matcher{Name: "severity", Value: "critical"})
	f(`job=~"shop.*"`, alerting.Matcher{Name: "job", Value: "shop.*", IsRegex: true, IsEqual: true})
	f(`job!~"a|b"`, alerting.Matcher{Name: "job", Value: "a|b", IsRegex: true})
	f(`team=""`, alerting.Matcher{Name: "team", IsEqual: true})
	f(`rule="a=~{"`, alerting.Matcher{Name: "rule", Value: "a=~{", IsEqual: true})
	f(`path="C:\\ \"x\""`, alerting.Matcher{Name: "path", Value: `C:\ "x"`, IsEqual: true})
}

func TestAMatcherWithoutIsEqualIsEqual(t *testing.T) {
	t.Parallel()
	f := func(text string, want alerting.Matcher) {
		t.Helper()
		var m alerting.Matcher
		if err := json.Unmarshal([]byte(text), &m); err != nil || m != want {
			t.Errorf("%s reads as %+v, %v; want %+v", text, m, err, want)
		}
	}
	f(`{"name":"a","value":"b","isRegex":false}`, alerting.Matcher{Name: "a", Value: "b", IsEqual: true})
	f(`{"name":"a","value":"b","isRegex":true,"isEqual":true}`,
		alerting.Matcher{Name: "a", Value: "b", IsEqual: true, IsRegex: true})
	f(`{"name":"a","value":"b","isRegex":false,"isEqual":false}`, alerting.Matcher{Name: "a", Value: "b"})
}

func TestMatchersAreAnchoredAndAnAbsentLabelIsEmpty(t *testing.T) {
	t.Parallel()
	f := func(m alerting.Matcher, value string, want bool) {
		t.Helper()
		ms, err := alerting.CompileMatchers([]alerting.Matcher{m})
		if err != nil {
			t.Errorf("%s: %v", m, err)
			return
		}
		values := map[string]string{}
		if value != "" {
			values[m.Name] = value
		}
		if got := ms.Match(values); got != want {
			t.Errorf("%s on %q: %v; want %v", m, value, got, want)
		}
	}
	regex := func(v string, equal bool) alerting.Matcher {
		return alerting.Matcher{Name: "job", Value: v, IsRegex: true, IsEqual: equal}
	}
	f(regex("shop", true), "shop-api", false)
	f(regex("shop.*", true), "shop-api", true)
	f(regex("a|shop-api", true), "shop-api", true)
	f(regex("shop", false), "shop-api", true)
	f(regex(".*", true), "", true)
	f(regex(".+", true), "", false)
	f(regex("shop.+", true), "shop\nx", false)
	f(alerting.Matcher{Name: "job", IsEqual: true}, "", true)
	f(alerting.Matcher{Name: "job", Value: "x"}, "", true)
	f(alerting.Matcher{Name: "job", Value: "x", IsEqual: true}, "", false)
}

func TestAMatcherThatIsNoneSaysWhy(t *testing.T) {
	t.Parallel()
	f := func(m alerting.Matcher, want string) {
		t.Helper()
		_, err := m.Compile()
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Public(err).Message, want) {
			t.Errorf("%+v: %v; want invalid with %q", m, err, want)
		}
	}
	f(alerting.Matcher{Name: "", Value: "x", IsEqual: true}, "label name")
	f(alerting.Matcher{Name: "a b", Value: "x", IsEqual: true}, "label name")
	f(alerting.Matcher{Name: strings.Repeat("a", 300), Value: "x", IsEqual: true}, "label name")
	f(alerting.Matcher{Name: "a", Value: strings.Repeat("x", 5000), IsEqual: true}, "5000 bytes")
	f(alerting.Matcher{Name: "a", Value: "\xff", IsEqual: true}, "UTF-8")
	f(alerting.Matcher{Name: "a", Value: "(", IsRegex: true, IsEqual: true}, "regular expression")
	f(alerting.Matcher{Name: "a", Value: "x)|(y", IsRegex: true, IsEqual: true}, "regular expression")
	f(alerting.Matcher{Name: "a", Value: "((x{30}){30}){30}", IsRegex: true, IsEqual: true}, "regular expression")
	f(alerting.Matcher{Name: "a", Value: strings.Repeat("[a-z]{900}", 6), IsRegex: true}, "repeats too much")
	if _, err := alerting.CompileMatchers(make([]alerting.Matcher, 65)); !fault.Is(err, fault.Invalid) {
		t.Errorf("65 matchers: %v; want invalid", err)
	}
}

func matchers() *rapid.Generator[alerting.Matcher] {
	return rapid.Custom(func(t *rapid.T) alerting.Matcher {
		return alerting.Matcher{
			Name:    rapid.SampledFrom([]string{"alertname", "severity", "zone"}).Draw(t, "name"),
			Value:   rapid.SampledFrom([]string{"", "a", "b", ".*", ".+", "a|b"}).Draw(t, "value"),
			IsRegex: rapid.Bool().Draw(t, "regex"), IsEqual: rapid.Bool().Draw(t, "equal"),
		}
	})
}

func TestEveryMatcherReadsBackAsItIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := alerting.Matcher{
			Name:    rapid.StringMatching(`[a-z_][a-z0-9_]{0,8}`).Draw(t, "name"),
			Value:   rapid.StringN(0, 20, 60).Draw(t, "value"),
			IsRegex: rapid.Bool().Draw(t, "regex"), IsEqual: rapid.Bool().Draw(t, "equal"),
		}
		if _, err := m.Compile(); err != nil {
			return
		}
		if again, err := alerting.ReadMatcher(m.String()); err != nil || again != m {
			t.Errorf("%+v is written %s, which reads as %+v, %v", m, m, again, err)
		}
	})
}

func FuzzReadMatcher(f *testing.F) {
	for _, seed := range []string{`a="b"`, `a=~"b.*"`, "a!~b", `"a b"="c"`, "{a=b}", `a="\xff"`, "a=~(x{80}){80}", `a=~"x)|(y"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := alerting.ReadMatcher(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v; want invalid", text, err)
			}
			return
		}
		if _, err := m.Compile(); err != nil {
			return // anchoring may show what the bare expression hides
		}
		if again, err := alerting.ReadMatcher(m.String()); err != nil || again != m {
			t.Errorf("%q reads as %+v and is written %s, which reads as %+v, %v", text, m, m, again, err)
		}
	})
}
