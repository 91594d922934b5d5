package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/internal/fault"
)

// NewPost returns a request that posts v as JSON. Its texts are not escaped for HTML, which they are not in: providers
// bound a body. An address that is none is a fault.Invalid that says so of what.
func NewPost(ctx context.Context, address, what string, v any) (*http.Request, error) {
	var body bytes.Buffer
	write := json.NewEncoder(&body)
	write.SetEscapeHTML(false)
	if err := write.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the message cannot be written")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, &body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is not a URL", what)
	}
	r.Header.Set("Content-Type", "application/json")
	return r, nil
}

// Address reads the secret address of a provider's webhook, named as in "Teams". What is none is a fault.Invalid that
// names where the secret is kept.
func Address(s incidents.Secret, baseDir, provider string) (*url.URL, error) {
	address, err := Resolve(s, baseDir)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fault.New(fault.Invalid, "the secret %s is not the address of a %s webhook", s, provider)
	}
	return u, nil
}

// ReadAnswer reads what a provider answered in JSON. What cannot be read is the zero value: something in between, such as
// a proxy, may have answered.
func ReadAnswer[T any](body []byte) T {
	var answer T
	if json.Unmarshal(body, &answer) != nil {
		var none T
		return none
	}
	return answer
}
