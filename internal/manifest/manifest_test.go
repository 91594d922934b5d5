package manifest

import (
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

const good = `apiVersion: nines/v1
kind: SLO
metadata: {name: availability}
spec:
  service: shop
  window: 30d
  list:
  - one: 1
  - one: 2
`

type spec struct {
	Service string   `yaml:"service"`
	Window  Duration `yaml:"window"`
	List    []struct {
		One int `yaml:"one"`
	} `yaml:"list"`
}

func TestReadSplitsDocumentsAndRemembersLines(t *testing.T) {
	t.Parallel()
	docs, problems := Read(File{Name: "a.yaml", Text: "---\n---\n" + good + "---\n" + strings.Replace(good, "availability", "latency", 1)})
	if len(problems) != 0 || len(docs) != 2 {
		t.Fatalf("got %d documents, problems %v", len(docs), problems)
	}
	if got := docs[1].LineOf("spec.list.1.one"); got != 21 {
		t.Errorf("the second document's second list item stands on line 21, got %d", got)
	}
	if got := docs[0].LineOf("spec.absent.deeper"); got != 6 {
		t.Errorf("a missing field is named at its nearest parent, line 6, got %d", got)
	}
	var s spec
	if ps := docs[0].DecodeSpec(&s); len(ps) != 0 || s.Service != "shop" || s.Window.Std() != 30*24*time.Hour {
		t.Errorf("decoded %+v, problems %v", s, ps)
	}
	again, ps := Read(File{Name: "again", Text: docs[1].Text()})
	if len(ps) != 0 || again[0].Metadata.Name != "latency" {
		t.Errorf("Text does not read back: %v", ps)
	}
}

func TestEveryProblemIsNamedAtOnceWithItsLine(t *testing.T) {
	t.Parallel()
	docs, problems := Read(File{Name: "b.yaml", Text: `apiVersion: nines/v1
kind: SLO
metadata: {name: x, lables: {}}
spec:
  servise: shop
  window: 30 days
  list:
  - one: two
    onne: 3
`})
	if len(problems) != 0 {
		t.Fatalf("the envelope is fine: %v", problems)
	}
	var s spec
	got := docs[0].DecodeSpec(&s).Sorted()
	want := []string{
		`b.yaml:3: metadata.lables: is not a known field; did you mean labels?`,
		`b.yaml:5: spec.servise: is not a known field; did you mean service?`,
		`b.yaml:6: "30 days" is not a duration; write a number and a unit of ms, s, m, h, d, w or y, such as 30d or 5m`,
		"b.yaml:8: cannot unmarshal !!str `two` into int",
		`b.yaml:9: spec.list.0.onne: is not a known field; did you mean one?`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d problems: %v", len(got), got)
	}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
	if err := got.Err(); !fault.Is(err, fault.Invalid) || len(fault.Public(err).Details) != len(want) {
		t.Errorf("Err carries every problem: %v", err)
	}
}

func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
	for name, text := range map[string]string{
		"a megabyte of brackets":        strings.Repeat("[", 1<<20),
		"brackets below the size limit": strings.Repeat("[", 200<<10),
		"braces below the size limit":   strings.Repeat("{", 200<<10),
		"dashes":                        strings.Repeat("- ", 100<<10),
		"deep indentation":              deepIndent(2000),
		"alias bomb":                    bomb,
		"merge key":                     "apiVersion: nines/v1\nbase: &b {x: 1}\nspec: {<<: *b}\n",
		"duplicate key":                 "apiVersion: nines/v1\nkind: SLO\nkind: SLO\nmetadata: {name: x}\nspec: {}\n",
		"no envelope":                   "- a\n- b\n",
		"not YAML":                      "a: b: c: d\n\t- x",
		"name with a path":              "apiVersion: nines/v1\nkind: SLO\nmetadata: {name: ../x}\nspec: {}\n",
		"control characters":            "apiVersion: nines/v1\x00\n",
		"a map of 40 000 keys":          manyKeys(40_000),
		"a flat list of 200 KB":         "x: [" + strings.Repeat("1,", 100<<10) + "]",
	} {
		began := time.Now()
		_, problems := Read(File{Name: name, Text: text})
		if len(problems) == 0 {
			t.Errorf("%s was accepted", name)
		}
		for _, p := range problems {
			if len(p.Message) > 600 {
				t.Errorf("%s: the message repeats the input (%d bytes)", name, len(p.Message))
			}
		}
		if took := time.Since(began); took > 5*time.Second { // a bound against hanging; make bench has the speed
			t.Errorf("%s took %v", name, took)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ToLower(string(rune('A'+i%26))) + strings.Repeat("k", i/26%7) + string(rune('a'+i%23)) + ": 1\n")
	}
	return b.String()[:min(b.Len(), MaxBytes)]
}

func deepIndent(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i))
		b.WriteString("a:\n")
		if b.Len() > MaxBytes-n {
			break
		}
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add(good)
	f.Add("version: prometheus/v1\nservice: x\nslos: []\n")
	f.Add("a: &a [*a]")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		docs, problems := Read(File{Name: "f", Text: text})
		for _, d := range docs {
			var s spec
			d.DecodeSpec(&s)
			if again, ps := Read(File{Name: "again", Text: d.Text()}); len(ps) == 0 && len(again) != 1 {
				t.Errorf("a document reads back as %d", len(again))
			}
		}
		for _, p := range problems {
			if p.File != "f" || p.Message == "" {
				t.Errorf("a problem without file or message: %+v", p)
			}
		}
	})
}
