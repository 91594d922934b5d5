package definitions

import (
	"fmt"
	"strings"
	"testing"
)

func composite(name, rest string, parts ...string) string {
	var list []string
	for _, p := range parts {
		list = append(list, fmt.Sprintf("{slo: %s, weight: 1}", p))
	}
	return "---\napiVersion: nines/v1\nkind: SLO\nmetadata: {name: " + name + "}\nspec:\n  service: shop\n  objective: 99\n  sli: {composite: {parts: [" +
		strings.Join(list, ", ") + "]}}\n" + rest
}

func TestPartsOfACompositeAddUp(t *testing.T) {
	t.Parallel()
	plain := func(name, rest string) string {
		return "---\napiVersion: nines/v1\nkind: SLO\nmetadata: {name: " + name + "}\nspec:\n  service: shop\n  objective: 99\n  sli: {events: {errors: e, total: t}}\n" + rest
	}
	for _, c := range []struct{ name, text, want string }{
		{"parts that fit", composite("all", "  groupBy: [tenant]\n", "shop-availability"), ""},
		{"three deep", composite("c1", "", "shop-availability") + composite("c2", "", "shop-c1") + composite("c3", "", "shop-c2"), ""},
		{"four deep", composite("c1", "", "shop-availability") + composite("c2", "", "shop-c1") + composite("c3", "", "shop-c2") + composite("c4", "", "shop-c3"),
			"spec.sli.composite: is made of composites more than 3 deep"},
		{"one that is not there", composite("all", "", "shop-availability", "shop-gone"), `a.yaml:32: spec.sli.composite.parts.1.slo: there is no SLO "shop-gone"`},
		{"itself", composite("all", "", "shop-all"), "is the composite itself"},
		{"a circle", composite("a", "", "shop-b") + composite("b", "", "shop-a"), "is made of itself (shop-a, of which shop-b, of which shop-a)"},
		{"another interval", plain("slow", "  interval: 5m\n") + composite("all", "", "shop-slow"), `"shop-slow" counts at a base interval of 5m, the composite at 1m`},
		{"a group that it does not keep", plain("bare", "") + composite("all", "  groupBy: [tenant]\n", "shop-bare"), `"shop-bare" does not keep the label tenant`},
		{"a further objective", plain("two", "  objectives: [{name: low, objective: 90}]\n") + composite("all", "", "shop-two-low"), "is a further objective of shop-two and counts nothing of its own; name shop-two"},
	} {
		_, problems := load(t, fine+c.text)
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if !strings.Contains(all, c.want) || c.want == "" && all != "" {
			t.Errorf("%s gave\n%swant %s", c.name, all, c.want)
		}
	}
}

// A ladder of composites, each of whose rungs has two ways down, is checked in its number of rungs and not of ways.
func TestManyWaysThroughCompositesAreCheckedOnce(t *testing.T) {
	t.Parallel()
	text := fine
	for i := range 60 {
		below := "shop-availability"
		if i > 0 {
			below = fmt.Sprintf("shop-a%d", i-1)
		}
		other := strings.Replace(below, "-a", "-b", 1)
		if i == 0 {
			other = below
		}
		text += composite(fmt.Sprintf("a%d", i), "", below, other) + composite(fmt.Sprintf("b%d", i), "", below, other)
	}
	if _, problems := load(t, text); len(problems) != 2*57 {
		t.Errorf("%d problems: all but the first three rungs are too deep", len(problems))
	}
}
