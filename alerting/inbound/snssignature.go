package inbound

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// snsWindow is how old a signed message may be. SNS tries a delivery again for up to an hour.
const snsWindow = 65 * time.Minute

var awsRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)

// verifySNS checks the signature of an envelope. A raw message has none, so it needs a token and the topic in a header.
func verifySNS(ctx context.Context, src Source, r hook.Request) error {
	if src.Topic == "" {
		return unauthorized()
	}
	if isRaw(r) {
		if src.hasToken(r.Header) && r.Header.Get("X-Amz-Sns-Topic-Arn") == src.Topic {
			return nil
		}
		return unauthorized()
	}
	e, err := readEnvelope(r.Body)
	if err != nil {
		return unauthorized()
	}
	return src.verifyEnvelope(ctx, e, r.At)
}

func (src Source) verifyEnvelope(ctx context.Context, e snsEnvelope, now time.Time) error {
	signed, ok := e.signed()
	sent, err := time.Parse(time.RFC3339, e.Timestamp)
	switch {
	case !ok, err != nil, e.TopicARN != src.Topic, now.Sub(sent).Abs() > snsWindow:
		return unauthorized()
	case !src.amazons(e.SigningCertURL, ".pem"), e.Type == snsSubscribe && !src.amazons(e.SubscribeURL, ""):
		return unauthorized()
	case src.Certificate == nil:
		return fault.New(fault.Unavailable, "the certificate of the signature cannot be fetched here; send it again later")
	}
	text, err := src.Certificate(ctx, e.SigningCertURL)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the certificate of the signature cannot be fetched; send it again later")
	}
	if !signedWith(text, e, signed, sent) {
		return unauthorized()
	}
	return nil
}

// signed is the text that the signature is over: names and values by line, in order of name. Which they are depends on
// the type; a subject is left out where there is none.
func (e snsEnvelope) signed() (signed string, ok bool) {
	fields := []string{"Message", e.Message, "MessageId", e.MessageID}
	switch e.Type {
	case snsNotify:
		if e.Subject != nil {
			fields = append(fields, "Subject", *e.Subject)
		}
		fields = append(fields, "Timestamp", e.Timestamp)
	case snsSubscribe, snsUnsubscribe:
		fields = append(fields, "SubscribeURL", e.SubscribeURL, "Timestamp", e.Timestamp, "Token", e.Token)
	default:
		return "", false
	}
	fields = append(fields, "TopicArn", e.TopicARN, "Type", e.Type)
	return strings.Join(fields, "\n") + "\n", true
}

// amazons reports whether the URL is one of SNS in the topic's own region, so that nobody makes us fetch anything else.
func (src Source) amazons(raw, ending string) bool {
	u, err := url.Parse(raw)
	arn := strings.Split(src.Topic, ":")
	if err != nil || len(arn) != 6 || !awsRegion.MatchString(arn[3]) {
		return false
	}
	host := "sns." + arn[3] + ".amazonaws.com"
	if arn[1] == "aws-cn" {
		host += ".cn"
	}
	return u.Scheme == "https" && u.Host == host && u.User == nil && u.Fragment == "" && strings.HasSuffix(u.Path, ending)
}

// signedWith reports whether the certificate's key signed the text, and was good when the message was sent. Version 1 of
// the signatures is over SHA-1, which Amazon still sends unless the topic asks for version 2.
func signedWith(certificate []byte, e snsEnvelope, signed string, sent time.Time) bool {
	block, _ := pem.Decode(certificate)
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if block == nil || err != nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || sent.Before(c.NotBefore) || sent.After(c.NotAfter) {
		return false
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return false
	}
	switch e.SignatureVersion {
	case "1":
		sum := sha1.Sum([]byte(signed))
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature) == nil
	case "2":
		sum := sha256.Sum256([]byte(signed))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}
