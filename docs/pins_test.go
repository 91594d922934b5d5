package docs

import (
	"os"
	"strings"
	"testing"
)

// The pins that go.mod gives reasons for. A raise that breaks one of them compiles in parts only, or not at all.
func TestPinsHold(t *testing.T) {
	raw, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []string{
		"github.com/prometheus/prometheus v0.304.2",
		"github.com/slok/sloth v0.12.0",
		"github.com/valyala/fasthttp v1.77.0",
		"go.opentelemetry.io/contrib/bridges/otelzap v0.21.0",
		"go.opentelemetry.io/otel v1.47.0",
	} {
		if !strings.Contains(string(raw), "\t"+pin+"\n") && !strings.Contains(string(raw), "\t"+pin+" // indirect\n") {
			t.Errorf("go.mod does not have %s", pin)
		}
	}
	for _, word := range []string{"\nreplace", "\nexclude"} { // they make go install refuse
		if strings.Contains(string(raw), word) {
			t.Errorf("go.mod has a %s", strings.TrimSpace(word))
		}
	}
}
