package definitions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
)

const roomText = `apiVersion: nines/v1
kind: SeverityMatrix
metadata: {name: levels}
spec: {critical: {one: SEV1}}
---
apiVersion: nines/v1
kind: Audience
metadata: {name: chiefs}
spec:
  targets: [{teams: {url: {env: CHIEFS}}}]
  level: SEV2
`

func TestAMatrixAndAudiencesAreOfTheCatalog(t *testing.T) {
	t.Parallel()
	set, problems := load(t, roomText)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := set.Catalog.Matrix().Level(incidents.Critical, incidents.ImpactOne); got != 1 {
		t.Errorf("critical for one is %s", got)
	}
	signal := set.Catalog.Router(func(string) string { return "" }).Signal(incidents.AlertFacts{Labels: map[string]string{"severity": "critical"}}, time.Now())
	if all := set.Catalog.Audiences(); signal.Level != 2 || len(all) != 1 || all[0].Name != "chiefs" || all[0].Level != 2 {
		t.Errorf("level %s, audiences %+v", signal.Level, all)
	}
}

func TestASecondMatrixAndAudiencesOfNobodyAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		roomText + "---\n" + strings.Replace(roomText[:strings.Index(roomText, "---")], "levels", "others", 1): "is the second SeverityMatrix; the first is levels",
		roomText + "  services: [nowhere]\n": `named "nowhere"`,
		roomText + "  tenants: [nobody]\n":   `there is no Tenant named "nobody"`,
	} {
		if _, problems := load(t, text); !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("got %v; want %q", problems, want)
		}
	}
}
