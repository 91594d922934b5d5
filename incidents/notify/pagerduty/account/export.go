package account

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/PagerDuty/go-pagerduty"
	"gopkg.in/yaml.v3"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/manifest"
)

// Export is an account in files: definitions of ours, and beside them, as JSON, what there is no kind for.
type Export struct {
	Files  []manifest.File
	Losses []Loss
}

// Loss is something that could not be carried, or not as it was.
type Loss struct {
	What    string `json:"what"` // such as "escalation policy Core"
	Message string `json:"message"`
}

// The files of an export. What ends in .yaml is applied with the folder; users, schedules as PagerDuty has them, and
// incidents are history.
const (
	PoliciesFile  = "escalation-policies.yaml"
	ServicesFile  = "services.yaml"
	UsersFile     = "users.json"
	SchedulesFile = "schedules.json"
	IncidentsFile = "incidents.json"
	PastFile      = "past-incidents.json" // those that are over, as incidents.Past
)

// Export writes the account. An empty kind has no file.
func (a Account) Export() (Export, error) {
	w := writer{account: a, users: map[string]api.User{}, schedules: map[string]api.Schedule{}, serviceNames: map[string]string{}, planNames: map[string]string{}}
	for _, u := range a.Users {
		w.users[u.ID] = u
	}
	for _, s := range a.Schedules {
		w.schedules[s.ID] = s
	}
	plans := w.plans()
	policies := w.policies()
	for _, step := range []func() error{
		func() error { return w.yaml(PoliciesFile, policies) },
		func() error { return w.yaml(ServicesFile, w.services()) },
		func() error { return w.yaml(PlansFile, plans) },
		func() error { return w.json(UsersFile, each(a.Users, userOf)) },
		func() error { return w.json(SchedulesFile, each(a.Schedules, scheduleOf)) },
		func() error { return w.json(IncidentsFile, each(a.Incidents, incidentOf)) },
		func() error { return w.json(PastFile, w.past()) },
	} {
		if err := step(); err != nil {
			return Export{}, err
		}
	}
	return w.made, nil
}

type writer struct {
	account   Account
	users     map[string]api.User
	schedules map[string]api.Schedule
	named     map[string]string // of the policies, by PagerDuty's ids
	made      Export

	serviceNames, planNames map[string]string // by PagerDuty's ids
}

func (w *writer) lose(what, format string, args ...any) {
	w.made.Losses = append(w.made.Losses, Loss{what, fmt.Sprintf(format, args...)})
}

// document is one definition, in the order in which people read it.
type document struct {
	APIVersion string         `yaml:"apiVersion"`
	Kind       string         `yaml:"kind"`
	Metadata   map[string]any `yaml:"metadata"`
	Spec       any            `yaml:"spec"`
}

func (w *writer) yaml(name string, docs []document) error {
	var text bytes.Buffer
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	for _, d := range docs {
		if err := enc.Encode(d); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if text.Len() > 0 {
		w.made.Files = append(w.made.Files, manifest.File{Name: name, Text: text.String()})
	}
	return nil
}

func (w *writer) json(name string, list []any) error {
	if len(list) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	w.made.Files = append(w.made.Files, manifest.File{Name: name, Text: string(text) + "\n"})
	return nil
}

func each[T any](list []T, f func(T) any) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

type policySpec struct {
	Repeat      int               `yaml:"repeat,omitempty"`
	RepeatAfter manifest.Duration `yaml:"repeatAfter,omitempty"`
	Steps       []stepSpec        `yaml:"steps"`
}

type stepSpec struct {
	Delay    manifest.Duration  `yaml:"delay,omitempty"`
	Targets  []incidents.Target `yaml:"targets"`
	Fallback *fallbackSpec      `yaml:"fallback,omitempty"`
}

type fallbackSpec struct {
	Targets []incidents.Target `yaml:"targets"`
}

// policies writes escalation policies. PagerDuty's delay comes after a rule, ours before a step.
func (w *writer) policies() []document {
	w.named = map[string]string{}
	names := newNames()
	var docs []document
	for _, p := range w.account.Policies {
		what := "escalation policy " + p.Name
		spec := policySpec{Repeat: min(int(p.NumLoops), incidents.MaxRepeat)}
		var delay time.Duration // since the step before that was written
		for n, rule := range p.EscalationRules {
			step, some := w.step(fmt.Sprintf("%s, rule %d", what, n+1), rule)
			if some && len(spec.Steps) < incidents.MaxSteps {
				step.Delay = manifest.Duration(delay)
				spec.Steps, delay = append(spec.Steps, step), 0
			}
			delay = min(delay+time.Duration(rule.Delay)*time.Minute, incidents.MaxDelay)
		}
		if len(spec.Steps) == 0 {
			w.lose(what, "is left out, because nobody in it can be paged")
			continue
		}
		if spec.Repeat > 0 {
			spec.RepeatAfter = manifest.Duration(delay)
		}
		name := names.of(p.Name, p.ID)
		w.named[p.ID] = name
		docs = append(docs, document{manifest.APIVersion, incidents.PolicyKind, metadata(name, p.Name), spec})
	}
	return docs
}

// maxMails bounds one target.
const maxMails = 50

// step calls a rule's people and whoever is on call in its schedules. While none of them has an account here they would
// not hear, so that its fallback is a mail to all of them.
func (w *writer) step(what string, rule api.EscalationRule) (stepSpec, bool) {
	var step stepSpec
	var mails []string
	add := func(id, from string) (string, bool) {
		u, known := w.users[id]
		if !known || u.Email == "" {
			w.lose(what, "%s has no mail address that could be read and is left out", cmp.Or(u.Name, from, id))
			return "", false
		}
		if !slices.Contains(mails, u.Email) {
			mails = append(mails, u.Email)
		}
		return strings.ToLower(u.Email), true
	}
	for _, t := range rule.Targets {
		if strings.HasPrefix(t.Type, "user") {
			if email, ok := add(t.ID, t.Summary); ok {
				step.Targets = append(step.Targets, incidents.Target{User: email})
			}
			continue
		}
		s, known := w.schedules[t.ID]
		if !known {
			w.lose(what, "the target %s of the type %s is left out", cmp.Or(t.Summary, t.ID), t.Type)
			continue
		}
		for _, u := range s.Users {
			add(u.ID, u.Summary)
		}
		if name := w.planNames[t.ID]; name != "" {
			step.Targets = append(step.Targets, incidents.Target{Schedule: name})
		} else {
			w.lose(what, "schedule %s is written as a mail to all %d people who take turns in it", s.Name, len(s.Users))
		}
	}
	if len(mails) > maxMails {
		w.lose(what, "has %d people; %d of them are written to", len(mails), maxMails)
		mails = mails[:maxMails]
	}
	if len(mails) == 0 {
		return step, len(step.Targets) > 0
	}
	all := []incidents.Target{{Email: &incidents.EmailTarget{To: mails}}}
	if len(step.Targets) == 0 {
		step.Targets = all
	} else {
		step.Fallback = &fallbackSpec{Targets: all}
	}
	return step, true
}

type serviceSpec struct {
	Owner       string `yaml:"owner,omitempty"`
	Description string `yaml:"description,omitempty"`
	Policy      string `yaml:"policy,omitempty"`
}

func (w *writer) services() []document {
	names := newNames()
	var docs []document
	for _, s := range w.account.Services {
		what := "service " + s.Name
		spec := serviceSpec{Policy: w.named[s.EscalationPolicy.ID], Description: notify.Cut(strings.TrimSpace(s.Description), 2000)}
		for _, t := range s.Teams {
			spec.Owner = notify.Line(cmp.Or(spec.Owner, t.Name, t.Summary), 200)
		}
		if spec.Policy == "" && s.EscalationPolicy.ID != "" {
			w.lose(what, "its escalation policy is not there, so that the default policy counts")
		}
		w.loseOfService(what, s)
		name := names.of(s.Name, s.ID)
		w.serviceNames[s.ID] = name
		docs = append(docs, document{manifest.APIVersion, "Service", metadata(name, s.Name), spec})
	}
	return docs
}

func (w *writer) loseOfService(what string, s api.Service) {
	for _, lost := range []struct {
		there   bool
		message string
	}{
		{len(s.Teams) > 1, "belongs to several teams; the first one is its owner"},
		{s.AutoResolveTimeout != nil, "resolves incidents by a timer, which Nines does not: they end with their alerts"},
		{s.AcknowledgementTimeout != nil, "takes acknowledgements back by a timer, which Nines does not"},
		{s.SupportHours != nil, "has support hours; use an AlertRoute with times"},
		{s.IncidentUrgencyRule != nil && s.IncidentUrgencyRule.Type != "constant",
			"makes urgency depend on more than the service; use the label severity"},
		{s.AlertGroupingParameters != nil && s.AlertGroupingParameters.Type != "",
			"groups alerts by rules of its own; use an AlertRoute that groups"},
		{s.Status == "disabled" || s.Status == "maintenance", "is " + s.Status + " in PagerDuty, and is not here"},
	} {
		if lost.there {
			w.lose(what, "%s", lost.message)
		}
	}
	for _, i := range s.Integrations {
		w.lose(what, "its integration %s needs an Integration of the type events, and its senders another address",
			cmp.Or(i.Name, i.Summary, i.ID))
	}
}

func metadata(name, known string) map[string]any {
	m := map[string]any{"name": name}
	if known != name {
		m["labels"] = map[string]string{"pagerduty": notify.Line(known, 200)}
	}
	return m
}
