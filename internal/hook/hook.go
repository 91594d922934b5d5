// Package hook has the words for what others call us with over HTTP: alert sources and providers of pages. What is in a
// request belongs to whoever reads it, and how it came in to the edge.
package hook

import (
	"net/http"
	"time"
)

// Request is a call of one of our hooks as it came in. Body is untouched, because signatures are over its bytes.
type Request struct {
	Method string
	URL    string // as the caller wrote it, absolute, with its query
	Header http.Header
	Body   []byte
	At     time.Time // when it came in
}

// Answer is what the caller gets. The zero Answer is 200 without a body.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}
