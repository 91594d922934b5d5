package ruler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

const (
	attempts    = 5
	firstPause  = 500 * time.Millisecond
	longestWait = time.Minute // of what the ruler asks for
	maxAnswer   = 64 << 20    // of a listing, in bytes
	maxShown    = 500         // of an answer that refuses, in bytes
)

// do asks, and asks again where the ruler is busy or away. It returns the body of a success. Everything that is asked of
// a ruler may be asked twice: pushing a group replaces it, and deleting one that is gone is as good.
func (c *Client) do(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		answer, wait, err := c.once(ctx, method, url, body)
		if err == nil || attempt == attempts || !again(err) {
			return answer, err
		}
		if wait == 0 {
			wait = pause
			pause *= 2
		}
		if stopped := sleep(ctx, wait); stopped != nil {
			return nil, stopped
		}
	}
}

func again(err error) bool {
	return fault.Is(err, fault.Limited) || fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// once asks one time; wait is how long the ruler wants to be left alone, 0 where it does not say.
func (c *Client) once(ctx context.Context, method, url string, body []byte) (answer []byte, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("make a request to the ruler: %w", err)
	}
	c.identify(req)
	if body != nil {
		req.Header.Set("Content-Type", "application/yaml")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, c.unanswered(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, 0, c.unanswered(ctx, err)
	case len(text) > maxAnswer:
		return nil, 0, fault.New(fault.TooLarge, "the ruler's answer is larger than %d MB", maxAnswer>>20)
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		return nil, retryAfter(resp), c.status(resp, string(text))
	}
	return text, 0, nil
}

func (c *Client) identify(req *http.Request) {
	o := c.options
	req.Header.Set("User-Agent", "nines")
	if o.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", o.Tenant)
	}
	switch {
	case o.Token != "":
		req.Header.Set("Authorization", "Bearer "+o.Token)
	case o.User != "" || o.Password != "":
		req.SetBasicAuth(o.User, o.Password)
	}
}

// unanswered is the error of a request that nobody answered.
func (c *Client) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fault.New(fault.Timeout, "the ruler at %s did not answer in %s", c.shown, requestTimeout)
	}
	return fault.New(fault.Unavailable, "the ruler at %s does not answer: %s", c.shown, c.secretless(err.Error()))
}

// retryAfter reads the header's seconds, or its date.
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 3600))*time.Second, longestWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), longestWait)
	}
	return 0
}
