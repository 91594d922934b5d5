package manifest

import (
	"strings"
	"testing"
)

func TestAListOfDocumentsIsEachOfThem(t *testing.T) {
	t.Parallel()
	const text = `- apiVersion: openslo/v1
  kind: SLI
  metadata: {name: a, labels: {team: [x, y]}}
- apiVersion: openslo/v1
  kind: Service
  metadata: {name: b}
`
	docs, problems := Read(File{Name: "a.yaml", Text: text})
	if len(problems) > 0 || len(docs) != 2 || docs[0].Metadata.Name != "a" || docs[1].Line != 4 || docs[1].Kind != "Service" {
		t.Fatalf("%v, %+v", problems, docs)
	}
	if again, problems := Read(File{Name: "again", Text: docs[0].Text()}); len(problems) > 0 || len(again) != 1 || again[0].Metadata.Name != "a" {
		t.Errorf("one of them alone does not read back: %v", problems)
	}
	for text, want := range map[string]string{
		"- a\n- b\n": "is not a mapping", "[]": "is not a mapping",
		"- {apiVersion: openslo/v1}\n- 3\n": "is not a mapping",
		"- {kind: SLI}\n":                   "apiVersion: is missing",
		"- apiVersion: nines/v1\n  kind: SLO\n  metadata: {name: a, labels: {x: [1]}}\n  spec: {}\n": "cannot unmarshal",
	} {
		if _, problems := Read(File{Name: "a.yaml", Text: text}); len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%q: %v", text, problems)
		}
	}
}
