package postgres

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often somebody may fail to sign in as the same address: a few typing mistakes at once, then one try every ten
// seconds, whoever tries and whether the address exists or not.
const (
	signInBurst = 8
	signInEvery = 10 * time.Second
	mostTracked = 10_000 // addresses; beyond that the fullest again are forgotten
)

// throttle counts failed sign-ins by address.
type throttle struct {
	mu   sync.Mutex
	seen map[string]*rate.Limiter
	// hashing bounds how many passwords are checked at a time: each needs 19 MiB.
	hashing chan struct{}
}

func newThrottle() *throttle {
	return &throttle{seen: map[string]*rate.Limiter{}, hashing: make(chan struct{}, 4)}
}

// wait returns how long the address has to wait before the next try; 0 is not at all.
func (t *throttle) wait(address string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.seen[address]
	if !ok || l.TokensAt(now) >= 1 {
		return 0
	}
	return time.Duration((1 - l.TokensAt(now)) * float64(signInEvery)).Round(time.Second)
}

// failed counts a failure.
func (t *throttle) failed(address string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.seen[address]
	if !ok {
		t.forget(now)
		l = rate.NewLimiter(rate.Every(signInEvery), signInBurst)
		t.seen[address] = l
	}
	l.AllowN(now, 1)
}

// forget makes room: those that have recovered go first, then any.
func (t *throttle) forget(now time.Time) {
	if len(t.seen) < mostTracked {
		return
	}
	for address, l := range t.seen {
		if l.TokensAt(now) >= signInBurst {
			delete(t.seen, address)
		}
	}
	for address := range t.seen {
		if len(t.seen) < mostTracked {
			return
		}
		delete(t.seen, address)
	}
}
