package runbooks

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Language is what a step is written in.
type Language string

// The languages of steps.
const (
	PromQL Language = "promql"
	LogQL  Language = "logql"
	HTTP   Language = "http"
	SQL    Language = "sql"
	Shell  Language = "shell"
)

// Bounds of a step.
const (
	DefaultTimeout = 10 * time.Second
	MaxTimeout     = 5 * time.Minute
	DefaultOutput  = 16 << 10 // bytes kept of what a step answers
	MaxOutput      = 256 << 10
	maxBody        = 8 << 10
)

// Step is one executable block of a runbook: a fenced block whose info names it, as in
//
//	```promql step=error-ratio title="Is it real?" on=open
type Step struct {
	Name     string
	Title    string // what it finds out; the name where none is given
	Language Language
	Source   string // the data source it asks; "" is the control plane's own metrics engine
	Body     string
	OnOpen   bool          // run by itself when an incident opens
	Changes  bool          // changes something, so a person must confirm it each time
	Alone    bool          // who runs it may confirm it; otherwise somebody else has to approve it
	Timeout  time.Duration // at most MaxTimeout
	MaxBytes int           // of output, at most MaxOutput
	Line     int           // of its fence in the page's text, 1-based
}

// StepProblem is what is wrong with the step whose fence is at that line of the text.
type StepProblem struct {
	Line    int
	Message string
}

var (
	fenceLine  = regexp.MustCompile("^ {0,3}(`{3,}|~{3,})\\s*([^`]*)$")
	attribute  = regexp.MustCompile(`^([a-z-]+)=(?:"([^"]*)"|([^\s"]+))(?:\s+|$)`)
	stepName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	attributes = "step, title, source, on, changes, approval, timeout and output"
)

// ReadSteps finds the executable blocks of a page. A fenced block whose info has no step= is only shown.
func ReadSteps(text string) ([]Step, []StepProblem) {
	var (
		steps    []Step
		problems []StepProblem
		seen     = map[string]int{}
	)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		m := fenceLine.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		at, body, closed := i+1, []string{}, false
		for i++; i < len(lines); i++ {
			if rest, ends := strings.CutPrefix(strings.TrimSpace(lines[i]), m[1]); ends && strings.Trim(rest, m[1][:1]) == "" {
				closed = true
				break
			}
			body = append(body, lines[i])
		}
		language, info, _ := strings.Cut(strings.TrimSpace(m[2]), " ")
		if !strings.Contains(" "+info, " step=") {
			continue
		}
		s, err := readStep(language, info, strings.Join(body, "\n"))
		s.Line = at
		switch {
		case err != nil:
			problems = append(problems, StepProblem{at, err.Error()})
		case !closed:
			problems = append(problems, StepProblem{at, fmt.Sprintf("step %s has no closing %s", s.Name, m[1])})
		case seen[s.Name] > 0:
			problems = append(problems, StepProblem{at, fmt.Sprintf("step %s is already at line %d of the text; name it otherwise", s.Name, seen[s.Name])})
		case len(steps) == maxSteps:
			return steps, append(problems, StepProblem{at, fmt.Sprintf("is one step more than %d; split the runbook", maxSteps)})
		default:
			seen[s.Name] = at
			steps = append(steps, s)
		}
	}
	return steps, problems
}

func readStep(language, info, body string) (Step, error) {
	s := Step{Language: Language(language), Body: body, Timeout: DefaultTimeout, MaxBytes: DefaultOutput}
	if language == "sh" {
		s.Language = Shell
	}
	for rest := strings.TrimSpace(info); rest != ""; {
		m := attribute.FindStringSubmatch(rest)
		if m == nil {
			return s, fmt.Errorf("%q is not name=value or name=\"value\"; the attributes of a step are %s", clip(rest), attributes)
		}
		rest = rest[len(m[0]):]
		if err := s.set(m[1], m[2]+m[3]); err != nil {
			return s, err
		}
	}
	if s.Title == "" {
		s.Title = s.Name
	}
	return s, s.check()
}

func (s *Step) set(name, value string) error {
	var err error
	switch name {
	case "step":
		s.Name = value
	case "title":
		s.Title = value
	case "source":
		s.Source = value
	case "on":
		if s.OnOpen = value == "open"; !s.OnOpen {
			return fmt.Errorf("on=%s is not known; a step runs by itself only with on=open", clip(value))
		}
	case "changes":
		if s.Changes, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("changes=%s is neither true nor false", clip(value))
		}
	case "approval":
		if s.Alone = value == "self"; !s.Alone && value != "another" {
			return fmt.Errorf("approval=%s is neither self nor another", clip(value))
		}
	case "timeout":
		if s.Timeout, err = time.ParseDuration(value); err != nil || s.Timeout <= 0 || s.Timeout > MaxTimeout {
			return fmt.Errorf("timeout=%s is not a time from 1ms to %s, such as 10s", clip(value), MaxTimeout)
		}
	case "output":
		if s.MaxBytes, err = strconv.Atoi(value); err != nil || s.MaxBytes < 1 || s.MaxBytes > MaxOutput {
			return fmt.Errorf("output=%s is not a number of bytes from 1 to %d", clip(value), MaxOutput)
		}
	default:
		return fmt.Errorf("%q is not known; the attributes of a step are %s", name, attributes)
	}
	return nil
}

func (s *Step) check() error {
	switch {
	case !stepName.MatchString(s.Name):
		return fmt.Errorf("step=%q must be lower-case letters, digits and dashes", clip(s.Name))
	case strings.TrimSpace(s.Body) == "":
		return fmt.Errorf("step %s is empty", s.Name)
	case len(s.Body) > maxBody:
		return fmt.Errorf("step %s has %d bytes; the limit is %d", s.Name, len(s.Body), maxBody)
	case s.Source == "" && (s.Language == LogQL || s.Language == SQL || s.Language == HTTP):
		return fmt.Errorf("step %s names no source=; %s is asked of a DataSource", s.Name, s.Language)
	}
	if _, err := s.parts(); err != nil {
		return fmt.Errorf("step %s: %w", s.Name, err)
	}
	if s.Language == HTTP && !s.Changes && !strings.HasPrefix(strings.TrimSpace(s.Body), "GET ") {
		return fmt.Errorf("step %s does more than GET, so it needs changes=true", s.Name)
	}
	if s.Alone && !s.Changes {
		return fmt.Errorf("step %s changes nothing, so it needs no approval; leave out approval=, or write changes=true", s.Name)
	}
	if s.OnOpen && s.Changes {
		return fmt.Errorf("step %s changes something, so it cannot run by itself; leave out on=open", s.Name)
	}
	if s.OnOpen && s.Language == Shell {
		return fmt.Errorf("step %s runs a command, so it cannot run by itself; leave out on=open", s.Name)
	}
	return nil
}

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
