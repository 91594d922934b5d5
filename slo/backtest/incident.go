package backtest

import (
	"encoding/csv"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

// Incident is a time of trouble that is known from elsewhere.
type Incident struct {
	Name  string    `json:"name,omitempty"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// mostRows bounds what is read of a file.
const mostRows = 2_000_000

// ReadIncidents reads CSV of start, end and optionally name; a first line that holds no times is a header. Times are
// RFC 3339 or seconds since 1970. Every problem is told at once, with its line.
func ReadIncidents(file string, r io.Reader) ([]Incident, manifest.Problems) {
	var out []Incident
	t := table{file: file}
	t.each(r, func(line int, cells []string) {
		if line == 1 && !looksLikeTime(cells[0]) {
			return
		}
		if len(cells) < 2 {
			t.refuse(line, "start,end", "needs at least a start and an end; write 2026-11-01T09:00:00Z,2026-11-01T10:00:00Z,name")
			return
		}
		start, okStart := t.time(line, "start", cells[0])
		end, okEnd := t.time(line, "end", cells[1])
		one := Incident{Start: start, End: end}
		if len(cells) > 2 {
			one.Name = strings.TrimSpace(cells[2])
		}
		switch {
		case !okStart || !okEnd:
		case !end.After(start):
			t.refuse(line, "end", "is not after the start; times are start,end")
		default:
			out = append(out, one)
		}
	})
	return out, t.problems
}

// table reads CSV and collects its problems.
type table struct {
	file     string
	problems manifest.Problems
}

const mostProblems = 20

func (t *table) refuse(line int, field, message string) {
	if len(t.problems) < mostProblems {
		t.problems = append(t.problems, manifest.Problem{File: t.file, Line: line, Field: field, Message: message})
	}
}

// each hands over every row that is not empty or a comment.
func (t *table) each(r io.Reader, row func(line int, cells []string)) {
	in := csv.NewReader(r)
	in.FieldsPerRecord, in.Comment, in.TrimLeadingSpace, in.ReuseRecord = -1, '#', true, true
	for n := 0; n < mostRows; n++ {
		cells, err := in.Read()
		var bad *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &bad):
			t.refuse(bad.Line, "", "is not CSV: "+bad.Err.Error())
			if len(t.problems) == mostProblems {
				return
			}
			continue
		case err != nil:
			t.refuse(0, "", "cannot be read: "+err.Error())
			return
		}
		line, _ := in.FieldPos(0)
		row(line, cells)
	}
	t.refuse(0, "", "has more than "+strconv.Itoa(mostRows)+" rows; split it, or use longer intervals")
}

func looksLikeTime(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && (text[0] >= '0' && text[0] <= '9')
}

// time reads RFC 3339 or seconds since 1970.
func (t *table) time(line int, field, text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), true
	}
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 && s < 1e11 {
		return time.UnixMilli(int64(math.Round(s * 1000))).UTC(), true
	}
	t.refuse(line, field, strconv.Quote(short(text))+" is not a time; write RFC 3339 such as 2026-11-01T09:00:00Z, or seconds since 1970")
	return time.Time{}, false
}

func short(text string) string {
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "..."
	}
	return text
}
