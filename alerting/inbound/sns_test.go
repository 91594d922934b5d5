package inbound_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

const certificateURL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"

// signer signs as SNS does, by Amazon's description of it.
type signer struct {
	key *rsa.PrivateKey
	pem []byte
}

var makeSigner = sync.OnceValues(func() (signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signer{}, err
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"}, NotBefore: t0.AddDate(-1, 0, 0), NotAfter: t0.AddDate(0, 1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	return signer{key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
})

func amazon(t testing.TB) signer {
	t.Helper()
	s, err := makeSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// notify wraps a message; change alters the envelope before it is signed.
func (s signer) notify(message string, change func(map[string]string)) []byte {
	e := map[string]string{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Subject": "ALARM: x", "Message": message,
		"Timestamp": t0.Add(-time.Second).Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2", "SigningCertURL": certificateURL,
		"UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
	}
	if change != nil {
		change(e)
	}
	return s.sign(e)
}

func (s signer) sign(e map[string]string) []byte {
	fields := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if e["Type"] != "Notification" {
		fields = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, name := range fields {
		if value, ok := e[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	one, two := sha1.Sum([]byte(text.String())), sha256.Sum256([]byte(text.String()))
	hash, sum := crypto.SHA256, two[:]
	if e["SignatureVersion"] == "1" {
		hash, sum = crypto.SHA1, one[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, hash, sum)
	if err != nil {
		panic(err)
	}
	e["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body, _ := json.Marshal(e)
	return body
}

func tellSNS(t *testing.T, src inbound.Source, body []byte) (inbound.Received, error) {
	t.Helper()
	return inbound.Read(t.Context(), src, hook.Request{Method: http.MethodPost, Header: http.Header{}, Body: body, At: t0})
}

func TestOnlyAmazonsSignatureCounts(t *testing.T) {
	set := func(name, value string) func(map[string]string) {
		return func(e map[string]string) { e[name] = value }
	}
	for what, c := range map[string]struct {
		change func(map[string]string)
		good   bool
	}{
		"version 1":                {set("SignatureVersion", "1"), true},
		"version 2":                {nil, true},
		"no subject":               {func(e map[string]string) { delete(e, "Subject") }, true},
		"an hour old":              {set("Timestamp", t0.Add(-time.Hour).Format(time.RFC3339)), true},
		"two hours old":            {set("Timestamp", t0.Add(-2*time.Hour).Format(time.RFC3339)), false},
		"version 3":                {set("SignatureVersion", "3"), false},
		"another topic":            {set("TopicArn", topic+"2"), false},
		"another type":             {set("Type", "Else"), false},
		"no https":                 {set("SigningCertURL", strings.Replace(certificateURL, "https", "http", 1)), false},
		"another host":             {set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com.example.com/a.pem"), false},
		"another region":           {set("SigningCertURL", "https://sns.us-east-1.amazonaws.com/a.pem"), false},
		"a bucket":                 {set("SigningCertURL", "https://s3.eu-central-1.amazonaws.com/a.pem"), false},
		"somebody in the URL":      {set("SigningCertURL", "https://a@sns.eu-central-1.amazonaws.com/a.pem"), false},
		"no certificate":           {set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com/"), false},
		"another port":             {set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com:444/a.pem"), false},
		"a certificate not begun":  {set("Timestamp", t0.AddDate(-2, 0, 0).Format(time.RFC3339)), false},
		"a date that is no date":   {set("Timestamp", "now"), false},
		"a path of the query only": {set("SigningCertURL", "https://sns.eu-central-1.amazonaws.com/?x=.pem"), false},
	} {
		got, err := tellSNS(t, source(t, "sns"), amazon(t).notify("hello", c.change))
		if c.good != (err == nil && len(got.Alerts) == 1) || (!c.good && !fault.Is(err, fault.Unauthorized)) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

func confirmation(t *testing.T, url string) []byte {
	return amazon(t).notify("You have chosen to subscribe", func(e map[string]string) {
		delete(e, "Subject")
		e["Type"], e["Token"], e["SubscribeURL"] = "SubscriptionConfirmation", "2336412f37", url
	})
}

func TestASubscriptionIsConfirmedAtAmazonAlone(t *testing.T) {
	url := "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37"
	got, err := tellSNS(t, source(t, "sns"), confirmation(t, url))
	if err != nil || got.Confirm != url || len(got.Alerts) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, url := range []string{"https://169.254.169.254/latest", "http://sns.eu-central-1.amazonaws.com/", "https://sns.eu-central-1.amazonaws.com@evil.example.com/"} {
		if got, err := tellSNS(t, source(t, "sns"), confirmation(t, url)); !fault.Is(err, fault.Unauthorized) || got.Confirm != "" {
			t.Errorf("%s: %+v, %v", url, got, err)
		}
	}
}

func TestWithoutTheCertificateAmazonTriesAgain(t *testing.T) {
	src := source(t, "sns")
	src.Certificate = func(context.Context, string) ([]byte, error) { return nil, errors.New("no route") }
	if _, err := tellSNS(t, src, amazon(t).notify("x", nil)); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	src.Certificate = func(context.Context, string) ([]byte, error) { return []byte("not PEM"), nil }
	if _, err := tellSNS(t, src, amazon(t).notify("x", nil)); !fault.Is(err, fault.Unauthorized) {
		t.Error(err)
	}
}

// TestNothingIsFetchedForStrangers: the address in a message that nobody has verified is not called.
func TestNothingIsFetchedForStrangers(t *testing.T) {
	src, fetched := source(t, "sns"), ""
	src.Certificate = func(_ context.Context, url string) ([]byte, error) { fetched = url; return amazon(t).pem, nil }
	for _, change := range []func(map[string]string){
		func(e map[string]string) { e["SigningCertURL"] = "https://evil.example.com/a.pem" },
		func(e map[string]string) { e["TopicArn"] = "arn:aws:sns:eu-central-1:1:evil" },
	} {
		_, err := tellSNS(t, src, amazon(t).notify("x", change))
		if !fault.Is(err, fault.Unauthorized) || fetched != "" {
			t.Errorf("fetched %q: %v", fetched, err)
		}
	}
}
