package incidents

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// PostmortemPolicyKind is the kind of documents that ReadPostmortemPolicy reads.
const PostmortemPolicyKind = "PostmortemPolicy"

// Bounds and usual values of a postmortem policy.
const (
	DefaultReminderEvery = 2 * 24 * time.Hour
	minReminderEvery     = time.Hour
	maxReminderEvery     = 30 * 24 * time.Hour
	maxDueDays           = 365

	usualBusinessDays = 5 // until a postmortem is due that an error-budget policy asks for
)

// PostmortemPolicy says which incidents have to be reviewed, and until when.
type PostmortemPolicy struct {
	Name        string
	Services    []string // whose incidents; empty is all
	Template    string   // "" is the services' own, or the default
	Zone        *time.Location
	RemindEvery time.Duration // after the review was due
	Rules       []PostmortemRule
}

// PostmortemRule asks for the review of incidents that are at least so bad; every bound that is set must hold.
type PostmortemRule struct {
	Severity     Severity // at least; "" is any
	Level        int      // 1 to 5, SEV1 to SEV5: at least so bad; 0 is any
	BudgetShare  float64  // more than this share of the error budget was spent; 0 is any
	Days         int      // until it is due, from the resolution; one of both is 0
	BusinessDays int
}

// Weight is what an incident is judged by.
type Weight struct {
	Service  string
	Severity Severity
	Level    int      // 1 to 5; 0 is unknown
	Budget   *float64 // share of the error budget; nil is unknown
}

// WeightOf is what is known about an incident.
func WeightOf(i Incident) Weight {
	return Weight{Service: i.Service, Severity: i.Severity, Level: int(i.Level), Budget: i.BudgetSpent}
}

// Duty is a postmortem that has to be written until a time.
type Duty struct {
	Incident   ReviewedIncident `json:"incident"`
	Policy     string           `json:"policy"`
	Reason     string           `json:"reason"`
	Owner      string           `json:"owner"` // e-mail of who acknowledged; "" where nobody has
	Template   string           `json:"template"`
	Every      time.Duration    `json:"remindEvery"`
	RequiredAt time.Time        `json:"requiredAt"`
	DueAt      time.Time        `json:"dueAt"`
	Postmortem int64            `json:"postmortem"` // number of its postmortem; 0 where none was drafted yet
	State      ReviewState      `json:"state"`      // of that postmortem
}

// Overdue reports whether its time has passed; whether it is met is for whoever lists duties that are not.
func (d Duty) Overdue(now time.Time) bool { return now.After(d.DueAt) }

// Demand returns the strictest duty that policies ask for after an incident that was resolved at a time: the one that is
// due first. ok is false where none asks.
func Demand(policies []PostmortemPolicy, w Weight, resolved time.Time) (d Duty, ok bool) {
	for _, p := range policies {
		if len(p.Services) > 0 && !slices.Contains(p.Services, w.Service) {
			continue
		}
		for _, r := range p.Rules {
			if why := r.asks(w); why != "" {
				due := r.due(resolved, p.Zone)
				if !ok || due.Before(d.DueAt) {
					d = Duty{Policy: p.Name, Reason: fmt.Sprintf("it %s, and the policy %s asks for a postmortem then", why, p.Name), Template: p.Template,
						Every: p.RemindEvery, RequiredAt: resolved, DueAt: due}
					ok = true
				}
			}
		}
	}
	return d, ok
}

// UsualDuty is the duty of an incident that an error-budget policy asks a postmortem for.
func UsualDuty(r Requirement, resolved time.Time) Duty {
	return Duty{Policy: r.Policy, Reason: r.Reason, Every: DefaultReminderEvery, RequiredAt: resolved,
		DueAt: PostmortemRule{BusinessDays: usualBusinessDays}.due(resolved, time.UTC)}
}

// asks says in words what the rule asks for a review because of, "" where it does not.
func (r PostmortemRule) asks(w Weight) string {
	var why []string
	if r.Severity != "" {
		if r.Severity != w.Severity && !w.Severity.WorseThan(r.Severity) {
			return ""
		}
		why = append(why, "was "+string(w.Severity))
	}
	if r.Level > 0 {
		if w.Level == 0 || w.Level > r.Level {
			return ""
		}
		why = append(why, fmt.Sprintf("was SEV%d", w.Level))
	}
	if r.BudgetShare > 0 {
		if w.Budget == nil || *w.Budget <= r.BudgetShare {
			return ""
		}
		why = append(why, "has spent "+share(*w.Budget)+" of the error budget")
	}
	return strings.Join(why, " and ")
}

// due counts days by the zone's calendar, at the wall clock of the resolution.
func (r PostmortemRule) due(from time.Time, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	at := from.In(zone)
	if r.BusinessDays == 0 {
		return at.AddDate(0, 0, r.Days).UTC()
	}
	for left, day := r.BusinessDays, 1; ; day++ {
		next := at.AddDate(0, 0, day)
		if d := next.Weekday(); d != time.Saturday && d != time.Sunday {
			left--
		}
		if left == 0 {
			return next.UTC()
		}
	}
}

type postmortemPolicySpec struct {
	Services    []string          `yaml:"services"`
	Template    string            `yaml:"template"`
	Zone        string            `yaml:"zone"`
	RemindEvery manifest.Duration `yaml:"remindEvery"`
	Rules       []struct {
		Severity    Severity `yaml:"severity"`
		Level       string   `yaml:"level"`
		BudgetShare *float64 `yaml:"budgetShare"`
		Due         struct {
			Days         int `yaml:"days"`
			BusinessDays int `yaml:"businessDays"`
		} `yaml:"due"`
	} `yaml:"rules"`
}

// ReadPostmortemPolicy reads a PostmortemPolicy document and names every problem in it with its line. Whether the
// services and the template it names exist is for the caller, who knows them all.
func ReadPostmortemPolicy(d manifest.Document) (PostmortemPolicy, manifest.Problems) {
	var spec postmortemPolicySpec
	r := policyReader{doc: d, problems: d.DecodeSpec(&spec)}
	p := PostmortemPolicy{Name: d.Metadata.Name, Services: spec.Services, Template: spec.Template,
		RemindEvery: cmp.Or(spec.RemindEvery.Std(), DefaultReminderEvery)}
	var err error
	if p.Zone, err = time.LoadLocation(spec.Zone); err != nil || spec.Zone == "Local" {
		r.bad("spec.zone", "%q is not a zone of the tz database; write one such as Europe/Berlin, or leave it out for UTC", spec.Zone)
	}
	if p.RemindEvery < minReminderEvery || p.RemindEvery > maxReminderEvery {
		r.bad("spec.remindEvery", "is %s; write 1h to 30d", spec.RemindEvery)
	}
	if n := len(spec.Rules); n == 0 || n > maxSections {
		r.bad("spec.rules", "has %d rules; write 1 to %d", n, maxSections)
	}
	for i, s := range spec.Rules {
		path := fmt.Sprintf("spec.rules.%d", i)
		rule := PostmortemRule{Severity: s.Severity, Level: r.level(path+".level", s.Level), Days: s.Due.Days, BusinessDays: s.Due.BusinessDays}
		if s.BudgetShare != nil {
			if rule.BudgetShare = *s.BudgetShare; math.IsNaN(rule.BudgetShare) || rule.BudgetShare <= 0 || rule.BudgetShare > 1 {
				r.bad(path+".budgetShare", "is %g; write a share above 0 and up to 1, such as 0.2 for a fifth", rule.BudgetShare)
			}
		}
		r.postmortemRule(path, rule)
		p.Rules = append(p.Rules, rule)
	}
	return p, r.problems
}

func (r *policyReader) level(path, text string) int {
	if text == "" {
		return 0
	}
	level := slices.Index([]string{"SEV1", "SEV2", "SEV3", "SEV4", "SEV5"}, strings.ToUpper(text)) + 1
	if level == 0 {
		r.bad(path, "%q is none of SEV1 to SEV5", text)
	}
	return level
}

func (r *policyReader) postmortemRule(path string, rule PostmortemRule) {
	if rule.Severity != "" && !rule.Severity.Valid() {
		r.bad(path+".severity", "%q is none of critical, error, warning, info", rule.Severity)
	}
	if rule.Severity == "" && rule.Level == 0 && rule.BudgetShare == 0 {
		r.bad(path, "asks for nothing; write severity, level or budgetShare")
	}
	if (rule.Days > 0) == (rule.BusinessDays > 0) || min(rule.Days, rule.BusinessDays) < 0 || max(rule.Days, rule.BusinessDays) > maxDueDays {
		r.bad(path+".due", "write either days or businessDays, 1 to %d", maxDueDays)
	}
}
