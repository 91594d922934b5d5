package service

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/nines-sre/nines/alerting/inbound"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/slo"
)

// amazonTimeout bounds a call to Amazon, which SNS waits for: it gives up after 15 seconds.
const amazonTimeout = 5 * time.Second

// maxCertificates bounds how many of Amazon's certificates are kept. There is one for each region, renewed once a year.
const maxCertificates = 100

// sources reads calls of alert and change sources. It keeps Amazon's certificates, which never change at their URL.
type sources struct {
	transport    http.RoundTripper
	mu           sync.Mutex
	certificates map[string][]byte
}

func newSources(transport http.RoundTripper) *sources {
	return &sources{transport: transport, certificates: map[string][]byte{}}
}

// read implements sourceReader. A subscription that Amazon asks about is confirmed before the answer, so that Amazon asks
// again if that failed.
func (s *sources) read(ctx context.Context, i definitions.Integration, secrets []string, r hook.Request) (toldAtHook, error) {
	src := inbound.Source{
		Name: i.Name, Type: i.Type, Tenant: i.Tenant, Service: i.Service, Environment: i.Environment, Labels: i.Labels,
		Topic: i.Options.Topic, Hold: i.Options.Hold, Mapping: i.Options.Mapping, Certificate: s.certificate,
	}
	if len(secrets) > 0 {
		src.Secret = secrets[0]
	}
	if len(secrets) > 1 {
		src.Previous = secrets[1]
	}
	got, err := inbound.Read(ctx, src, r)
	if err != nil {
		return toldAtHook{}, err
	}
	if got.Confirm != "" {
		if _, err := s.get(ctx, got.Confirm); err != nil {
			return toldAtHook{}, err
		}
	}
	told := toldAtHook{alerts: got.Alerts, answer: got.Answer, once: got.Once}
	for _, a := range told.alerts {
		if i.Policy != "" && a.EndsAt.After(r.At) && a.Annotations["nines_policy"] == "" && a.Labels["nines_policy"] == "" {
			a.Annotations["nines_policy"] = i.Policy
		}
	}
	for _, c := range got.Changes {
		told.changes = append(told.changes, toldChange{key: c.Key, Change: slo.Change{
			Service: c.Service, Environment: c.Environment, Ref: c.Ref, Kind: c.Kind, Author: c.Author, Description: c.Description,
			BeganAt: &c.At, Outcome: c.Outcome,
		}.WithDefaults(i.Name)})
	}
	return told, nil
}

// certificate returns what an URL of Amazon's holds; package inbound has checked that it is one.
func (s *sources) certificate(ctx context.Context, url string) ([]byte, error) {
	s.mu.Lock()
	kept, known := s.certificates[url]
	s.mu.Unlock()
	if known {
		return kept, nil
	}
	text, err := s.get(ctx, url)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.certificates) >= maxCertificates {
		clear(s.certificates)
	}
	s.certificates[url] = text
	return text, nil
}

func (s *sources) get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, amazonTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "Amazon's address cannot be called")
	}
	x := notify.NewExchange(s.transport)
	err = x.Do(r)
	if failed := x.Fault(ctx, "Amazon SNS", "", err); failed != nil {
		return nil, fault.Wrap(fault.Unavailable, failed, "Amazon SNS did not answer us as expected; send the message again later")
	}
	return x.Body, nil
}
