package dashboards

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestEveryDashboardThatShipsIsSound(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range All() {
		names = append(names, d.Name)
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(d.UID, "nines-") || len(d.UID) > 40 {
			t.Errorf("%s: the uid %q is not ours, or longer than Grafana takes", d.Name, d.UID)
		}
		if !bytes.HasSuffix(d.JSON, []byte("}\n")) {
			t.Errorf("%s does not end in one newline", d.Name)
		}
	}
	if want := []string{"forecasts", "nines-red", "slo-detail", "slo-overview"}; !slices.Equal(names, want) {
		t.Errorf("the dashboards are %v, want %v", names, want)
	}
}

func TestVariablesBecomeWhatANewcomerSeesFirst(t *testing.T) {
	t.Parallel()
	d := Dashboard{}
	if err := json.Unmarshal([]byte(`{"templating": {"list": [
		{"name": "datasource", "type": "datasource", "current": {}},
		{"name": "slo", "type": "query", "definition": "label_values(sloth_slo_info{job=\"$job\"}, sloth_id)", "current": {"value": "shop-availability"}},
		{"name": "job", "type": "query", "current": {"value": "nines"}},
		{"name": "tenant", "type": "query", "allValue": ".+", "current": {"value": "$__all"}},
		{"name": "many", "type": "query", "current": {"value": ["a", "b"]}}]},
		"panels": [{"targets": [{"expr": "a{b=\"$slo\",c=~\"${tenant:regex}\",d=~\"$many\"}[$__rate_interval]"}, {"expr": "$nobody ${datasource}"}]}]}`), &d.model); err != nil {
		t.Fatal(err)
	}
	want := []string{`a{b="shop-availability",c=~".+",d=~".*"}[5m]`, `$nobody ${datasource}`, `sloth_slo_info{job="nines"}`}
	if got := d.Queries(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheCheckFindsWhatItIsThereFor(t *testing.T) {
	t.Parallel()
	sound := All()[1]
	for name, c := range map[string]struct{ from, to, want string }{
		"not PromQL":            {`sum(rate(`, `sum((rate(`, "cannot be read"},
		"an unknown variable":   {`[$__rate_interval]`, `[$nobody]`, "not known"},
		"a fixed data source":   {`"uid": "${datasource}"`, `"uid": "prom-1"`, "does not take its data"},
		"two panels of one id":  {`"id": 2,`, `"id": 1,`, "same id"},
		"panels over another":   {`"x": 4,`, `"x": 0,`, "lies over"},
		"a panel without title": {`"title": "Requests",`, `"title": "",`, "no title"},
		"an old schema":         {`"schemaVersion": 39`, `"schemaVersion": 16`, "schemaVersion"},
	} {
		d := Dashboard{Name: name, UID: sound.UID, Title: sound.Title}
		broken := strings.Replace(string(sound.JSON), c.from, c.to, 1)
		if broken == string(sound.JSON) {
			t.Errorf("%s: %q is not in the dashboard", name, c.from)
			continue
		}
		if err := json.Unmarshal([]byte(broken), &d.model); err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the check says %v", name, err)
		}
	}
}
