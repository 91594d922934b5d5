package notifytest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// TakesFailuresAsDocumented lets the server fail in every way that providers do and checks how a notifier takes it: what
// is tried again, what is final, that a Retry-After is heard, that Send returns when its time is over, and that no error
// shows an address or one of the secrets.
func TakesFailuresAsDocumented(t *testing.T, s *Server, n incidents.Notifier, note incidents.Notification, secrets ...string) {
	t.Helper()
	for _, f := range []struct {
		name    string
		failure Failure
		want    fault.Kind
	}{
		{"too many requests", Failure{Status: 429, RetryAfter: 30 * time.Second}, fault.Limited},
		{"too many requests without a time", Failure{Status: 429}, fault.Limited},
		{"a server's error", Failure{Status: 500}, fault.Unavailable},
		{"a bad gateway", Failure{Status: 502}, fault.Unavailable},
		{"an overload", Failure{Status: 503, RetryAfter: 5 * time.Second}, fault.Unavailable},
		{"a bad request", Failure{Status: 400}, fault.Invalid},
		{"a bad credential", Failure{Status: 401}, fault.Invalid},
		{"a wrong address", Failure{Status: 404}, fault.Invalid},
		{"a redirect", Failure{Status: 307}, fault.Invalid},
		{"a cut connection", Failure{Reset: true}, fault.Unavailable},
		{"an answer that is lost", Failure{Lose: true}, fault.Unavailable},
		{"no answer", Failure{Hang: true}, fault.Timeout},
	} {
		s.Fail(f.failure)
		receipt, err := brief(t, n, note)
		if !fault.Is(err, f.want) || receipt.StatusCode != f.failure.Status {
			t.Errorf("%s: %v (%s), status %d; want %s, %d", f.name, err, fault.KindOf(err), receipt.StatusCode, f.want, f.failure.Status)
			continue
		}
		if got := fault.Public(err).RetryAfter; got != f.failure.RetryAfter {
			t.Errorf("%s: retry after %s; want %s", f.name, got, f.failure.RetryAfter)
		}
		for _, secret := range append(secrets, "127.0.0.1") {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows %q: %v", f.name, secret, err)
			}
		}
	}
	s.Fail(Failure{Slow: true})
	if receipt, err := brief(t, n, note); err != nil || receipt.StatusCode/100 != 2 {
		t.Errorf("an accepted page whose answer does not end: %+v, %v; want it accepted", receipt, err)
	}
	if refused := s.Refused(); len(refused) > 0 {
		t.Errorf("refused for its form: %v", refused)
	}
}

func brief(t *testing.T, n incidents.Notifier, note incidents.Notification) (incidents.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	return n.Send(ctx, note)
}
