package outboxtest

import (
	"time"

	"github.com/nines-sre/nines/incidents"
)

// Pages returns a copy of every page, oldest first.
func (m *Memory) Pages() []incidents.Page {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]incidents.Page, len(m.pages))
	for n, r := range m.pages {
		out[n] = r.Page
	}
	return out
}

// NextDue returns when a page is next to be looked at: it is due, or its lease ends. It is false where none is open; pages
// of an incident that is held wait for that to end.
func (m *Memory) NextDue() (at time.Time, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.open {
		if m.held(r) {
			continue
		}
		due := r.NextAt
		switch r.State {
		case incidents.PagePending:
		case incidents.PageSending:
			due = r.lease
		default:
			continue
		}
		if !open || due.Before(at) {
			at, open = due, true
		}
	}
	return at, open
}
