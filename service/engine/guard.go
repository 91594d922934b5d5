package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/promguard"
	"github.com/prometheus/prometheus/promql/parser"
)

const (
	maxForm         = 1 << 20  // bytes of a query form
	maxWrite        = 32 << 20 // bytes of a remote write as it travels
	maxWriteDecoded = 64 << 20 // bytes of a remote write unpacked
)

// guard refuses what would cost the engine more than an answer is worth, before it does.
func (e *engine) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/write":
			if !e.admitWrite(w, r) {
				return
			}
		case r.URL.Path == "/read": // its body is no form
			if !e.admitSnappy(w, r, maxForm, maxForm) {
				return
			}
		case strings.HasPrefix(r.URL.Path, "/notifications"):
			http.NotFound(w, r) // there are none, and the live form would hang
			return
		default:
			if !e.admitQuery(w, r) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// admitWrite refuses samples for which there is no room.
func (e *engine) admitWrite(w http.ResponseWriter, r *http.Request) bool {
	if e.disk.low.Load() {
		e.metrics.refused.WithLabelValues("disk").Inc()
		writeProblem(w, http.StatusInsufficientStorage, "unavailable", "the disk is nearly full; no samples are taken until there is room")
		return false
	}
	return e.admitSnappy(w, r, maxWrite, maxWriteDecoded)
}

// admitSnappy checks the sizes of a body, travelling and unpacked. The unpacked one is announced in the first bytes, and
// would be allocated before anything is unpacked.
func (e *engine) admitSnappy(w http.ResponseWriter, r *http.Request, most int64, mostDecoded uint64) bool {
	limited := http.MaxBytesReader(w, r.Body, most)
	body := bufio.NewReader(limited)
	head, _ := body.Peek(binary.MaxVarintLen64) // a shorter body is judged by the decoder
	size, n := binary.Uvarint(head)
	if r.ContentLength > most || n > 0 && size > mostDecoded {
		e.metrics.refused.WithLabelValues("size").Inc()
		writeProblem(w, http.StatusRequestEntityTooLarge, "bad_data", "the request is too large; send it in parts")
		return false
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, limited}
	return true
}

// admitQuery checks every expression in a request, wherever its form has one.
func (e *engine) admitQuery(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		e.metrics.refused.WithLabelValues("size").Inc()
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeProblem(w, status, "bad_data", err.Error())
		return false
	}
	for _, parameter := range []string{"query", "match[]", "match_target"} {
		for _, expr := range r.Form[parameter] {
			if err := checkExpression(expr); err != nil {
				e.metrics.refused.WithLabelValues("query").Inc()
				writeProblem(w, http.StatusBadRequest, "bad_data", "invalid parameter \""+parameter+"\": "+fault.Public(err).Message)
				return false
			}
		}
	}
	return true
}

// checkExpression leaves mistakes to the API behind it, which names them in its own words.
func checkExpression(expr string) error {
	if err := promguard.Check(expr); err != nil {
		return err
	}
	parsed, err := parser.ParseExpr(expr)
	if err != nil {
		return nil
	}
	return promguard.CheckGrowth(parsed)
}
