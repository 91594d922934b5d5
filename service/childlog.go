package service

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
)

// parseLine reads one line of a child's JSON log; what is not JSON, such as a panic, is a warning as it stands.
func parseLine(line string) (slog.Level, string, []slog.Attr) {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return slog.LevelWarn, line, nil
	}
	var level slog.Level
	text, _ := fields[slog.LevelKey].(string)
	if level.UnmarshalText([]byte(text)) != nil {
		level = slog.LevelInfo
	}
	message, _ := fields[slog.MessageKey].(string)
	for _, known := range []string{slog.LevelKey, slog.MessageKey, slog.TimeKey} {
		delete(fields, known)
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, slog.Any(k, fields[k]))
	}
	return level, message, attrs
}
