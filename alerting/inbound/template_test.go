package inbound_test

import (
	"strings"
	"testing"

	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/internal/fault"
)

func TestEachWrongExpressionOfAMappingIsNamed(t *testing.T) {
	whole := func(change func(*inbound.MappingText)) inbound.MappingText {
		m := inbound.MappingText{Key: "item.id", Summary: "item.title", Ended: "item.ok"}
		change(&m)
		return m
	}
	for want, m := range map[string]inbound.MappingText{
		"":            whole(func(*inbound.MappingText) {}),
		"key":         whole(func(m *inbound.MappingText) { m.Key = "" }),
		"summary":     whole(func(m *inbound.MappingText) { m.Summary = "item." }),
		"ended":       whole(func(m *inbound.MappingText) { m.Ended = "other.ok" }),
		"labels.host": whole(func(m *inbound.MappingText) { m.Labels = map[string]string{"host": "1 +"} }),
		"severity":    whole(func(m *inbound.MappingText) { m.Severity = strings.Repeat("1+", 2000) + "1" }),
		"key summary": {Ended: "false"},
		"each skip":   whole(func(m *inbound.MappingText) { m.Each, m.Skip = "(", ")" }),
	} {
		made, problems := inbound.NewMapping(m)
		var fields []string
		for _, p := range problems {
			fields = append(fields, p.Field)
		}
		if got := strings.Join(fields, " "); got != want || (made == nil) != (want != "") {
			t.Errorf("want %q: %v", want, problems)
		}
	}
}

// TestAnExpressionCannotRunForEver: neither alone nor for each of many items.
func TestAnExpressionCannotRunForEver(t *testing.T) {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 1000), ",") + "]"
	for _, c := range []struct {
		text inbound.MappingText
		want fault.Kind
	}{
		{inbound.MappingText{Key: "string(body.l.all(a, body.l.all(b, body.l.all(c, a + b + c > 0))))"}, fault.Invalid},
		{inbound.MappingText{Each: "body.l", Key: "string(body.l.all(a, a > 0))"}, fault.TooLarge},
	} {
		c.text.Summary, c.text.Ended = "'x'", "false"
		mapping, problems := inbound.NewMapping(c.text)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		src := source(t, "template")
		src.Mapping = mapping
		if got, err := send(t, src, `{"l":`+list+`}`); !fault.Is(err, c.want) || len(got.Alerts) > 0 {
			t.Errorf("%s: %d alerts, %v", c.text.Key, len(got.Alerts), err)
		}
	}
}

// TestTheRestIsToldWhereOneItemIsWrong: the answer says which.
func TestTheRestIsToldWhereOneItemIsWrong(t *testing.T) {
	got, err := send(t, source(t, "template"), `{"alerts":[{"state":"open","rule":{"title":"no key"}},{"id":1,"state":"open","rule":{"title":"good"}}]}`)
	if err != nil || len(got.Alerts) != 1 || !strings.Contains(string(got.Answer.Body), "item 0: mapping.key") {
		t.Errorf("%+v, %s, %v", got.Alerts, got.Answer.Body, err)
	}
	_, err = send(t, source(t, "template"), `{"alerts":[{"state":"open"}]}`)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("none is good: %v", err)
	}
}

func TestTextsOfAnyKindBecomeLabels(t *testing.T) {
	mapping, problems := inbound.NewMapping(inbound.MappingText{
		Key: "body.id", Summary: "body.name + ' is slow'", Ended: "has(body.gone)", StartsAt: "body.at",
		Labels: map[string]string{"float": "body.float", "bool": "body.bool", "list": "body.list", "none": "body.none", "absent": "body.a.b.c"},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	src := source(t, "template")
	src.Mapping = mapping
	a := one(t, src, `{"id":"a","name":"shop","float":1.5,"bool":true,"list":[1,"x"],"none":null,"at":1772359140}`)
	for name, want := range map[string]string{"float": "1.5", "bool": "true", "list": `[1,"x"]`, "none": "", "absent": ""} {
		if a.Labels[name] != want {
			t.Errorf("%s is %q, want %q", name, a.Labels[name], want)
		}
	}
	if a.Annotations["summary"] != "shop is slow" || stamp(a.StartsAt) != "2026-03-01T09:59:00Z" {
		t.Errorf("%+v", a)
	}
}

func FuzzMapping(f *testing.F) {
	f.Add("item.id", `item.state == "ok"`, `{"id":1,"state":"ok"}`)
	f.Add("body.l[0].?x.orValue('y')", "size(body.l) > 1", `{"l":[{}]}`)
	f.Add("string(body.l.map(x, x*x))", "body.l.exists(x, x > 1e3)", `{"l":[1,2e300,-0.0]}`)
	f.Fuzz(func(t *testing.T, key, ended, body string) {
		mapping, problems := inbound.NewMapping(inbound.MappingText{Key: key, Summary: "'x'", Ended: ended})
		if len(problems) > 0 {
			return
		}
		src := source(t, "template")
		src.Mapping = mapping
		c := call{kind: "template", header: map[string][]string{}, body: []byte(body)}
		got, err := inbound.Read(t.Context(), src, c.request(t))
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.TooLarge {
			t.Fatal(err)
		}
		for _, a := range got.Alerts {
			if a.Labels["dedup_key"] == "" {
				t.Errorf("%+v", a)
			}
		}
	})
}
