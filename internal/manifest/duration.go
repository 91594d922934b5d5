package manifest

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
)

// Duration is a time span written as Prometheus writes it: 30s, 5m, 1h30m, 28d, 2w. The zero value means "not set".
type Duration time.Duration

// UnmarshalYAML reads a Prometheus duration; anything else is a problem with its line.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	parsed, err := model.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a duration; write a number and a unit of ms, s, m, h, d, w or y, such as 30d or 5m", n.Line, clip(n.Value))}}
	}
	*d = Duration(parsed)
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// MarshalText writes the Prometheus form, for JSON.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the Prometheus form, for JSON.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := model.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 30d or 5m", clip(string(text)))
	}
	*d = Duration(parsed)
	return nil
}

// String returns the Prometheus form, such as "30d".
func (d Duration) String() string { return model.Duration(d).String() }

// Std returns the standard library's duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }
