// Package webhook tells a wish for replicas to any HTTP endpoint, signed as Standard Webhooks describes
// (https://www.standardwebhooks.com). It leaves out how the receiver scales, and how the wish came about.
package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nines-sre/nines/capacity/autoscale"
	"github.com/nines-sre/nines/capacity/scaler"
	"github.com/nines-sre/nines/internal/fault"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Payload is the body of a wish. Fields may be added; none is renamed or removed.
type Payload struct {
	Type      string    `json:"type"`      // always "scaling.wish"
	Timestamp time.Time `json:"timestamp"` // when it was sent
	Data      Data      `json:"data"`
}

// Data is the wish.
type Data struct {
	Key      string `json:"key"` // the same at every try, and in the headers webhook-id and Idempotency-Key
	Workload string `json:"workload"`
	From     int    `json:"from"`     // replicas that the decision saw; answer 409 where there are others by now
	Replicas int    `json:"replicas"` // to have
	Reason   string `json:"reason"`
	DryRun   bool   `json:"dryRun"` // check the wish and change nothing
}

// Answer is what a receiver may say in its 2xx. An empty body accepts the wish as it is.
type Answer struct {
	Replicas *int   `json:"replicas"` // that there will be
	Message  string `json:"message"`
}

const (
	timeout    = 10 * time.Second
	maxAnswer  = 16 << 10
	mostAnswer = 1_000_000 // replicas
	eventType  = "scaling.wish"
)

// Driver sends wishes. It is safe for concurrent use.
type Driver struct {
	secret func(name string) (string, error)
	client *http.Client
	now    func() time.Time
}

// New returns a driver that asks for signing secrets by their name. Redirects are not followed, and addresses of machines'
// own metadata (link-local ones) are not dialled.
func New(secret func(name string) (string, error)) *Driver {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: refuse}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext, transport.Proxy = dialer.DialContext, nil
	transport.TLSHandshakeTimeout, transport.ResponseHeaderTimeout = 5*time.Second, 8*time.Second
	return &Driver{secret: secret, now: time.Now, client: &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errRefused = errors.New("the address is not one that a webhook may reach")

// refuse looks at the address that a name was resolved to, so that no name leads where no address may.
func refuse(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errRefused
	}
	ip := at.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip == netip.MustParseAddr("fd00:ec2::254") {
		return errRefused
	}
	return nil
}

// Scale tells the wish. A 2xx accepts it; 409 is a fault.Conflict, and the decision must be made again; 408, 425, 429, 5xx
// and no answer are a fault.Unavailable or fault.Limited; every other answer is a fault.Invalid, redirects included.
func (d *Driver) Scale(ctx context.Context, at autoscale.WebhookTarget, w scaler.Wish) (scaler.Outcome, error) {
	request, err := d.request(ctx, at, w)
	if err != nil {
		return scaler.Outcome{}, err
	}
	resp, err := d.client.Do(request)
	if err != nil {
		return scaler.Outcome{}, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return scaler.Outcome{}, unreachable(err)
	}
	if err := judge(resp); err != nil {
		return scaler.Outcome{}, err
	}
	return read(w, body)
}

func (d *Driver) request(ctx context.Context, at autoscale.WebhookTarget, w scaler.Wish) (*http.Request, error) {
	now := d.now().UTC().Truncate(time.Second)
	body, err := json.Marshal(Payload{eventType, now, Data{w.Key, w.Workload, w.From, w.Replicas, w.Reason, w.DryRun}})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the wish cannot be written")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.URL, bytes.NewReader(body))
	if err != nil || r.URL.Host == "" || r.URL.Scheme != "https" && r.URL.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "the scaling webhook's address is not an http or https URL")
	}
	signature, err := d.sign(at.Secret, w.Key, now, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Nines")
	r.Header.Set("Idempotency-Key", w.Key)
	r.Header.Set(standardwebhooks.HeaderWebhookID, w.Key)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return r, nil
}

func (d *Driver) sign(name, id string, at time.Time, body []byte) (string, error) {
	text, err := d.secret(name)
	if err != nil {
		return "", err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return "", fault.New(fault.Invalid, "the secret %s is not a signing secret: base64 of 24 to 64 bytes, with or without whsec_ before it", name)
	}
	signer, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the wish cannot be signed")
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the wish cannot be signed")
	}
	return signature, nil
}

// judge classifies a status; what the receiver says beside it is anybody's text and stays out.
func judge(resp *http.Response) error {
	code := resp.StatusCode
	kind := fault.Invalid
	switch {
	case code >= 200 && code < 300:
		return nil
	case code >= 300 && code < 400:
		return fault.New(fault.Invalid, "the scaling webhook answered with a redirect, which is not followed; correct the address")
	case code == http.StatusConflict:
		kind = fault.Conflict
	case code == http.StatusTooManyRequests:
		kind = fault.Limited
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		kind = fault.Unavailable
	}
	return fault.New(kind, "the scaling webhook answered %d", code)
}

// read validates what the receiver says it did.
func read(w scaler.Wish, body []byte) (scaler.Outcome, error) {
	done := scaler.Outcome{Before: w.From, After: w.Replicas, What: "replicas, by webhook", DryRun: w.DryRun}
	if len(bytes.TrimSpace(body)) == 0 {
		return done, nil
	}
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil || len(body) > maxAnswer {
		return done, fault.New(fault.Invalid, "the scaling webhook answered neither nothing nor a small JSON object")
	}
	if a.Replicas != nil {
		if *a.Replicas < 0 || *a.Replicas > mostAnswer {
			return done, fault.New(fault.Invalid, "the scaling webhook answered %d replicas", *a.Replicas)
		}
		done.After = *a.Replicas
	}
	return done, nil
}

// unreachable says that there was no answer, in words that hold no address.
func unreachable(err error) error {
	var netErr net.Error
	switch {
	case errors.Is(err, errRefused):
		return fault.New(fault.Invalid, "the scaling webhook's address is one that may not be reached")
	case errors.As(err, &netErr) && netErr.Timeout():
		return fault.New(fault.Timeout, "the scaling webhook did not answer in time")
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("%T", err), "the scaling webhook cannot be reached")
}
