package pgcluster

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
)

// levels maps the words that PostgreSQL starts a line with. LOG is its chatter about starting and stopping.
var levels = map[string]slog.Level{
	"PANIC": slog.LevelError, "FATAL": slog.LevelError, "ERROR": slog.LevelWarn, "WARNING": slog.LevelWarn, "LOG": slog.LevelDebug,
}

// forward passes on what PostgreSQL says until it closes its end, and returns the last line that tells of trouble. Once
// ctx has ended, connections that are cut off are no trouble.
func (c *Cluster) forward(ctx context.Context, r io.Reader) (trouble string) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4<<10), 1<<20)
	for lines.Scan() {
		level, text := parseLine(lines.Text())
		if ctx.Err() != nil {
			level = slog.LevelDebug
		}
		if level >= slog.LevelError {
			trouble = text
		}
		c.config.Log.Log(context.WithoutCancel(ctx), level, text)
	}
	_, _ = io.Copy(io.Discard, r) // a line over the limit must not block PostgreSQL
	return trouble
}

func parseLine(line string) (slog.Level, string) {
	word, rest, ok := strings.Cut(line, ":")
	level, known := levels[word]
	if !ok || !known {
		return slog.LevelDebug, strings.TrimSpace(line) // DETAIL, HINT, CONTEXT and what libraries print
	}
	return level, strings.TrimSpace(rest)
}
