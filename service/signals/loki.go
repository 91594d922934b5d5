package signals

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Line is one line of a log.
type Line struct {
	At   time.Time
	Text string
}

// Loki is asked for lines of logs.
type Loki struct{ client }

// NewLoki returns a client of the Loki below base, such as http://loki:3100. The error is a fault.Invalid.
func NewLoki(base string, o Options) (*Loki, error) {
	c, err := newClient("Loki", base, o)
	return &Loki{c}, err
}

// lokiAnswer is what /loki/api/v1/query_range answers for a query of logs. A value is nanoseconds since the epoch and the
// line; a third element, its structured metadata, is left out.
type lokiAnswer struct {
	Status string `json:"status"`
	Data   struct {
		ResultType string `json:"resultType"`
		Result     []struct {
			Values [][]any `json:"values"`
		} `json:"result"`
	} `json:"data"`
}

// Lines returns the lines of a LogQL query in [from, to), the newest first and at most `most`. A query of metrics is a
// fault.Invalid.
func (l *Loki) Lines(ctx context.Context, query string, from, to time.Time, most int) ([]Line, error) {
	form := url.Values{
		"query": {query}, "limit": {strconv.Itoa(most)}, "direction": {"backward"},
		"start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(to.UnixNano(), 10)},
	}
	var answer lokiAnswer
	if err := l.get(ctx, "/loki/api/v1/query_range", form, &answer); err != nil {
		return nil, err
	}
	if answer.Data.ResultType != "streams" {
		return nil, fault.New(fault.Invalid, "the query gives %.20q instead of lines; ask for a log stream", answer.Data.ResultType)
	}
	var lines []Line
	for _, stream := range answer.Data.Result {
		for _, value := range stream.Values {
			line, err := readLine(value)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) })
	return lines[:min(len(lines), most)], nil
}

func readLine(value []any) (Line, error) {
	broken := fault.New(fault.Unavailable, "Loki answered a line that is not a pair of time and text")
	if len(value) < 2 {
		return Line{}, broken
	}
	at, isTime := value[0].(string)
	text, isText := value[1].(string)
	nanos, err := strconv.ParseInt(at, 10, 64)
	if !isTime || !isText || err != nil {
		return Line{}, broken
	}
	return Line{At: time.Unix(0, nanos).UTC(), Text: text}, nil
}
