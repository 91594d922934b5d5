package alerting

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/prometheus/common/model"
)

// PostedAlert is one alert as Alertmanager's API v2 receives it. A zero time means that the source left it out.
type PostedAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt,omitzero"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	// Fingerprint is by what the source knows the alert, where that is not its labels; "" means the labels.
	Fingerprint string `json:"-"`
}

// DefaultResolveTimeout is how long an alert without an end lives after it was last told, as in Alertmanager.
const DefaultResolveTimeout = 5 * time.Minute

// Limits on what one post may hold. They are far above what rules produce and keep one source from filling the storage.
const (
	MaxAlerts          = 10_000
	MaxLabels          = 128
	MaxAnnotations     = 64
	MaxNameBytes       = 256
	MaxLabelBytes      = 4 << 10  // of one label's value
	MaxAnnotationBytes = 16 << 10 // of one annotation's value
)

// Parse reads posted alerts with Alertmanager's v2 semantics: empty labels are dropped, at least one must be left, names
// must be Prometheus label names, an end before the start is refused. A missing start is now, or the end where that is
// earlier; a missing end is now plus the resolve timeout. All good alerts are returned even when the error, a
// fault.Invalid whose details name each bad one by its JSON pointer, tells of others: one bad rule must not silence a
// batch. More than MaxAlerts are a fault.TooLarge, and none is returned. Tenant is left empty: it comes from whoever
// posted.
func Parse(posted []PostedAlert, now time.Time, resolveTimeout time.Duration) ([]Alert, error) {
	if len(posted) > MaxAlerts {
		return nil, fault.New(fault.TooLarge, "%d alerts in one request; the most is %d: send them in several", len(posted), MaxAlerts)
	}
	if resolveTimeout <= 0 {
		resolveTimeout = DefaultResolveTimeout
	}
	now = now.UTC()
	valid := make([]Alert, 0, len(posted))
	var bad []fault.Detail
	for i, p := range posted {
		a := p.normal(now, resolveTimeout)
		if problem := a.check(); problem != "" {
			bad = append(bad, fault.Detail{Where: fmt.Sprintf("/%d", i), Message: problem})
			continue
		}
		a.Fingerprint = cmp.Or(p.Fingerprint, Fingerprint(a.Labels))
		valid = append(valid, a)
	}
	return valid, refuse(bad, len(posted))
}

// maxDetails keeps an error for a large bad batch readable.
const maxDetails = 50

func refuse(bad []fault.Detail, all int) error {
	if len(bad) == 0 {
		return nil
	}
	err := fault.New(fault.Invalid, "%d of %d alerts were refused: %s", len(bad), all, bad[0].Message)
	err.Details = bad[:min(len(bad), maxDetails)]
	return err
}

// normal fills in what the source left out and drops empty labels.
func (p PostedAlert) normal(now time.Time, resolveTimeout time.Duration) Alert {
	a := Alert{
		Labels: map[string]string{}, Annotations: map[string]string{},
		StartsAt: p.StartsAt.UTC(), EndsAt: p.EndsAt.UTC(), UpdatedAt: now, GeneratorURL: link(p.GeneratorURL),
	}
	for name, value := range p.Labels {
		if value != "" {
			a.Labels[name] = value
		}
	}
	for name, value := range p.Annotations {
		a.Annotations[name] = strings.ReplaceAll(value, "\x00", "\uFFFD")
	}
	if a.StartsAt.IsZero() {
		a.StartsAt = now
		if !a.EndsAt.IsZero() && a.EndsAt.Before(now) {
			a.StartsAt = a.EndsAt
		}
	}
	if a.EndsAt.IsZero() {
		a.EndsAt = now.Add(resolveTimeout)
		if a.EndsAt.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt.Add(resolveTimeout)
		}
	}
	return a
}

// check returns what is wrong with the alert, or "".
func (a Alert) check() string {
	switch {
	case len(a.Labels) == 0:
		return "at least one label pair required"
	case len(a.Labels) > MaxLabels:
		return fmt.Sprintf("has %d labels; the most is %d", len(a.Labels), MaxLabels)
	case len(a.Annotations) > MaxAnnotations:
		return fmt.Sprintf("has %d annotations; the most is %d", len(a.Annotations), MaxAnnotations)
	case a.EndsAt.Before(a.StartsAt):
		return "endsAt is before startsAt"
	}
	if problem := checkPairs("label", a.Labels, MaxLabelBytes); problem != "" {
		return problem
	}
	return checkPairs("annotation", a.Annotations, MaxAnnotationBytes)
}

// checkPairs finds the first pair, in order of name, that is not well formed.
func checkPairs(what string, pairs map[string]string, most int) string {
	for _, name := range sortedNames(pairs) {
		value := pairs[name]
		switch {
		case !model.LegacyValidation.IsValidLabelName(name) || len(name) > MaxNameBytes:
			return fmt.Sprintf("invalid %s name %q: letters, digits and underscores, not starting with a digit, at most %d bytes", what, short(name), MaxNameBytes)
		case !utf8.ValidString(value):
			return fmt.Sprintf("%s %s is not valid UTF-8", what, name)
		case strings.ContainsRune(value, 0):
			return fmt.Sprintf("%s %s holds a NUL character", what, name)
		case len(value) > most:
			return fmt.Sprintf("%s %s has %d bytes; the most is %d", what, name, len(value), most)
		}
	}
	return ""
}

// link returns the URL if it is one that a browser may be sent to, and "" otherwise: a link is not worth an alert.
func link(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(raw) > MaxLabelBytes || !utf8.ValidString(raw) {
		return ""
	}
	return raw
}

func short(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "..."
}
