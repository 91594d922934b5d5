package inbound_test

import (
	"net/http"
	"testing"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/internal/fault"
)

// FuzzRead sends any body as any type. Whatever is read has to pass the intake, and every error has to be the caller's.
func FuzzRead(f *testing.F) {
	all := calls(f)
	for _, c := range all {
		f.Add(c.kind, c.header.Get("Content-Type"), eventOf(c.header), c.body)
	}
	f.Fuzz(func(t *testing.T, kind, content, event string, body []byte) {
		h := http.Header{}
		h.Set("Content-Type", content)
		for _, name := range []string{"Sentry-Hook-Resource", "X-GitHub-Event"} {
			h.Set(name, event)
		}
		if kind == "sns" && event == "true" {
			h.Set("X-Amz-Sns-Rawdelivery", event)
			h.Set("X-Amz-Sns-Topic-Arn", topic)
		}
		if kind == "sns" && len(body) > inbound.MaxBody/2 {
			t.Skip("too large once it is in an envelope")
		}
		src := source(t, kind)
		got, err := inbound.Read(t.Context(), src, call{kind: kind, header: h, body: body}.request(t))
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.TooLarge && k != fault.Unauthorized {
			t.Fatalf("%v", err)
		}
		if _, err := alerting.Parse(got.Alerts, t0, 0); err != nil {
			t.Errorf("the intake refuses it: %v\n%+v", err, got.Alerts)
		}
		for _, a := range got.Alerts {
			if a.Labels["source"] != "tool" || a.Labels["alertname"] == "" || a.Labels["severity"] == "" || a.Fingerprint == "" {
				t.Errorf("%+v", a)
			}
		}
		for _, c := range got.Changes {
			if c.Service == "" || c.Ref == "" || c.Kind == "" || len(c.Key) < 5 {
				t.Errorf("%+v", c)
			}
		}
	})
}

func eventOf(h http.Header) string {
	for _, name := range []string{"Sentry-Hook-Resource", "X-GitHub-Event", "X-Amz-Sns-Rawdelivery"} {
		if v := h.Get(name); v != "" {
			return v
		}
	}
	return ""
}
