package signals

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Trace is what a search says of a trace.
type Trace struct {
	ID      string // hexadecimal
	Service string // of its root span; "" is unknown
	Name    string // of its root span; "" is unknown
	At      time.Time
	Took    time.Duration
}

// Tempo is asked for traces.
type Tempo struct{ client }

// NewTempo returns a client of the Tempo below base, such as http://tempo:3200. The error is a fault.Invalid.
func NewTempo(base string, o Options) (*Tempo, error) {
	c, err := newClient("Tempo", base, o)
	return &Tempo{c}, err
}

// tempoAnswer is what /api/search answers.
type tempoAnswer struct {
	Traces []struct {
		ID      string `json:"traceID"`
		Service string `json:"rootServiceName"`
		Name    string `json:"rootTraceName"`
		Start   string `json:"startTimeUnixNano"`
		TookMS  int64  `json:"durationMs"`
	} `json:"traces"`
}

// Search returns traces that a TraceQL query finds in the span, whole seconds of it, at most `most`. Tempo says itself which
// of many it returns.
func (t *Tempo) Search(ctx context.Context, query string, from, to time.Time, most int) ([]Trace, error) {
	form := url.Values{
		"q": {query}, "limit": {strconv.Itoa(most)},
		"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(to.Add(time.Second-1).Unix(), 10)},
	}
	var answer tempoAnswer
	if err := t.get(ctx, "/api/search", form, &answer); err != nil {
		return nil, err
	}
	var traces []Trace
	for _, found := range answer.Traces {
		nanos, err := strconv.ParseInt(found.Start, 10, 64)
		if err != nil || !IsTraceID(found.ID) {
			return nil, fault.New(fault.Unavailable, "Tempo answered a trace without an ID or start")
		}
		traces = append(traces, Trace{ID: found.ID, Service: found.Service, Name: found.Name, At: time.Unix(0, nanos).UTC(),
			Took: time.Duration(found.TookMS) * time.Millisecond})
	}
	return traces[:min(len(traces), most)], nil
}

// IsTraceID reports whether the text is the ID of a trace, 1 to 32 hexadecimal digits. Anything else stands in no link.
func IsTraceID(text string) bool {
	if len(text) == 0 || len(text) > 32 {
		return false
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
