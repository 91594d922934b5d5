package prom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

// answer is the API's envelope.
type answer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      data     `json:"data"`
}

type data struct {
	ResultType string          `json:"resultType"`
	Result     json.RawMessage `json:"result"`
}

// rawSeries is one element of a vector (Value) or a matrix (Values). Native histograms have neither; they are no number.
type rawSeries struct {
	Metric map[string]string `json:"metric"`
	Value  *rawPoint         `json:"value"`
	Values []rawPoint        `json:"values"`
}

// rawPoint is [seconds, "value"].
type rawPoint Point

// UnmarshalJSON reads a point.
func (p *rawPoint) UnmarshalJSON(text []byte) error {
	at, value, found := bytes.Cut(bytes.Trim(text, "[] \t\r\n"), []byte(","))
	if !found {
		return fmt.Errorf("a sample is not a pair: %.40s", text)
	}
	seconds, err := strconv.ParseFloat(string(bytes.TrimSpace(at)), 64)
	if err != nil || math.Abs(seconds) > 1e12 || math.IsNaN(seconds) {
		return fmt.Errorf("a sample has no time: %.40s", text)
	}
	var number string
	if err := json.Unmarshal(value, &number); err != nil {
		return fmt.Errorf("a sample's value is not a string: %.40s", text)
	}
	p.At = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	p.Value, err = strconv.ParseFloat(number, 64)
	return err
}

// decode reads an answer, at most MaxResponse bytes of it. One that breaks off is fault.Unavailable.
func decode(body io.Reader) (answer, error) {
	limited := &io.LimitedReader{R: body, N: MaxResponse + 1}
	var a answer
	err := json.NewDecoder(limited).Decode(&a)
	if limited.N <= 0 {
		return answer{}, fault.New(fault.TooLarge, "the metrics engine's answer is larger than %d MiB; ask for less", MaxResponse>>20)
	}
	if err != nil {
		return answer{}, decodeError(err)
	}
	return a, nil
}

// decodeError keeps apart what the connection did and what the engine wrote.
func decodeError(err error) error {
	if e := transportError(err); fault.Is(e, fault.Timeout) {
		return e
	}
	return fault.Wrap(fault.Unavailable, err, "the metrics engine's answer cannot be read")
}

// samples returns the result of an instant query: a vector, or a scalar as one sample without labels.
func (d data) samples() ([]Sample, error) {
	switch d.ResultType {
	case "scalar":
		var p rawPoint
		if err := json.Unmarshal(d.Result, &p); err != nil {
			return nil, decodeError(err)
		}
		return []Sample{{Labels: map[string]string{}, Value: p.Value, At: p.At}}, nil
	case "vector":
		raw, err := d.list()
		if err != nil {
			return nil, err
		}
		out := make([]Sample, 0, len(raw))
		for _, r := range raw {
			if r.Value != nil {
				out = append(out, Sample{Labels: r.labels(), Value: r.Value.Value, At: r.Value.At})
			}
		}
		return out, nil
	}
	return nil, fault.New(fault.Invalid, "the query gives a %s; a vector or a scalar is needed", d.ResultType)
}

// series returns the result of a range query or of a range selector.
func (d data) series() ([]Series, error) {
	if d.ResultType != "matrix" {
		return nil, fault.New(fault.Invalid, "the query gives a %s; series over time are needed", d.ResultType)
	}
	raw, err := d.list()
	if err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(raw))
	for _, r := range raw {
		if len(r.Values) == 0 {
			continue
		}
		s := Series{Labels: r.labels(), Points: make([]Point, len(r.Values))}
		for i, p := range r.Values {
			s.Points[i] = Point(p)
		}
		out = append(out, s)
	}
	return out, nil
}

func (d data) list() (raw []rawSeries, err error) {
	if err := json.Unmarshal(d.Result, &raw); err != nil {
		return nil, decodeError(err)
	}
	return raw, nil
}

func (r rawSeries) labels() map[string]string {
	if r.Metric == nil {
		return map[string]string{}
	}
	return r.Metric
}
