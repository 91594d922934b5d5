package account

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/nines-sre/nines/incidents/notify"
)

// How long PagerDuty's limits are waited for. Its REST API takes some 900 requests a minute and says in a header when it
// takes more.
const (
	mostTries   = 8
	longestWait = time.Minute
	firstWait   = 2 * time.Second // where no header says how long
)

// patience repeats requests that PagerDuty could not take just now. They only read, so that repeating does no harm.
type patience struct {
	next http.RoundTripper
	wait func(ctx context.Context, d time.Duration) error
}

func newPatience(wait func(context.Context, time.Duration) error) *patience {
	if wait == nil {
		wait = sleep
	}
	return &patience{next: notify.NewTransport(), wait: wait}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RoundTrip implements http.RoundTripper.
func (p *patience) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		answer, err := p.next.RoundTrip(r)
		again := err == nil && (answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500)
		if !again || try == mostTries {
			return answer, err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
		_ = answer.Body.Close()
		if err := p.wait(r.Context(), pause(answer.Header, try)); err != nil {
			return nil, err
		}
	}
}

func pause(h http.Header, try int) time.Duration {
	for _, name := range []string{"ratelimit-reset", "Retry-After"} {
		if seconds, err := strconv.Atoi(h.Get(name)); err == nil && seconds >= 0 {
			return min(time.Duration(seconds)*time.Second, longestWait)
		}
	}
	return min(firstWait<<(try-1), longestWait)
}
