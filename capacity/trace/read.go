package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/manifest"
)

// Options say how a file is meant where it does not say so itself.
type Options struct {
	Column string         // name, or number from 1, of the value's column; "" where there is only one that can be meant
	Step   time.Duration  // distance of two rows in a file without times, which count from Start; 0: the file has times
	Start  time.Time      // of the first row where Step is given; 1970-01-01 where zero
	Zone   *time.Location // of times written without one; UTC where nil
}

// Limits on one file.
const (
	MaxRows  = 10_000_000
	maxLine  = 64 << 10
	mostTold = 20 // problems of one file
)

// timeNames are the headers of a column of times, in lower case.
var timeNames = []string{"timestamp", "time", "ts", "date", "datetime", "period", "ds", "at"}

// Read reads CSV with a row a point: `timestamp,value`. The separator is a comma or a semicolon, a header is optional,
// empty lines and those that begin with # are skipped. Times are Unix seconds (or milli-, micro- or nanoseconds, told
// apart by their size), RFC 3339, or such as 2006-01-02 15:04:05 in Options.Zone. A value that is empty, NaN, null or -
// is missing: the row counts as Trace.Missing and nothing takes its place.
//
// Trouble is a fault.Invalid with a detail for every line that cannot be read (at most 20 are told), or a fault.TooLarge
// beyond MaxRows; then there is no trace.
func Read(file string, r io.Reader, o Options) (Trace, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Start.IsZero() {
		o.Start = time.Unix(0, 0).UTC()
	}
	in := &reader{file: file, o: o}
	if err := in.read(r); err != nil {
		return Trace{}, err
	}
	if len(in.points) == 0 && len(in.problems) == 0 {
		in.refuse(0, "", "holds no values; write a row a point, such as 2026-11-01T09:00:00Z,412")
	}
	if err := in.problems.Err(); err != nil {
		return Trace{}, err
	}
	return newTrace(in.points, in.missing), nil
}

// reader is the state of reading one file.
type reader struct {
	file        string
	o           Options
	separator   string
	time, value int // columns; time is -1 where rows count
	width       int // columns of a row
	names       []string
	settled     bool // whether the columns are known
	rows        int  // with a point or a missing value
	points      []forecast.Point
	missing     int
	problems    manifest.Problems
}

func (in *reader) refuse(line int, field, message string) {
	if len(in.problems) < mostTold {
		in.problems = append(in.problems, manifest.Problem{File: in.file, Line: line, Field: field, Message: message})
	}
}

func (in *reader) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	line := 0
	for lines.Scan() && len(in.problems) < mostTold {
		line++
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		if in.rows >= MaxRows {
			return fault.New(fault.TooLarge, "%s has more than %d rows; thin it out, such as to one a minute", in.file, MaxRows)
		}
		if !in.row(line, in.split(text)) {
			break
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		in.refuse(line+1, "", fmt.Sprintf("is longer than %d bytes; write a row a point", maxLine))
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "read %s", in.file)
	}
	return nil
}

// split cuts a row into cells. The first row decides the separator: a semicolon if it parts two cells, else the comma.
// One separator at a row's end closes it and begins no cell.
func (in *reader) split(text string) []string {
	text = strings.TrimRight(text, "; \t")
	if in.separator == "" {
		in.separator = ","
		if strings.Contains(text, ";") {
			in.separator = ";"
		}
	}
	cells := strings.Split(text, in.separator)
	for i, c := range cells {
		c = strings.TrimSpace(c)
		if len(c) >= 2 && c[0] == '"' && c[len(c)-1] == '"' {
			c = c[1 : len(c)-1]
		}
		cells[i] = c
	}
	return cells
}

// row takes one row. It reports false where going on would only repeat the same problem.
func (in *reader) row(line int, cells []string) bool {
	if !in.settled {
		in.settled = true
		header := in.isHeader(cells)
		if !in.settle(line, cells, header) || header {
			return len(in.problems) == 0
		}
	}
	if len(cells) != in.width && !(len(cells) == in.width-1 && in.value == in.width-1) { // a missing last value may lack its separator's cell
		in.refuse(line, "", fmt.Sprintf("has %d columns where the first row has %d", len(cells), in.width))
		return true
	}
	at, ok := in.timeOf(line, cells)
	in.rows++
	if !ok {
		return true
	}
	text := ""
	if in.value < len(cells) {
		text = cells[in.value]
	}
	if isMissing(text) {
		in.missing++
		return true
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(value, 0) {
		in.refuse(line, "value", strconv.Quote(short(text))+" is not a number; write digits with a point, such as 412.5, and nothing where it is missing")
		return true
	}
	in.points = append(in.points, forecast.Point{At: at, Value: value})
	return true
}

// isHeader reports whether a first row names its columns: none of its cells is a number, a time or missing.
func (in *reader) isHeader(cells []string) bool {
	for _, c := range cells {
		if _, err := strconv.ParseFloat(c, 64); err == nil {
			return false
		}
		if _, ok := parseTime(c, in.o.Zone); ok {
			return false
		}
	}
	return slices.ContainsFunc(cells, func(c string) bool { return c != "" })
}

// settle finds the columns by the first row.
func (in *reader) settle(line int, cells []string, header bool) bool {
	in.width, in.time = len(cells), 0
	if header {
		in.names = cells
	}
	if in.o.Step > 0 {
		in.time = -1
	} else if i := slices.IndexFunc(in.names, func(n string) bool { return slices.Contains(timeNames, strings.ToLower(n)) }); i >= 0 {
		in.time = i
	}
	if in.o.Column != "" {
		return in.settleNamed(line)
	}
	switch {
	case in.width == 2:
		in.value = 1
		if in.time == 1 {
			in.value = 0
		}
	case in.width == 1 && in.time < 0:
		in.value = 0
	case in.width == 1:
		in.refuse(line, "", "has one column; write timestamp,value, or say how far apart the rows are")
		return false
	default:
		in.refuse(line, "", fmt.Sprintf("has %d columns; say which is the value: %s", in.width, in.choices()))
		return false
	}
	return true
}

func (in *reader) settleNamed(line int) bool {
	in.value = slices.Index(in.names, in.o.Column)
	if n, err := strconv.Atoi(in.o.Column); in.value < 0 && err == nil {
		in.value = n - 1
	}
	if in.value < 0 || in.value >= in.width || in.value == in.time {
		in.refuse(line, "", fmt.Sprintf("has no column %s for the value; there are %s", strconv.Quote(short(in.o.Column)), in.choices()))
		return false
	}
	return true
}

// choices lists the columns that may be the value.
func (in *reader) choices() string {
	var out []string
	for i := range in.width {
		switch {
		case i == in.time:
		case i < len(in.names) && in.names[i] != "":
			out = append(out, short(in.names[i]))
		default:
			out = append(out, strconv.Itoa(i+1))
		}
	}
	return strings.Join(out, ", ")
}

func (in *reader) timeOf(line int, cells []string) (time.Time, bool) {
	if in.time < 0 {
		return in.o.Start.Add(time.Duration(in.rows) * in.o.Step), true
	}
	if in.time >= len(cells) {
		in.refuse(line, "timestamp", "is missing")
		return time.Time{}, false
	}
	at, ok := parseTime(cells[in.time], in.o.Zone)
	if !ok {
		in.refuse(line, "timestamp", strconv.Quote(short(cells[in.time]))+" is not a time; write Unix seconds, or such as 2026-11-01T09:00:00Z or 2026-11-01 09:00:00")
	}
	return at, ok
}

func isMissing(text string) bool {
	switch strings.ToLower(text) {
	case "", "nan", "null", "none", "na", "n/a", "-":
		return true
	}
	return false
}

// layouts are those of times in words. A layout without a zone is read in Options.Zone.
var layouts = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04", "2006-01-02"}

// parseTime reads a time within the years 1970 to 2200.
func parseTime(text string, zone *time.Location) (time.Time, bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return unixTime(n)
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at.UTC(), at.Year() >= 1970 && at.Year() <= 2200
		}
	}
	return time.Time{}, false
}

// unixTime reads a number of seconds since 1970, or of milli-, micro- or nanoseconds. Their sizes don't meet between
// 1973 and 2200.
func unixTime(n float64) (time.Time, bool) {
	switch {
	case !(n >= 0 && n < 7.3e18):
		return time.Time{}, false
	case n < 1e11:
		return time.UnixMilli(int64(math.Round(n * 1e3))).UTC(), n < 7.26e9
	case n < 1e14:
		return time.UnixMilli(int64(n)).UTC(), n < 7.26e12
	case n < 1e17:
		return time.UnixMicro(int64(n)).UTC(), n < 7.26e15
	}
	return time.Unix(0, int64(n)).UTC(), true
}

func short(text string) string {
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "..."
	}
	return text
}
