package backtest

import (
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// Row is what happened up to a time since the row before it: so many events, so many of them errors.
type Row struct {
	At            time.Time
	Total, Errors float64
	Labels        map[string]string
}

// ReadRows reads CSV of time, total and errors. A header may name further columns, which are labels: time,total,errors,
// tenant. Times are RFC 3339 or seconds since 1970, in any order. Every problem is told at once, with its line.
func ReadRows(file string, r io.Reader) ([]Row, manifest.Problems) {
	var out []Row
	t := table{file: file}
	columns := []string{"time", "total", "errors"}
	t.each(r, func(line int, cells []string) {
		if line == 1 && !looksLikeTime(cells[0]) {
			columns = t.header(cells)
			return
		}
		if row, ok := t.row(line, columns, cells); ok {
			out = append(out, row)
		}
	})
	if len(out) == 0 && len(t.problems) == 0 {
		t.refuse(0, "", "holds no rows of time,total,errors")
	}
	return out, t.problems
}

func (t *table) header(cells []string) []string {
	var columns []string
	for _, c := range cells {
		columns = append(columns, strings.ToLower(strings.TrimSpace(c)))
	}
	for _, need := range []string{"time", "total", "errors"} {
		if !slices.Contains(columns, need) {
			t.refuse(1, need, "is no column of the header; it needs time, total and errors")
		}
	}
	return columns
}

func (t *table) row(line int, columns, cells []string) (Row, bool) {
	row, before := Row{Labels: map[string]string{}}, len(t.problems)
	if len(cells) != len(columns) {
		t.refuse(line, "", "has "+strconv.Itoa(len(cells))+" columns; write "+strings.Join(columns, ","))
		return row, false
	}
	for i, name := range columns {
		switch name {
		case "time":
			row.At, _ = t.time(line, name, cells[i])
		case "total":
			row.Total = t.count(line, name, cells[i])
		case "errors":
			row.Errors = t.count(line, name, cells[i])
		default:
			row.Labels[name] = strings.TrimSpace(cells[i])
		}
	}
	if len(t.problems) == before && row.Errors > row.Total {
		t.refuse(line, "errors", "are more than the total")
	}
	return row, len(t.problems) == before && before < mostProblems
}

func (t *table) count(line int, field, text string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || n < 0 || math.IsNaN(n) || n > 1e15 {
		t.refuse(line, field, strconv.Quote(short(text))+" is not a number of events, from 0 up")
	}
	return n
}

// FromRows makes a replay of counts from a file instead of a Prometheus. Options.From and To of zero mean the rows' own
// first and last. Peers' rules see the rows as counters that grow by each row at its time.
func FromRows(s slo.SLO, rows []Row, o Options) (*Replay, error) {
	s = s.Defaulted()
	if len(rows) == 0 {
		return nil, fault.New(fault.Invalid, "there are no counts to replay")
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return a.At.Compare(b.At) })
	first, last := rows[0].At, rows[len(rows)-1].At
	if o.To.IsZero() {
		o.To = last.Add(s.Interval - 1)
	}
	if o.From.IsZero() || o.From.Before(first.Add(-s.Interval)) {
		o.From = first.Add(-1)
	}
	o, err := o.checked(s)
	if err != nil {
		return nil, err
	}
	for _, l := range s.BudgetBy {
		if _, known := rows[0].Labels[l]; !known {
			return nil, fault.New(fault.Invalid, "the budgets of %s are kept by %q, which is no column of the counts; add it to the header: time,total,errors,%s", s.ID, l, strings.Join(s.BudgetBy, ","))
		}
	}
	r := &Replay{SLO: s, options: o, origin: "counts of a file"}
	b := newBuilder(s, o.From, o.To, lead(s))
	for _, row := range rows {
		labels := pick(row.Labels, s.BudgetBy)
		b.addTotal(labels, row.At, row.Total)
		b.addErrors(labels, row.At, row.Errors)
	}
	r.History = b.finish()
	if o.Peers {
		r.peers = peersOfRows(s, rows)
		r.note("Sloth and Pyrra see the file's counts as counters that are scraped at the rows' times.")
	}
	r.noteSpacing(rows)
	return r, nil
}

// noteSpacing says so where the rows are further apart than the SLO's interval.
func (r *Replay) noteSpacing(rows []Row) {
	var gaps []time.Duration
	for i := 1; i < len(rows); i++ {
		if d := rows[i].At.Sub(rows[i-1].At); d > 0 {
			gaps = append(gaps, d)
		}
	}
	if len(gaps) == 0 {
		return
	}
	slices.Sort(gaps)
	if usual := gaps[len(gaps)/2]; usual > r.SLO.Interval {
		r.note("Rows are %s apart and the SLO's interval is %s: set its interval to that of the rows, or windows of a few minutes see too little.", labelDuration(usual), labelDuration(r.SLO.Interval))
	}
}

// peersOfRows makes two counters of each group's rows.
func peersOfRows(s slo.SLO, rows []Row) *peerData {
	const total, failed = `total{}`, `errors{}`
	sh := &shape{by: s.BudgetBy}
	sh.total, sh.errors, _ = both(total, failed) // constants that parse
	type pair struct{ total, errors *Series }
	pairs := map[string]pair{}
	for _, row := range rows {
		of := pick(row.Labels, s.BudgetBy)
		p, known := pairs[keyOf(of)]
		if !known {
			p = pair{named(of, "total"), named(of, "errors")}
			pairs[keyOf(of)] = p
		}
		p.total.grow(row.At.UnixMilli(), row.Total)
		p.errors.grow(row.At.UnixMilli(), row.Errors)
	}
	d := &peerData{shape: sh}
	for _, p := range pairs {
		d.counters = append(d.counters, newCounter(*p.total), newCounter(*p.errors))
	}
	return d
}

func named(labels map[string]string, name string) *Series {
	s := &Series{Labels: map[string]string{"__name__": name}}
	for k, v := range labels {
		s.Labels[k] = v
	}
	return s
}

// grow adds a sample; several of the same time are one.
func (s *Series) grow(at int64, by float64) {
	last := len(s.At) - 1
	if last >= 0 && s.At[last] == at {
		s.Values[last] += by
		return
	}
	before := 0.0
	if last >= 0 {
		before = s.Values[last]
	}
	s.At, s.Values = append(s.At, at), append(s.Values, before+by)
}
