package main

import (
	"compress/gzip"
	"io"
	"os"
	"strings"

	"github.com/nines-sre/nines/capacity/trace"
	"github.com/nines-sre/nines/internal/fault"
)

// readTrace reads a recorded series: a CSV file, one packed by gzip where its name ends in .gz, or - for standard input.
func (a *cli) readTrace(path string, o trace.Options) (trace.Trace, error) {
	if path == "-" {
		return trace.Read("standard input", a.in, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return trace.Trace{}, fault.Wrap(fault.Invalid, err, "read the trace")
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		packed, err := gzip.NewReader(f)
		if err != nil {
			return trace.Trace{}, fault.Wrap(fault.Invalid, err, "unpack %s", path)
		}
		defer packed.Close()
		in = packed
	}
	return trace.Read(path, in, o)
}
