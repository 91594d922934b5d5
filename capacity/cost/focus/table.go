package focus

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// Limits on one file.
const (
	MaxBytes   = 256 << 20
	MaxRows    = 2_000_000
	maxColumns = 500
)

// Cell is one value as text. A null has no text.
type Cell struct {
	Text string
	Null bool
}

// Null is the cell without a value.
var Null = Cell{Null: true}

// Value returns the cell of a text; "" is null.
func Value(text string) Cell {
	if text == "" {
		return Null
	}
	return Cell{Text: text}
}

// Table is billing data: each row has a cell for each column.
type Table struct {
	Columns []string
	Rows    [][]Cell
	lines   []int // of the rows in the file they were read from
}

// At returns the cell of a row in the named column; Null where there is no such column.
func (t Table) At(row int, name string) Cell {
	i := slices.Index(t.Columns, name)
	if i < 0 {
		return Null
	}
	return t.Rows[row][i]
}

// line is where people find the row: the line of a CSV file, else the row's number, 1-based.
func (t Table) line(row int) int {
	if row < len(t.lines) {
		return t.lines[row]
	}
	return row + 1
}

// Read reads a file of either format, by what it begins with.
func Read(content []byte) (Table, error) {
	if bytes.HasPrefix(content, parquetMagic) {
		return ReadParquet(content)
	}
	return ReadCSV(bytes.NewReader(content))
}

// ReadCSV reads a CSV file with a header. Empty cells and the word null are null. A file that is no CSV, has no header, a
// column twice or rows of another length is a fault.Invalid that names the line.
func ReadCSV(r io.Reader) (Table, error) {
	reader := csv.NewReader(io.LimitReader(r, MaxBytes+1))
	reader.ReuseRecord = true
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return Table{}, fault.New(fault.Invalid, "the file is empty; it needs a header with the names of columns")
	}
	if err != nil {
		return Table{}, notCSV(err)
	}
	t := Table{Columns: slices.Clone(header)}
	t.Columns[0] = strings.TrimPrefix(t.Columns[0], "\ufeff") // some tools write a byte order mark
	if err := checkHeader(t.Columns); err != nil {
		return Table{}, err
	}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Table{}, notCSV(err)
		}
		line, _ := reader.FieldPos(0)
		if len(record) != len(t.Columns) {
			return Table{}, fault.New(fault.Invalid, "line %d has %d cells, and the header has %d columns", line, len(record), len(t.Columns))
		}
		if len(t.Rows) == MaxRows {
			return Table{}, fault.New(fault.TooLarge, "the file has more than %d rows; split it", MaxRows)
		}
		row := make([]Cell, len(record))
		for i, text := range record {
			row[i] = Value(strings.Clone(text))
			if text == "null" {
				row[i] = Null
			}
		}
		t.Rows, t.lines = append(t.Rows, row), append(t.lines, line)
	}
	if reader.InputOffset() > MaxBytes {
		return Table{}, fault.New(fault.TooLarge, "the file has more than %d MB; split it", MaxBytes>>20)
	}
	return t, nil
}

func notCSV(err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return fault.New(fault.Invalid, "line %d is no CSV: %s", bad.Line, bad.Err)
	}
	return fmt.Errorf("read the CSV file: %w", err)
}

func checkHeader(names []string) error {
	if len(names) > maxColumns {
		return fault.New(fault.Invalid, "the file has %d columns; the most is %d", len(names), maxColumns)
	}
	seen := map[string]bool{}
	for i, name := range names {
		switch {
		case name == "":
			return fault.New(fault.Invalid, "column %d has no name", i+1)
		case seen[name]:
			return fault.New(fault.Invalid, "the column %s is there twice", clip(name))
		}
		seen[name] = true
	}
	return nil
}

// WriteCSV writes the table with its header; null is an empty cell.
func (t Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.Columns); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	record := make([]string, len(t.Columns))
	for _, row := range t.Rows {
		for i, c := range row {
			record[i] = c.Text
		}
		if err := out.Write(record); err != nil {
			return fmt.Errorf("write a row: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "..."
}
