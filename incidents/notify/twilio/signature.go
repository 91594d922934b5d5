package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// signatureHeader holds the base64 of an HMAC-SHA1 with the account's auth token. SHA-1 is Twilio's choice; as an HMAC
// it is not broken.
const signatureHeader = "X-Twilio-Signature"

// bodyParameter is in the URL of requests whose body is not a form: the SHA-256 of the body, in hex.
const bodyParameter = "bodySHA256"

// parameters checks that a request is Twilio's and returns what it says. It is signed with the URL and, for a form, its
// fields in alphabetical order.
func parameters(r hook.Request, tokens []string) (url.Values, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the URL cannot be read")
	}
	query := u.Query()
	digest := query.Get(bodyParameter)
	form := url.Values{}
	if digest == "" && r.Method != http.MethodGet {
		if form, err = url.ParseQuery(string(r.Body)); err != nil {
			return nil, fault.New(fault.Invalid, "the body is not a form; send application/x-www-form-urlencoded")
		}
	}
	if !signed(r, u, form, tokens) || (digest != "" && !digestHolds(r.Body, digest)) {
		return nil, fault.New(fault.Unauthorized, "the request is not signed by Twilio")
	}
	switch {
	case digest != "":
		return bodyFields(r)
	case r.Method == http.MethodGet:
		return query, nil
	}
	return form, nil
}

// signed compares with all tokens, and with and without the scheme's usual port, which senders write or leave out.
func signed(r hook.Request, u *url.URL, form url.Values, tokens []string) bool {
	given, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureHeader))
	if err != nil || len(given) != sha1.Size {
		return false
	}
	fields := canonical(form)
	ok := false
	for _, address := range []string{r.URL, otherPort(u)} {
		for _, token := range tokens {
			if token == "" {
				continue
			}
			mac := hmac.New(sha1.New, []byte(token))
			mac.Write([]byte(address + fields))
			ok = hmac.Equal(mac.Sum(nil), given) || ok
		}
	}
	return ok
}

// canonical writes the fields as they are signed: names in order, each followed by its values, which are in order too and
// each there once.
func canonical(form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(value)
		}
	}
	return b.String()
}

// otherPort returns the URL with the scheme's usual port where it has none, and without it where it has it.
func otherPort(u *url.URL) string {
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	v := *u
	switch {
	case usual == "":
	case u.Port() == "":
		v.Host = u.Host + ":" + usual
	case u.Port() == usual:
		v.Host = strings.TrimSuffix(u.Host, ":"+usual)
	}
	return v.String()
}

func digestHolds(body []byte, digest string) bool {
	sum := sha256.Sum256(body)
	return hmac.Equal([]byte(hex.EncodeToString(sum[:])), []byte(strings.ToLower(digest)))
}

// bodyFields reads a body that is signed by its digest: an object of texts, or a form after all.
func bodyFields(r hook.Request) (url.Values, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return nil, fault.New(fault.Invalid, "the body is neither JSON nor a form")
		}
		return form, nil
	}
	var object map[string]any
	if err := json.Unmarshal(r.Body, &object); err != nil {
		return nil, fault.New(fault.Invalid, "the body is not a JSON object")
	}
	form := url.Values{}
	for name, value := range object {
		if text, ok := value.(string); ok {
			form.Set(name, text)
		}
	}
	return form, nil
}
