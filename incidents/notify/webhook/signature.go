package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The headers of a webhook: those of Standard Webhooks, and SignatureHeader for receivers that check the body alone.
const (
	headerID        = standardwebhooks.HeaderWebhookID
	headerTimestamp = standardwebhooks.HeaderWebhookTimestamp
	headerSignature = standardwebhooks.HeaderWebhookSignature

	// SignatureHeader holds what Signature returns for each secret in force, separated by commas.
	SignatureHeader = "X-Nines-Signature"
)

// Tolerance is how far a webhook's timestamp may be from the receiver's clock. What is older may be a replay.
const Tolerance = 5 * time.Minute

// Bounds of a signing secret, in bytes, as Standard Webhooks asks for.
const (
	minSecret  = 24
	maxSecret  = 64
	secretForm = "base64 of 24 to 64 bytes, with or without whsec_ before it"
)

// secret is a signing secret: its bytes, and the text that it is written in.
type secret struct {
	key  []byte
	text string
}

func readSecret(text string) (secret, error) {
	text = strings.TrimSpace(text)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return secret{}, fault.New(fault.Invalid, "this is not a signing secret: %s", secretForm)
	}
	return secret{key, text}, nil
}

// sign sets the headers that prove the webhook, one signature for each secret, the one in force first.
func sign(header http.Header, id string, at time.Time, body []byte, secrets []secret) error {
	var standard, plain []string
	for _, s := range secrets {
		signer, err := standardwebhooks.NewWebhookRaw(s.key)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the webhook cannot be signed")
		}
		signature, err := signer.Sign(id, at, body)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the webhook cannot be signed")
		}
		standard, plain = append(standard, signature), append(plain, Signature(s.text, body))
	}
	header.Set(headerID, id)
	header.Set(headerTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(headerSignature, strings.Join(standard, " "))
	header.Set(SignatureHeader, strings.Join(plain, ","))
	return nil
}

// Signature returns "v1=" and the HMAC-SHA256 of the raw body in hex, keyed with the secret's text as it is written,
// whsec_ included. It says nothing of time: who relies on it alone must remember each webhook-id to know a replay.
func Signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Verify checks a webhook as its receiver: that it is signed with one of the secrets, of which there are two during a
// rotation, and that it was sent within Tolerance of now. body is the raw body, before any JSON is read. A webhook that
// is not ours, or not of now, is a fault.Unauthorized; a secret that is none is a fault.Invalid. A webhook-id that was
// seen before is the same message again, which the receiver answers with a 2xx and otherwise leaves alone.
func Verify(secrets []string, header http.Header, body []byte, now time.Time) error {
	id, stamp := header.Get(headerID), header.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return fault.New(fault.Unauthorized, "the webhook has no %s or no %s", headerID, headerTimestamp)
	}
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age > Tolerance {
		return fault.New(fault.Unauthorized, "the webhook was not sent within %s of now", Tolerance)
	}
	signed := false
	for _, text := range secrets {
		s, err := readSecret(text)
		if err != nil {
			return err
		}
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		for signature := range strings.FieldsSeq(header.Get(headerSignature)) {
			version, value, _ := strings.Cut(signature, ",")
			given, err := base64.StdEncoding.DecodeString(value)
			if version == "v1" && err == nil && hmac.Equal(given, mac.Sum(nil)) {
				signed = true
			}
		}
	}
	if !signed {
		return fault.New(fault.Unauthorized, "the webhook is not signed with this secret")
	}
	return nil
}
