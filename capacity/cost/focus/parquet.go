package focus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

var parquetMagic = []byte("PAR1")

// Numbers are decimals with 12 digits after the point, so that no float comes between.
const (
	decimalScale     = 12
	decimalPrecision = 38
	decimalBytes     = 16
)

// WriteParquet writes the table: numbers as decimals, times as timestamps in UTC, everything else as text. A number with
// more than 12 digits after the point or 38 in all, or a time of another form, is an error that names row and column.
func (t Table) WriteParquet(w io.Writer) error {
	group := parquet.Group{}
	for _, name := range t.Columns {
		group[name] = parquet.Optional(leafOf(name))
	}
	schema := parquet.NewSchema("focus", group)
	order := make([]int, 0, len(t.Columns)) // the schema orders its columns by name
	for _, path := range schema.Columns() {
		order = append(order, slices.Index(t.Columns, path[0]))
	}
	out := parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd))
	for n, row := range t.Rows {
		values := make(parquet.Row, len(order))
		for i, from := range order {
			v, err := valueOf(byName[t.Columns[from]].kind, row[from])
			if err != nil {
				return fault.New(fault.Invalid, "row %d, %s: %s", t.line(n), t.Columns[from], err)
			}
			if row[from].Null {
				values[i] = v.Level(0, 0, i)
			} else {
				values[i] = v.Level(0, 1, i)
			}
		}
		if _, err := out.WriteRows([]parquet.Row{values}); err != nil {
			return fmt.Errorf("write row %d: %w", n+1, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("finish the file: %w", err)
	}
	return nil
}

func leafOf(name string) parquet.Node {
	switch byName[name].kind {
	case number:
		return parquet.Decimal(decimalScale, decimalPrecision, parquet.FixedLenByteArrayType(decimalBytes))
	case moment:
		return parquet.Timestamp(parquet.Millisecond)
	}
	return parquet.String()
}

func valueOf(k kind, c Cell) (parquet.Value, error) {
	switch {
	case c.Null:
		return parquet.NullValue(), nil
	case k == number:
		raw, err := decimalOf(c.Text)
		return parquet.FixedLenByteArrayValue(raw), err
	case k == moment:
		at, err := parseMoment(c.Text)
		return parquet.Int64Value(at.UnixMilli()), err
	}
	return parquet.ByteArrayValue([]byte(c.Text)), nil
}

// decimalOf is the number times 10^12 as a big-endian two's complement integer.
func decimalOf(text string) ([]byte, error) {
	r, err := parseNumber(text)
	if err != nil {
		return nil, err
	}
	r.Mul(r, new(big.Rat).SetInt(power(decimalScale)))
	if !r.IsInt() || r.Num().CmpAbs(power(decimalPrecision)) >= 0 {
		return nil, fmt.Errorf("%q has more than %d digits after the point, or %d in all", clip(text), decimalScale, decimalPrecision)
	}
	n := r.Num()
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), 8*decimalBytes))
	}
	return n.FillBytes(make([]byte, decimalBytes)), nil
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// ReadParquet reads a Parquet file whose columns are flat. A file that is damaged, or has nested columns, is a
// fault.Invalid.
func ReadParquet(content []byte) (t Table, err error) {
	if len(content) > MaxBytes {
		return Table{}, fault.New(fault.TooLarge, "the file has more than %d MB; split it", MaxBytes>>20)
	}
	defer func() {
		if trouble := recover(); trouble != nil { // the library panics over some damaged files
			t, err = Table{}, fault.New(fault.Invalid, "the file is damaged or no Parquet file: %v", trouble)
		}
	}()
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)), parquet.SkipBloomFilters(true))
	if err != nil {
		return Table{}, fault.New(fault.Invalid, "the file is damaged or no Parquet file: %s", err)
	}
	if file.NumRows() > MaxRows {
		return Table{}, fault.New(fault.TooLarge, "the file has %d rows; the most is %d", file.NumRows(), MaxRows)
	}
	fields := file.Schema().Fields()
	for _, f := range fields {
		if !f.Leaf() || f.Repeated() {
			return Table{}, fault.New(fault.Invalid, "the column %s is nested; write it as JSON text", clip(f.Name()))
		}
		t.Columns = append(t.Columns, f.Name())
	}
	if err := checkHeader(t.Columns); err != nil {
		return Table{}, err
	}
	for _, group := range file.RowGroups() {
		if err := t.take(group, fields); err != nil {
			return Table{}, err
		}
	}
	return t, nil
}

func (t *Table) take(group parquet.RowGroup, fields []parquet.Field) error {
	rows := group.Rows()
	defer rows.Close()
	batch := make([]parquet.Row, 256)
	for {
		n, err := rows.ReadRows(batch)
		for _, row := range batch[:n] {
			cells := make([]Cell, len(fields))
			for i := range cells {
				cells[i] = Null
			}
			for _, v := range row {
				if i := v.Column(); i >= 0 && i < len(fields) && !v.IsNull() {
					cells[i] = Value(textOf(fields[i], v))
				}
			}
			if t.Rows = append(t.Rows, cells); len(t.Rows) > MaxRows {
				return fault.New(fault.TooLarge, "the file has more than %d rows; split it", MaxRows)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fault.New(fault.Invalid, "the file is damaged: %s", err)
		}
		if n == 0 {
			return fault.New(fault.Invalid, "the file is damaged: a group of rows ends early")
		}
	}
}

// textOf is a value in the forms of the specification.
func textOf(f parquet.Field, v parquet.Value) string {
	if logical := f.Type().LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.DecimalType:
			return decimalText(v, int(l.Scale))
		case *format.TimestampType:
			if v.Kind() == parquet.Int64 {
				return momentText(l, v.Int64())
			}
		}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean())
	case parquet.Int32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'f', -1, 32)
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'f', -1, 64)
	case parquet.Int96: // how old writers keep times: nanoseconds of the day, and the Julian day
		i := v.Int96()
		nanos := int64(uint64(i[1])<<32 | uint64(i[0]))
		return time.Unix((int64(i[2])-2440588)*86400, nanos).UTC().Format(momentForm)
	}
	return string(v.ByteArray())
}

func momentText(unit *format.TimestampType, n int64) string {
	at := time.UnixMilli(n)
	switch unit.Unit.Value.(type) {
	case *format.MicroSeconds:
		at = time.UnixMicro(n)
	case *format.NanoSeconds:
		at = time.Unix(0, n)
	}
	return at.UTC().Format(momentForm)
}

func decimalText(v parquet.Value, scale int) string {
	if scale < 0 || scale > 1000 {
		return ""
	}
	n := new(big.Int)
	switch v.Kind() {
	case parquet.Int32:
		n.SetInt64(int64(v.Int32()))
	case parquet.Int64:
		n.SetInt64(v.Int64())
	default:
		raw := v.ByteArray()
		n.SetBytes(raw)
		if len(raw) > 0 && raw[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
		}
	}
	text := new(big.Rat).SetFrac(n, power(scale)).FloatString(scale)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
