package inbound

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/alerting"
	"github.com/prometheus/common/model"
)

// event is what every kind of alert comes down to.
type event struct {
	key   string // what the tool knows it by: the same key is the same alert
	ended bool
	name  string // short and stable for the key; "" means the key
	// grouped alerts share an incident by their names and services; others have one for each key.
	grouped     bool
	summary     string // one line for people
	description string
	severity    string // in any of the usual words; "" means that the tool says none
	service     string
	starts      time.Time // zero is now
	ends        time.Time // zero is not known; of an ended alert zero is now
	labels      map[string]string
	details     map[string]string
	link        string
	annotations map[string]string // as they are, besides those that follow from the rest
}

// Sizes in characters of what an alert tells.
const (
	maxKey         = 255
	maxName        = 200
	maxSummary     = 1024
	maxDescription = 4000
	maxDetails     = 4000
)

// maxLabels is how many labels of its own an alert may bring; more are cut off in order of name.
const maxLabels = 64

// post turns an event into an alert. Its fingerprint follows the source and the key alone, so that neither another text
// nor another severity makes another alert, and an end needs nothing but the key.
func (src Source) post(e event, now time.Time) alerting.PostedAlert {
	e.key = fitKey(e.key)
	p := alerting.PostedAlert{
		Fingerprint: alerting.Fingerprint(map[string]string{"__source__": src.Name, "__dedup_key__": e.key}),
		Labels:      src.labels(e), Annotations: e.notes(), StartsAt: e.starts, EndsAt: e.ends, GeneratorURL: e.link,
	}
	switch {
	case e.ended && (p.EndsAt.IsZero() || p.EndsAt.After(now)):
		p.EndsAt = now
	case !e.ended && !p.EndsAt.After(now):
		p.EndsAt = now.Add(cmp.Or(src.Hold, DefaultHold))
	}
	if p.StartsAt.IsZero() || p.StartsAt.After(now) {
		p.StartsAt = now
	}
	if p.StartsAt.After(p.EndsAt) {
		p.StartsAt = p.EndsAt
	}
	return p
}

// labels are the alert's own over the integration's, and over both what we answer for.
func (src Source) labels(e event) map[string]string {
	own := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(e.labels)) {
		if value := clean(e.labels[name], maxSummary); value != "" && len(own) < maxLabels {
			own[labelName(name)] = value
		}
	}
	all := maps.Clone(src.Labels)
	if all == nil {
		all = map[string]string{}
	}
	if given := own["source"]; given != "" {
		own["exported_source"] = given // as Prometheus names a label that it has to write over
	}
	maps.Copy(all, own)
	all["alertname"] = cmp.Or(oneLine(e.name, maxName), oneLine(own["alertname"], maxName), oneLine(e.key, maxName))
	all["service"] = cmp.Or(oneLine(e.service, maxName), own["service"], src.Service)
	all["severity"] = cmp.Or(severityOf(e.severity), known(own["severity"]), known(src.Labels["severity"]), defaultSeverity)
	all["source"] = src.Name
	if !e.grouped {
		all["dedup_key"] = e.key
	}
	if src.Tenant != "" {
		all["tenant"] = src.Tenant
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

func (e event) notes() map[string]string {
	notes := map[string]string{}
	for name, value := range e.annotations {
		if len(notes) < alerting.MaxAnnotations/2 {
			notes[labelName(name)] = clean(value, maxDescription)
		}
	}
	for name, value := range map[string]string{
		"summary": oneLine(e.summary, maxSummary), "description": clean(e.description, maxDescription), "details": detailsOf(e.details),
	} {
		if value != "" {
			notes[name] = value
		}
	}
	return notes
}

// detailsOf writes details one a line, in order of name.
func detailsOf(details map[string]string) string {
	lines := make([]string, 0, len(details))
	for _, name := range slices.Sorted(maps.Keys(details)) {
		if details[name] != "" {
			lines = append(lines, oneLine(name, 100)+": "+clean(details[name], 500))
		}
	}
	return clip(strings.Join(lines, "\n"), maxDetails)
}

// fitKey keeps a key within its bound without making two of it one: what is longer ends in a hash of the whole.
func fitKey(key string) string {
	if utf8.RuneCountInString(key) <= maxKey {
		return strings.ReplaceAll(strings.ToValidUTF8(key, "\uFFFD"), "\x00", "\uFFFD")
	}
	return clip(key, maxKey-hashDigits-1) + "#" + hash(key)
}

const hashDigits = 32

// hash names its parts in so many hex digits; where one part ends and the next begins counts.
func hash(parts ...string) string {
	text, _ := json.Marshal(parts) // strings always encode
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// labelName makes a Prometheus label name of any text.
func labelName(s string) string {
	if model.LegacyValidation.IsValidLabelName(s) && len(s) <= alerting.MaxNameBytes {
		return s
	}
	var b strings.Builder
	for _, r := range clip(s, 100) {
		digit := r >= '0' && r <= '9'
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', digit && b.Len() > 0:
			b.WriteRune(r)
		case digit:
			b.WriteString("_" + string(r))
		default:
			b.WriteByte('_')
		}
	}
	return cmp.Or(b.String(), "_")
}

// clean makes text that storage takes, of at most n characters.
func clean(s string, n int) string {
	return clip(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"), n)
}

func oneLine(s string, n int) string { return clean(strings.Join(strings.Fields(s), " "), n) }

// clip cuts a text to at most n characters, the last being an ellipsis where it was cut.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
