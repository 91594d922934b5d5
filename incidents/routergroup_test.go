package incidents

import (
	"maps"
	"testing"
	"time"
)

func TestAGroupIsShownByWhatItsAlertsShare(t *testing.T) {
	t.Parallel()
	r := Router{BudgetBy: map[string][]string{"shop-availability": {"region"}}, Routes: func(a AlertFacts) Route {
		if a.Labels["team"] == "edge" {
			return Route{Grouped: true, GroupAt: "edge", Group: map[string]string{"cluster": a.Labels["cluster"]}}
		}
		return Route{}
	}}
	f := func(labels, want map[string]string) {
		t.Helper()
		a := AlertFacts{Labels: labels}
		before := maps.Clone(labels)
		key, shared := r.Group(a)
		if !maps.Equal(shared, want) || key != r.Signal(a, time.Time{}).GroupKey {
			t.Errorf("%v: %s %v", labels, key, shared)
		}
		if shared["new"] = "x"; !maps.Equal(labels, before) {
			t.Errorf("%v: whoever changes the group's labels changes the alert's", labels)
		}
	}
	type l = map[string]string
	f(l{"alertname": "Down", "service": "shop", "instance": "a"}, l{"alertname": "Down", "service": "shop"})
	f(l{"alertname": "Down", "job": "pg", "cluster": "c"}, l{"alertname": "Down", "job": "pg", "cluster": "c"})
	f(l{"instance": "a"}, l{"instance": "a"})
	f(l{"sloth_id": "shop-availability", "alertname": "Fast", "region": "eu", "pod": "x"}, l{"sloth_id": "shop-availability", "region": "eu"})
	f(l{"team": "edge", "cluster": "c", "alertname": "Down"}, l{"cluster": "c"})
	f(l{"team": "edge"}, l{"cluster": ""})
	f(nil, l{})
}
