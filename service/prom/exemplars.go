package prom

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// Exemplar is one event that a series points out.
type Exemplar struct {
	Series map[string]string // labels of the series
	Labels map[string]string // of the exemplar, such as trace_id
	Value  float64
	At     time.Time
}

type exemplarsAnswer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      []struct {
		Series    map[string]string `json:"seriesLabels"`
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
			Value  string            `json:"value"`
			At     float64           `json:"timestamp"`
		} `json:"exemplars"`
	} `json:"data"`
}

// Exemplars returns the exemplars of all series that an expression selects, in [from, to]. An engine that keeps none has an
// empty answer; one that cannot be asked for them is a fault.NotFound.
func (c *Client) Exemplars(ctx context.Context, expr string, from, to time.Time) (found []Exemplar, err error) {
	const path = "/api/v1/query_exemplars"
	form := url.Values{"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}}
	err = c.traced(ctx, path, func(ctx context.Context) error {
		resp, err := c.send(ctx, http.MethodPost, path, form)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		found, err = readExemplars(resp)
		return err
	})
	return found, err
}

func readExemplars(resp *http.Response) ([]Exemplar, error) {
	var answer exemplarsAnswer
	decoded := json.NewDecoder(io.LimitReader(resp.Body, MaxResponse)).Decode(&answer)
	if refused := statusError(resp, answer.ErrorType, answer.Error); refused != nil {
		return nil, refused
	}
	if decoded != nil || answer.Status != "success" {
		return nil, fault.Wrap(fault.Unavailable, decoded, "the metrics engine answered without success: %s", answer.Error)
	}
	var found []Exemplar
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			value, err := strconv.ParseFloat(e.Value, 64)
			if err != nil || math.Abs(e.At) > 1e12 {
				return nil, fault.New(fault.Unavailable, "the metrics engine answered an exemplar that is no number")
			}
			found = append(found, Exemplar{Series: series.Series, Labels: e.Labels, Value: value,
				At: time.UnixMilli(int64(math.Round(e.At * 1000))).UTC()})
		}
	}
	return found, nil
}
