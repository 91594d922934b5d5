package slo

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
	"gopkg.in/yaml.v3"
)

// Limits on one definition, far above honest use and low enough that a hostile file is read quickly.
const (
	maxProblems = 100 // told of one document
)

// checker collects the problems of one document.
type checker struct {
	doc      manifest.Document
	problems manifest.Problems
}

func (c *checker) refuse(path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, c.doc.Problem(path, format, args...))
	}
}

// expect checks the document's kind, for readers of our own documents.
func (c *checker) expect(kind string) bool {
	if c.doc.APIVersion != manifest.APIVersion {
		c.refuse("apiVersion", "%q is not %s", clip(c.doc.APIVersion), manifest.APIVersion)
	} else if c.doc.Kind != kind {
		c.refuse("kind", "%q is not %s", clip(c.doc.Kind), kind)
	}
	return len(c.problems) == 0
}

// objective reads a percentage. It must be strictly inside (0, 100) and leave a budget that can be counted.
func (c *checker) objective(path string, n *yaml.Node) Objective {
	if n == nil || n.Kind == 0 {
		c.refuse(path, "is missing; write the share of good events in per cent, such as 99.9")
		return 0
	}
	var x float64
	if n.Kind != yaml.ScalarNode || (n.Tag != "!!float" && n.Tag != "!!int") || n.Decode(&x) != nil {
		c.refuse(path, "%q is not a number; write per cent without a sign, such as 99.9", clip(n.Value))
		return 0
	}
	c.percentage(path, x)
	return Objective(x)
}

func (c *checker) percentage(path string, x float64) {
	switch o := Objective(x); {
	case x == 100:
		c.refuse(path, "100 would mean that no event may ever fail: the error budget is zero, every single error spends infinitely much of it, and the promise cannot be kept; write something below, such as 99.9")
	case x > 0 && x < 1:
		c.refuse(path, "%v is below one per cent; objectives are in per cent, so write %v if you mean the share %v", x, round12(x*100), x)
	case !o.Valid():
		c.refuse(path, "%v is not strictly between 0 and 100; write per cent, such as 99.9", x)
	case o.Budget() < 1e-9:
		c.refuse(path, "%v leaves a budget too small to count; the highest is 99.9999999", x)
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// reservedLabel says why a label name is ours or Prometheus', or "".
func reservedLabel(name string) string {
	switch {
	case strings.HasPrefix(name, "sloth_"):
		return "labels beginning with sloth_ are set from the definition itself"
	case strings.HasPrefix(name, "__"):
		return "labels beginning with __ are Prometheus' own"
	case name == "alertname", name == "long", name == "short":
		return "this label is set by the rules"
	}
	return ""
}

// labels checks a map of label names to values; taken are names that it must not set besides.
func (c *checker) labels(path string, n *yaml.Node, taken []string, templates bool) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch why := reservedLabel(name.Value); {
		case !labelName.MatchString(name.Value):
			c.at(name, path, "%q is not a label name; use letters, digits and underscores, not starting with a digit", clip(name.Value))
		case why != "":
			c.at(name, path, "%q is reserved: %s; choose another name", clip(name.Value), why)
		case slices.Contains(taken, name.Value):
			c.at(name, path, "%q is also in groupBy and comes from the data; choose another name", name.Value)
		}
		if templates {
			c.template(path, value)
		}
	}
}

// at refuses what stands at a node; finding its line by path would search the map again for each entry.
func (c *checker) at(n *yaml.Node, path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, manifest.Problem{File: c.doc.File, Line: n.Line, Field: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) annotations(path string, n *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !labelName.MatchString(n.Content[i].Value) {
			c.at(n.Content[i], path, "%q is not an annotation name; use letters, digits and underscores, not starting with a digit", clip(n.Content[i].Value))
		}
		c.template(path, n.Content[i+1])
	}
}

// template checks the text of a label or annotation as Prometheus will when it loads the rule.
func (c *checker) template(path string, n *yaml.Node) {
	if !strings.Contains(n.Value, "{{") {
		return
	}
	text := "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}" + n.Value
	data := template.AlertTemplateData(map[string]string{}, map[string]string{}, "", promql.Sample{})
	if err := template.NewTemplateExpander(context.Background(), text, "text", data, model.Time(0), nil, &url.URL{}, nil).ParseTest(); err != nil {
		c.at(n, path, "is not a template that Prometheus accepts: %s", clip(err.Error()))
	}
}

func (c *checker) groups(path string, groupBy []string) {
	if len(groupBy) > 10 {
		c.refuse(path, "has %d labels; more than 10 make more series than a promise needs", len(groupBy))
	}
	for i, l := range groupBy {
		at := path + "." + strconv.Itoa(i)
		switch why := reservedLabel(l); {
		case !labelName.MatchString(l):
			c.refuse(at, "%q is not a label name", clip(l))
		case why != "" || l == "le":
			c.refuse(at, "%q cannot be grouped by; it is reserved", l)
		case slices.Contains(groupBy[:i], l):
			c.refuse(at, "%q stands twice", l)
		}
	}
}

// interval checks the base interval and the settle time.
func (c *checker) interval(s SLO) {
	switch i := s.Interval; {
	case i < MinInterval || i > MaxInterval:
		c.refuse("spec.interval", "%s is out of range; write something from 15s to 5m (from 1s in trials)", promDuration(i))
	case bucketWidth%i != 0:
		c.refuse("spec.interval", "%s does not divide five minutes evenly, so the ledger's buckets would not fit; write 15s, 30s, 1m or 5m", promDuration(i))
	}
	if s.Settle < 0 || s.Settle > 10*time.Minute {
		c.refuse("spec.settle", "%s is out of range; write at least as long as a scrape takes and at most 10m", promDuration(s.Settle))
	}
	if w := s.Window; w.Calendar == "" && s.Interval >= MinInterval {
		if least := minWindow * s.Interval; w.Rolling < least {
			c.refuse("spec.window", "%s is too short for increments of %s; write at least %s, such as 28d or 30d", promDuration(w.Rolling), promDuration(s.Interval), promDuration(least))
		}
	}
	if s.Window.Rolling > maxWindow {
		c.refuse("spec.window", "%s is too long; write at most %s", promDuration(s.Window.Rolling), promDuration(maxWindow))
	}
}

func (c *checker) zone(path, zone string) {
	if _, known := location(zone); !known {
		c.refuse(path, "%q is not a time zone; write an IANA name such as Europe/Berlin or UTC", clip(zone))
	}
}

// sli tells what keeps the SLI from being counted, at the document's fields; others stand below rest.
func (c *checker) sli(issues []issue, paths map[string]string, rest string) {
	for _, i := range issues {
		path, known := paths[i.field]
		if !known {
			path = rest + i.field
		}
		c.refuse(path, "%s", i.message)
	}
}
