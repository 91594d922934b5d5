package inbound

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// replayWindow is how far the date of a signed call may be from now, either way.
const replayWindow = 5 * time.Minute

// unauthorized says the same whatever is wrong, because the reason would help nobody but a stranger.
func unauthorized() error {
	return fault.New(fault.Unauthorized, "the call is not signed with this integration's secret")
}

// secrets are those that count now.
func (src Source) secrets() []string {
	if src.Previous == "" {
		return []string{src.Secret}
	}
	return []string{src.Secret, src.Previous}
}

// knows reports whether the token is the source's, in a time that does not depend on the token. No token is nobody's.
func (src Source) knows(token string) bool {
	given, found := sha256.Sum256([]byte(token)), 0
	for _, secret := range src.secrets() {
		want := sha256.Sum256([]byte(secret))
		if secret != "" {
			found |= subtle.ConstantTimeCompare(given[:], want[:])
		}
	}
	return found == 1 && token != ""
}

// signedBy reports whether the hex digits are the HMAC-SHA256 of the text.
func (src Source) signedBy(signature string, text []byte) bool {
	given, err := hex.DecodeString(signature)
	if err != nil || len(given) != sha256.Size {
		return false
	}
	found := false
	for _, secret := range src.secrets() {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(text)
		found = hmac.Equal(mac.Sum(nil), given) || found
	}
	return found
}

// tokens are the places where a tool can put a token: a bearer token, the password of basic authentication, or the
// header that PagerDuty's agents know. The query is none of them, because URLs end up in logs.
func tokens(h http.Header) []string {
	found := []string{h.Get("X-Routing-Key")}
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		found = append(found, strings.TrimSpace(rest))
	case "basic":
		r := http.Request{Header: h}
		if _, password, ok := r.BasicAuth(); ok {
			found = append(found, password)
		}
	}
	return found
}

func (src Source) hasToken(h http.Header) bool {
	found := false
	for _, token := range tokens(h) {
		found = src.knows(token) || found
	}
	return found
}

func verifyToken(_ context.Context, src Source, r hook.Request) error {
	if src.hasToken(r.Header) {
		return nil
	}
	return unauthorized()
}

// signed verifies an HMAC-SHA256 of the body in a header, as hex digits after a prefix.
func signed(header, prefix string) func(context.Context, Source, hook.Request) error {
	return func(_ context.Context, src Source, r hook.Request) error {
		signature, ok := strings.CutPrefix(r.Header.Get(header), prefix)
		if ok && src.signedBy(signature, r.Body) {
			return nil
		}
		return unauthorized()
	}
}

// recent reports whether a date in Unix seconds is within the window around now.
func recent(seconds string, now time.Time, window time.Duration) bool {
	n, err := strconv.ParseInt(seconds, 10, 64)
	return err == nil && now.Sub(time.Unix(n, 0)).Abs() <= window
}
