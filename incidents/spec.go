package incidents

import (
	"cmp"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// PolicyKind is the kind of documents that ReadPolicy reads.
const PolicyKind = "EscalationPolicy"

// Bounds of an escalation policy.
const (
	MaxSteps   = 20
	MaxTargets = 10 // of one step
	MaxRepeat  = 100
	MaxDelay   = 7 * 24 * time.Hour

	// How long a step waits for a provider to accept one of its pages before its fallback is paged.
	MinFallback     = 15 * time.Second
	DefaultFallback = 2 * time.Minute
	MaxFallback     = 10 * time.Minute

	// How long an acknowledgement counts, and how long an incident stays open, where a policy bounds that.
	MinTimeout     = time.Minute
	MaxAutoResolve = 30 * 24 * time.Hour
)

type policySpec struct {
	Repeat      int               `yaml:"repeat"`
	RepeatAfter manifest.Duration `yaml:"repeatAfter"`
	Steps       []stepSpec        `yaml:"steps"`

	AcknowledgeTimeout manifest.Duration `yaml:"acknowledgeTimeout"`
	AutoResolve        manifest.Duration `yaml:"autoResolve"`
	LowUrgency         string            `yaml:"lowUrgency"`
}

type stepSpec struct {
	Delay    manifest.Duration `yaml:"delay"`
	Targets  []Target          `yaml:"targets"`
	Fallback *fallbackSpec     `yaml:"fallback"`

	Strategy    string `yaml:"strategy"`
	Acknowledge string `yaml:"acknowledge"`
}

// The words of a policy and its steps. Where nothing is written the first of each counts.
const (
	lowSilent, lowPages       = "silent", "page"
	pageEach, pageOne         = "all", string(RoundRobin)
	oneIsEnough, everyoneMust = "anyone", "everyone"
)

type fallbackSpec struct {
	After   manifest.Duration `yaml:"after"`
	Targets []Target          `yaml:"targets"`
}

// fallback returns what the step does when nobody has accepted its pages, nil for nothing.
func (s stepSpec) fallback() *Fallback {
	if s.Fallback == nil {
		return nil
	}
	return &Fallback{After: cmp.Or(s.Fallback.After.Std(), DefaultFallback), Targets: s.Fallback.Targets}
}

func (s stepSpec) strategy() Strategy {
	if s.Strategy == pageOne {
		return RoundRobin
	}
	return PageAll
}

// ReadPolicy reads an EscalationPolicy document and names every problem in it with its line.
func ReadPolicy(d manifest.Document) (Policy, manifest.Problems) {
	var spec policySpec
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	p := Policy{Name: d.Metadata.Name, Repeat: spec.Repeat, RepeatAfter: spec.RepeatAfter.Std(),
		AcknowledgeTimeout: spec.AcknowledgeTimeout.Std(), AutoResolve: spec.AutoResolve.Std(), LowUrgency: spec.LowUrgency == lowPages}
	if spec.Repeat < -1 || spec.Repeat > MaxRepeat {
		r.bad("spec.repeat", "is %d; write how many further rounds to page, 0 to %d, or -1 for ever", spec.Repeat, MaxRepeat)
	}
	r.delay("spec.repeatAfter", spec.RepeatAfter)
	r.timeout("spec.acknowledgeTimeout", spec.AcknowledgeTimeout, MaxDelay)
	r.timeout("spec.autoResolve", spec.AutoResolve, MaxAutoResolve)
	r.word("spec.lowUrgency", spec.LowUrgency, lowSilent, lowPages)
	switch n := len(spec.Steps); {
	case n == 0:
		r.bad("spec.steps", "is missing; a policy needs at least one step")
	case n > MaxSteps:
		r.bad("spec.steps", "has %d steps; the most is %d", n, MaxSteps)
	}
	for i, s := range spec.Steps {
		r.step(fmt.Sprintf("spec.steps.%d", i), s)
		p.Steps = append(p.Steps, Step{Delay: s.Delay.Std(), Targets: s.Targets, Fallback: s.fallback(),
			Strategy: s.strategy(), Everyone: s.Acknowledge == everyoneMust})
	}
	return p, r.problems
}

// policyReader collects the problems of one document.
type policyReader struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (r *policyReader) bad(path, format string, args ...any) {
	r.problems = append(r.problems, r.doc.Problem(path, format, args...))
}

func (r *policyReader) delay(path string, d manifest.Duration) {
	if d.Std() > MaxDelay {
		r.bad(path, "is %s; the longest is %s", d, manifest.Duration(MaxDelay))
	}
}

// timeout checks a time after which something happens, which does not where it is left out.
func (r *policyReader) timeout(path string, d manifest.Duration, most time.Duration) {
	if d.Std() != 0 && (d.Std() < MinTimeout || d.Std() > most) {
		r.bad(path, "is %s; write %s to %s, or leave it out for never", d, manifest.Duration(MinTimeout), manifest.Duration(most))
	}
}

func (r *policyReader) word(path, got string, known ...string) {
	if got != "" && !slices.Contains(known, got) {
		r.bad(path, "%q is not known; write one of %s", clip(got, 80), strings.Join(known, ", "))
	}
}

// taking checks whom of a step's targets are paged, and who of them has to acknowledge.
func (r *policyReader) taking(path string, s stepSpec) {
	r.word(path+".strategy", s.Strategy, pageEach, pageOne)
	r.word(path+".acknowledge", s.Acknowledge, oneIsEnough, everyoneMust)
	if s.strategy() == RoundRobin && len(s.Targets) == 1 {
		r.bad(path+".strategy", "takes turns among at least two targets, and the step has one")
	}
	if s.Acknowledge != everyoneMust {
		return
	}
	switch {
	case s.strategy() == RoundRobin:
		r.bad(path+".acknowledge", "does not go with strategy %s, which pages one target; keep one of the two", pageOne)
	case !slices.ContainsFunc(s.Targets, Target.Indirect):
		r.bad(path+".acknowledge", "needs a target that is a user or a schedule, since only people acknowledge")
	}
}

func (r *policyReader) step(path string, s stepSpec) {
	r.taking(path, s)
	r.delay(path+".delay", s.Delay)
	seen := map[string]string{}
	r.targets(path+".targets", s.Targets, seen)
	if s.Fallback == nil {
		return
	}
	path += ".fallback"
	if after := s.Fallback.After.Std(); after != 0 && (after < MinFallback || after > MaxFallback) {
		r.bad(path+".after", "is %s; write %s to %s, or leave it out for %s", s.Fallback.After,
			manifest.Duration(MinFallback), manifest.Duration(MaxFallback), manifest.Duration(DefaultFallback))
	}
	r.targets(path+".targets", s.Fallback.Targets, seen)
}

// targets checks those whom a step or its fallback pages; seen holds where each of the step stands.
func (r *policyReader) targets(path string, targets []Target, seen map[string]string) {
	switch n := len(targets); {
	case n == 0:
		r.bad(path, "is missing; a step needs somebody to page")
	case n > MaxTargets:
		r.bad(path, "has %d targets; the most is %d", n, MaxTargets)
	}
	for i, t := range targets {
		at := fmt.Sprintf("%s.%d", path, i)
		r.target(at, t)
		key := t.Key()
		if earlier, again := seen[key]; again && key != "" {
			r.bad(at, "is the same as %s; keep one", earlier)
			continue
		}
		seen[key] = at
	}
}

func (r *policyReader) target(path string, t Target) {
	set := t.destinations()
	if len(set) != 1 {
		r.bad(path, "names %d providers; write exactly one of %s", len(set), providers)
	}
	for _, d := range set {
		d.check(r, path+"."+d.provider())
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func (r *policyReader) secret(path string, s Secret) {
	if field, problem := s.Problem(); problem != "" {
		r.bad(path+field, "%s", problem)
	}
}

// Problem says what is wrong with where a secret is kept, and at which field below it; "" means nothing.
func (s Secret) Problem() (field, problem string) {
	switch {
	case s.Env == "" && s.File == "":
		return "", "is missing; write env: NAME or file: PATH, where the secret is kept"
	case s.Env != "" && s.File != "":
		return "", "names both env and file; keep one"
	case s.Env != "" && !envName.MatchString(s.Env):
		return ".env", "is not the name of an environment variable: letters, digits and underscores, not starting with a digit"
	case strings.ContainsRune(s.File, 0) || len(s.File) > 1024:
		return ".file", "is not a file path"
	}
	return "", ""
}

// optional checks a secret that need not be there.
func (r *policyReader) optional(path string, s Secret) {
	if s != (Secret{}) {
		r.secret(path, s)
	}
}

// endpoint checks the address of a provider's API, which is known where it is left out.
func (r *policyReader) endpoint(path, raw string) {
	if raw != "" {
		r.url(path, raw)
	}
}

func (r *policyReader) url(path, raw string) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		r.bad(path, "is missing; write an http or https URL")
	case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || len(raw) > maxURL:
		r.bad(path, "is not an http or https URL")
	case u.User != nil:
		r.bad(path, "holds a user or password; definitions never hold secrets")
	}
}

// maxRecipients bounds one mail.
const maxRecipients = 50

func (r *policyReader) addresses(path string, to []string) {
	switch n := len(to); {
	case n == 0:
		r.bad(path, "is missing; write at least one mail address")
	case n > maxRecipients:
		r.bad(path, "has %d addresses; the most is %d", n, maxRecipients)
	}
	for i, address := range to {
		if !mailAddress(address) {
			r.bad(fmt.Sprintf("%s.%d", path, i), "%q is not a mail address such as ana@example.com", clip(address, 80))
		}
	}
}

// mailAddress reports whether s is a bare address, without a display name, comment or line break.
func mailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && !strings.ContainsAny(s, " \r\n\t<>")
}
