package postgres

import (
	"sync"
	"time"

	"github.com/nines-sre/nines/internal/access"
)

// How long what was found about a credential counts. A token that is revoked is forgotten at once wherever the change is
// heard of; the first bound is for a process that hears nothing. A credential that was good a while ago is looked up
// on the connections for paging: its owner posts alerts or answers a page, and must not wait for reports.
const (
	tokenFresh   = 2 * time.Second
	bearerKnown  = 10 * time.Minute
	mostRecalled = 20_000
)

// bearers remembers who was behind a credential, by the kind and hash of the credential.
type bearers struct {
	mu    sync.Mutex
	known map[string]recalled
	era   int // grows with forgetAll
}

type recalled struct {
	who access.Principal
	at  time.Time
}

func newBearers() *bearers { return &bearers{known: map[string]recalled{}} }

// fresh returns who was behind the credential a moment ago.
func (b *bearers) fresh(secret string, now time.Time) (access.Principal, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, found := b.known[secret]
	return r.who, found && now.Sub(r.at) < tokenFresh
}

// recall reports whether the credential was good lately, and the era for remember.
func (b *bearers) recall(secret string, now time.Time) (era int, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, found := b.known[secret]
	return b.era, found && now.Sub(r.at) < bearerKnown
}

// remember keeps what was found, unless something was revoked while it was looked up.
func (b *bearers) remember(secret string, who access.Principal, now time.Time, era int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if era != b.era {
		return
	}
	if len(b.known) >= mostRecalled {
		for h, r := range b.known {
			if now.Sub(r.at) > bearerKnown || len(b.known) >= mostRecalled {
				delete(b.known, h)
			}
		}
	}
	b.known[secret] = recalled{who, now}
}

func (b *bearers) forget(secret string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, secret)
}

// forgetAll is for news of a revoked token, or for news that may have been missed.
func (b *bearers) forgetAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.known)
	b.era++
}
