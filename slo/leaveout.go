package slo

import "time"

// leaveOut returns the sink that passes on only what the options ask for.
func (o RuleOptions) leaveOut(to ruleSink) ruleSink {
	if !o.NoRecordings && !o.NoAlerts {
		return to
	}
	return &someRules{to: to, options: o}
}

// someRules passes on rules of one kind, and a group with its first rule: a group without rules is none.
type someRules struct {
	to       ruleSink
	options  RuleOptions
	name     string // of the group
	interval time.Duration
	limit    int
	begun    bool // the group is passed on
}

func (s *someRules) group(name string, interval time.Duration, limit int) {
	s.name, s.interval, s.limit, s.begun = name, interval, limit, false
}

func (s *someRules) rule(d *draft) {
	if d.alert && s.options.NoAlerts || !d.alert && s.options.NoRecordings {
		return
	}
	if !s.begun {
		s.to.group(s.name, s.interval, s.limit)
		s.begun = true
	}
	s.to.rule(d)
}
