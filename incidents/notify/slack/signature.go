package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// maxAge is how far a request's time may be off: what is older may be a replay of what somebody recorded.
const maxAge = 5 * time.Minute

const signatureVersion = "v0="

// verify checks that Slack signed the request with one of the secrets, and lately. It says no more than that it is not so,
// and compares in a time that does not depend on the secrets.
func verify(r hook.Request, secrets []string) error {
	refused := fault.New(fault.Unauthorized, "the request is not signed by Slack, or too old")
	stamp := r.Header.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || r.At.Sub(time.Unix(seconds, 0)).Abs() > maxAge {
		return refused
	}
	hexSum, ok := strings.CutPrefix(r.Header.Get("X-Slack-Signature"), signatureVersion)
	given, err := hex.DecodeString(hexSum)
	if !ok || err != nil {
		return refused
	}
	signed := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("v0:" + stamp + ":"))
		mac.Write(r.Body)
		if hmac.Equal(mac.Sum(nil), given) && secret != "" {
			signed = true
		}
	}
	if !signed {
		return refused
	}
	return nil
}
