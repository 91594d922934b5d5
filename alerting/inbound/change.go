package inbound

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/slo"
)

// Change is a change to a service that a tool told of. Its fields mean what those of slo.Change mean.
type Change struct {
	// Key is by what the tool knows the change; what is told of the same key, such as its end, is about the same change.
	Key         string
	Service     string
	Environment string
	Ref         string // commit, release or URL
	Kind        string // deploy, config, flag, rollback or a word of one's own
	Author      string
	Description string
	URL         string    // for people; "" for none
	At          time.Time // when the tool says that it was
	Outcome     string    // one of slo.Outcomes; "" while it is under way
}

// Longest texts of a change, in characters, as slo.Change takes them.
const (
	maxRef         = 500
	maxAuthor      = 200
	maxEnvironment = 63
)

var changeKind = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// fit brings a change into the bounds of what can be kept. A tool's change is never refused for being long.
func (src Source) fit(c Change, now time.Time) Change {
	c.Service = oneLine(cmp.Or(c.Service, src.Service), maxAuthor)
	c.Environment = oneLine(cmp.Or(c.Environment, src.Environment), maxEnvironment)
	c.Ref, c.Author = oneLine(c.Ref, maxRef), oneLine(c.Author, maxAuthor)
	c.Description, c.URL = clean(c.Description, maxDescription), clean(c.URL, maxRef)
	c.Kind = cmp.Or(strings.ToLower(strings.TrimSpace(c.Kind)), slo.DefaultChangeKind)
	c.Key = fitKey(src.Name + "/" + c.Key)
	if c.At.IsZero() || c.At.After(now) {
		c.At = now
	}
	return c
}

// check names what a change lacks that only the tool or the integration can say.
func (c Change) check() error {
	var wrong problems
	if c.Service == "" {
		wrong.add("service", "is missing; name the service that changes, here or in the integration")
	}
	if c.Ref == "" {
		wrong.add("ref", "is missing; write what identifies the change, such as a commit, a release or a URL")
	}
	if !changeKind.MatchString(c.Kind) {
		wrong.add("kind", "%q is not a kind of change; write a lower-case word such as deploy, config or rollback", clip(c.Kind, 40))
	}
	if c.Outcome != "" && !slices.Contains(slo.Outcomes, c.Outcome) {
		wrong.add("status", "%q is not known; write started or one of %s", clip(c.Outcome, 40), strings.Join(slo.Outcomes, ", "))
	}
	if utf8.RuneCountInString(c.Key) > maxKey {
		wrong.add("dedup_key", "has more than %d characters", maxKey)
	}
	return wrong.err()
}

// changed is a call that told one change.
func (src Source) changed(c Change, now time.Time) (Received, error) {
	if src.Tenant != "" {
		return refuse("body: tells of a change, which is the operator's; send it to an integration without a tenant")
	}
	c = src.fit(c, now)
	if err := c.check(); err != nil {
		return Received{}, err
	}
	return Received{Changes: []Change{c}}, nil
}
