package alerting

import (
	"net/url"
	"regexp"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/manifest"
)

// ServiceKind is the kind of documents that ReadService reads.
const ServiceKind = "Service"

// Service is what people run and promise things about: who owns it and who is paged for it.
type Service struct {
	Name        string `json:"name"`
	Owner       string `json:"owner,omitempty"`  // the team, for people
	Policy      string `json:"policy,omitempty"` // name of an escalation policy; "" means the default one
	Runbook     string `json:"runbook,omitempty"`
	Description string `json:"description,omitempty"`
	// SupportHours are when the service is looked after; nil is always.
	SupportHours *SupportHours `json:"supportHours,omitempty"`
}

type serviceSpec struct {
	Owner       string `yaml:"owner"`
	Description string `yaml:"description"`
	Policy      string `yaml:"policy"`
	Runbook     string `yaml:"runbook"`

	SupportHours *supportSpec `yaml:"supportHours"`
}

const (
	maxOwner       = 200  // characters
	maxDescription = 2000 // characters
)

// ReadService reads a Service document and names every problem in it with its line. That the policy exists is checked
// where all definitions are known.
func ReadService(d manifest.Document) (Service, manifest.Problems) {
	var spec serviceSpec
	problems := d.DecodeSpec(&spec)
	bad := func(path, format string, args ...any) {
		problems = append(problems, d.Problem(path, format, args...))
	}
	if n := utf8.RuneCountInString(spec.Owner); n > maxOwner {
		bad("spec.owner", "has %d characters; the most is %d", n, maxOwner)
	}
	if n := utf8.RuneCountInString(spec.Description); n > maxDescription {
		bad("spec.description", "has %d characters; the most is %d", n, maxDescription)
	}
	if spec.Runbook != "" && !runbook(spec.Runbook) {
		bad("spec.runbook", "is neither the name of a runbook, such as slo-burn, nor an http or https URL")
	}
	hours := spec.SupportHours.supportHours("spec.supportHours", bad)
	return Service{
		Name: d.Metadata.Name, Owner: spec.Owner, Policy: spec.Policy, Runbook: spec.Runbook, Description: spec.Description,
		SupportHours: hours,
	}, problems
}

var runbookName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// runbook reports whether s leads people to a page: the name of a runbook that ships, or an absolute URL.
func runbook(s string) bool {
	if runbookName.MatchString(s) {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && len(s) <= 2000 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
