package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

var testSpan = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{0x4b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	SpanID:  trace.SpanID{0xa1, 1, 2, 3, 4, 5, 6, 7}, TraceFlags: trace.FlagsSampled,
})

func inSpan() context.Context { return trace.ContextWithSpanContext(context.Background(), testSpan) }

func TestTraceIDsStandAtTheTopWhateverGroupsAreOpen(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":               func(l *slog.Logger) *slog.Logger { return l },
		"attributes":          func(l *slog.Logger) *slog.Logger { return l.With("job", "copy") },
		"a group":             func(l *slog.Logger) *slog.Logger { return l.WithGroup("http") },
		"attributes in group": func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("http").With("b", 2) },
		"groups in groups":    func(l *slog.Logger) *slog.Logger { return l.WithGroup("x").WithGroup("y").With("c", 3) },
	} {
		var out bytes.Buffer
		log := with(slog.New(withTrace(jsonHandler(&out, slog.LevelInfo))))
		log.InfoContext(inSpan(), "hello", "k", "v")
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, out.String())
		}
		if got["trace_id"] != testSpan.TraceID().String() || got["span_id"] != testSpan.SpanID().String() {
			t.Errorf("%s: ids missing at the top of %s", name, out.String())
		}
		if strings.Count(out.String(), "trace_id") != 1 {
			t.Errorf("%s: ids more than once in %s", name, out.String())
		}
		out.Reset()
		log.Info("no span")
		if strings.Contains(out.String(), "trace_id") {
			t.Errorf("%s: an id without a span: %s", name, out.String())
		}
	}
}

func TestTwoLoggersOfOneGroupDoNotShareAttributes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	group := slog.New(withTrace(jsonHandler(&out, slog.LevelInfo))).WithGroup("g").With("base", 1)
	first, second := group.With("who", "first"), group.With("who", "second")
	first.InfoContext(inSpan(), "one")
	if got := out.String(); !strings.Contains(got, `"who":"first"`) || strings.Contains(got, "second") {
		t.Errorf("first logger wrote %s", got)
	}
	out.Reset()
	second.InfoContext(inSpan(), "two")
	if got := out.String(); !strings.Contains(got, `"who":"second"`) || strings.Contains(got, "first") {
		t.Errorf("second logger wrote %s", got)
	}
}

func TestJSONLinesHaveUTCTimesAndReadableDurations(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(jsonHandler(&out, slog.LevelInfo)).Warn("slow", "took", 1500*time.Millisecond,
		"at", time.Date(2026, 11, 3, 4, 5, 6, 0, time.FixedZone("x", 7200)), "error", errors.New("boom"))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"took": "1.5s", "at": "2026-11-03T02:05:06Z", "error": "boom", "level": "WARN", "msg": "slow"} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	if at, _ := got["time"].(string); !strings.HasSuffix(at, "Z") {
		t.Errorf("time %q is not UTC", at)
	}
}

func TestPrettyLines(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 3, 4, 5, 6, 789, time.Local)
	line := func(colour bool, level slog.Level, msg string, shape func(slog.Handler) slog.Handler, attrs ...slog.Attr) string {
		var out bytes.Buffer
		h := newPretty(&out, slog.LevelInfo, colour)
		if shape != nil {
			h = shape(h)
		}
		r := slog.NewRecord(at, level, msg, 0)
		r.AddAttrs(attrs...)
		if err := h.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	pad := func(msg string) string { return msg + strings.Repeat(" ", messageWidth-len(msg)) }
	for name, c := range map[string]struct{ got, want string }{
		"message alone": {line(false, slog.LevelInfo, "started", nil), "04:05:06 • started\n"},
		"attributes in a column": {line(false, slog.LevelWarn, "slow", nil, slog.String("slo", "shop"), slog.Int("n", 3)),
			"04:05:06 ▲ " + pad("slow") + " slo=shop n=3\n"},
		"values with blanks are quoted": {line(false, slog.LevelError, "failed", nil, slog.Any("error", errors.New("no such host"))),
			"04:05:06 ✗ " + pad("failed") + " error=\"no such host\"\n"},
		"trace ids are left out": {line(false, slog.LevelInfo, "x", nil, slog.String("trace_id", "abc")), "04:05:06 • x\n"},
		"groups are prefixes": {line(false, slog.LevelInfo, "x", func(h slog.Handler) slog.Handler {
			return h.WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("g")
		}, slog.Group("h", slog.Int("b", 2))), "04:05:06 • " + pad("x") + " a=1 g.h.b=2\n"},
		"durations are short": {line(false, slog.LevelInfo, "x", nil, slog.Duration("took", 1234567*time.Microsecond)),
			"04:05:06 • " + pad("x") + " took=1.23s\n"},
		"a forged line stays one line": {line(false, slog.LevelInfo, "a\n04:05:07 • fine\x1b[2J", nil, slog.String("b\n", "\x1b[31m")),
			"04:05:06 • a\\n04:05:07 • fine\\x1b[2J" + strings.Repeat(" ", messageWidth-len(`a\n04:05:07 . fine\x1b[2J`)) + ` "b\n"="\x1b[31m"` + "\n"},
		"colour": {line(true, slog.LevelInfo, "x", nil), "\x1b[2m04:05:06\x1b[0m \x1b[36m•\x1b[0m x\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, c.got, c.want)
		}
	}
}

func TestDebugIsQuietUnlessAskedFor(t *testing.T) {
	t.Parallel()
	for _, h := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return newPretty(b, slog.LevelInfo, false) },
		func(b *bytes.Buffer) slog.Handler { return jsonHandler(b, slog.LevelInfo) },
		func(b *bytes.Buffer) slog.Handler {
			return fanout{newPretty(b, slog.LevelInfo, false), jsonHandler(b, slog.LevelWarn)}
		},
	} {
		var out bytes.Buffer
		log := slog.New(h(&out))
		log.Debug("not this")
		log.Info("this")
		if got := out.String(); strings.Contains(got, "not this") || strings.Count(got, "this") != 1 {
			t.Errorf("wrote %q", got)
		}
	}
}
