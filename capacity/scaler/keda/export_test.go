package keda

import "time"

// NewLooking returns a scaler whose streams look again after the span.
func NewLooking(signals Signals, look time.Duration) *Scaler {
	s := New(signals)
	s.look = look
	return s
}
