package runbooks

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"pgregory.net/rapid"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/internal/promguard"
)

const fence = "```"

func step(t *rapid.T, text string) Step {
	steps, problems := ReadSteps(text)
	if len(steps) != 1 || len(problems) != 0 {
		t.Fatalf("%q: %d steps, %v", text, len(steps), problems)
	}
	return steps[0]
}

func TestOnlyBlocksThatNameAStepAreSteps(t *testing.T) {
	t.Parallel()
	text := "# Title\n\n" + fence + "promql\nup\n" + fence + "\n\n" + fence + `promql step=alive title="Is it up?" on=open timeout=3s output=100` +
		"\nup{job=\"{{ labels.job or \"nines\" }}\"}\n" + fence + "\n"
	steps, problems := ReadSteps(text)
	if len(problems) != 0 || len(steps) != 1 {
		t.Fatalf("%v, %v", steps, problems)
	}
	s := steps[0]
	if s.Name != "alive" || s.Title != "Is it up?" || !s.OnOpen || s.Changes || s.Timeout.Seconds() != 3 || s.MaxBytes != 100 || s.Line != 7 {
		t.Errorf("%+v", s)
	}
	if f, err := s.Fill(nil); err != nil || f.Query != `up{job="nines"}` {
		t.Errorf("%q, %v", f.Query, err)
	}
}

func TestABadStepNamesItsLineAndRemedy(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"promql step=A\nup":                                          "lower-case",
		"promql step=a shout=yes\nup":                                "attributes of a step are",
		"promql step=a on=resolve\nup":                               "on=open",
		"promql step=a timeout=1h\nup":                               "timeout=1h",
		"promql step=a output=0\nup":                                 "output=0",
		"promql step=a changes=maybe\nup":                            "neither true nor false",
		"promql step=a\n":                                            "is empty",
		"promql step=a\nup{job={{ labels.job }}}":                    "double quotes",
		"promql step=a\nup{job='{{ labels.job }}'}":                  "double quotes",
		"promql step=a\nup{job=\"{{ .labels.job }}\"}":               "is not a variable",
		"python step=a\nprint(1)":                                    "cannot be run",
		"sql step=a\nselect 1":                                       "names no source",
		"sql step=a source=db\nselect '{{ labels.job }}'":            "becomes a parameter",
		"sql step=a source=db\nselect 1 -- {{ labels.job }}":         "becomes a parameter",
		"http step=a source=api\nDELETE /x":                          "neither with GET nor POST",
		"http step=a source=api\nGET //evil.example/x":               "one /",
		"http step=a source=api\nGET http://169.254.169.254/latest":  "one /",
		"http step=a source=api\nPOST /restart":                      "changes=true",
		"http step=a source=api changes=true on=open\nPOST /restart": "cannot run by itself",
		"shell step=a on=open\nuptime":                               "cannot run by itself",
		"shell step=a\n{{ labels.job }} -h":                          "cannot be a variable",
		"shell step=a\necho \"x":                                     "not closed",
	} {
		steps, problems := ReadSteps("# T\n\n" + fence + block + "\n" + fence)
		if len(steps) != 0 || len(problems) != 1 || problems[0].Line != 3 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%q: %v, %v; want %q", block, steps, problems, want)
		}
	}
}

func TestNoValueChangesMoreThanTheStringItStandsIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{`"} or vector(1) #`, "`", "'; drop table users; --", "../../admin", "$(id)", "-rf", "a|.*", "\\"})).
			Filter(func(s string) bool { return s != "" }).Draw(t, "value")
		v := Values{"labels.job": value}

		f, err := step(t, fence+"promql step=a\nup{job=\"{{ labels.job }}\"}\n"+fence).Fill(v)
		if err != nil {
			t.Fatal(err)
		}
		expr, err := promguard.Parse(f.Query)
		if err != nil {
			t.Fatalf("%q: %v", f.Query, err)
		}
		selector, ok := expr.(*parser.VectorSelector)
		if !ok || selector.Name != "up" || !slices.ContainsFunc(selector.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name == "job" && m.Value == strings.ToValidUTF8(value, "\uFFFD")
		}) {
			t.Fatalf("%q", f.Query)
		}

		f, err = step(t, fence+"promql step=a\nup{job=~\"{{ labels.job }}\"}\n"+fence).Fill(v)
		if err != nil {
			t.Fatal(err)
		}
		if expr, err = promguard.Parse(f.Query); err != nil || !expr.(*parser.VectorSelector).LabelMatchers[0].Matches(strings.ToValidUTF8(value, "\uFFFD")) {
			t.Fatalf("%q: %v", f.Query, err)
		}

		f, err = step(t, fence+"sql step=a source=db\nselect * from t where a = {{ labels.job }}\n"+fence).Fill(v)
		if err != nil || f.Query != "select * from t where a = $1" || f.Args[0] != value {
			t.Fatalf("%q: %v", f.Query, err)
		}

		f, err = step(t, fence+"http step=a source=api\nGET /jobs/{{ labels.job }}/x?name={{ labels.job }}\n"+fence).Fill(v)
		if err == nil {
			u, err := url.Parse("http://h" + f.Path)
			if err != nil || u.Host != "h" || u.Query().Get("name") != value || u.Path != "/jobs/"+value+"/x" || u.Fragment != "" {
				t.Fatalf("%q: %v", f.Path, err)
			}
		} else if value != "." && value != ".." {
			t.Fatal(err)
		}

		f, err = step(t, fence+"http step=a source=api changes=true\nPOST /x\n{\"job\": {{ labels.job }}}\n"+fence).Fill(v)
		var sent map[string]string
		if err != nil || json.Unmarshal([]byte(f.Send), &sent) != nil || len(sent) != 1 || sent["job"] != strings.ToValidUTF8(value, "\uFFFD") {
			t.Fatalf("%q: %v", f.Send, err)
		}

		f, err = step(t, fence+"shell step=a\nkubectl get --job={{ labels.job }} -o wide\n"+fence).Fill(v)
		if err == nil && !slices.Equal(f.Args, []string{"kubectl", "get", "--job=" + value, "-o", "wide"}) || err != nil && !strings.Contains(value, "\x00") {
			t.Fatalf("%q: %v", f.Args, err)
		}
	})
}

func TestAValueThatWouldBeAnOptionIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := ReadSteps(fence + "shell step=a\ndf \"{{ labels.path }}\"\n" + fence)
	if _, err := s[0].Fill(Values{"labels.path": "--output=x"}); err == nil {
		t.Error("a value became an option")
	}
}

func FuzzSteps(f *testing.F) {
	f.Add(fence + "promql step=a\nup{a=\"{{ labels.a }}\"}\n" + fence)
	f.Add(fence + "sql step=a source=b\nselect $x$ {{ labels.a }} $x$\n" + fence)
	f.Add(fence + "http step=a source=b\nGET /{{ labels.a }}\n" + fence)
	f.Add("~~~shell step=a\necho \"a b\" \\\n'c'\n~~~")
	f.Fuzz(func(t *testing.T, text string) {
		steps, _ := ReadSteps(text)
		for _, s := range steps {
			values := Values{}
			parts, err := s.parts()
			if err != nil {
				t.Fatalf("a step that was read cannot be split: %v", err)
			}
			for _, p := range parts {
				values[p.variable] = "v"
			}
			if _, err := s.Fill(values); err != nil && s.Language != HTTP && s.Language != Shell {
				t.Fatalf("%+v: %v", s, err)
			}
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add("---\ntitle: T\nalerts: [A]\n---\n# T\n")
	f.Add("---\n---\ntext")
	f.Add("---\n{}\n---\n" + fence + "promql step=a\nup\n" + fence)
	f.Fuzz(func(t *testing.T, text string) {
		docs, problems := manifest.Read(manifest.File{Name: "x.md", Text: text})
		if len(problems) > 0 || len(docs) == 0 {
			return
		}
		page, problems := ReadPage(docs[0])
		again, moreProblems := manifest.Read(manifest.File{Name: "stored", Text: docs[0].Text()})
		if len(moreProblems) > 0 || len(again) != 1 {
			t.Fatalf("what is kept cannot be read: %v\n%s", moreProblems, docs[0].Text())
		}
		stored, storedProblems := ReadPage(again[0])
		if len(problems) != len(storedProblems) || len(problems) == 0 && stored.Text != page.Text || len(stored.Steps) != len(page.Steps) {
			t.Fatalf("kept otherwise than written: %v, %v\n%q\n%q", problems, storedProblems, page.Text, stored.Text)
		}
	})
}
