package service

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
)

// hookAtOnce is how many calls of one integration are worked on at a time, so that a storm of one leaves room for others.
const hookAtOnce = 16

// hookBurst is how many seconds' worth of calls an integration may send at once.
const hookBurst = 20

// hookLimits bounds what each integration may do. It is safe for concurrent use.
type hookLimits struct {
	mu    sync.Mutex
	rates map[string]*rate.Limiter
	busy  map[string]int
}

func newHookLimits() *hookLimits {
	return &hookLimits{rates: map[string]*rate.Limiter{}, busy: map[string]int{}}
}

// begin takes a place for a call, or is a fault.Limited while all are taken. done gives it back.
func (l *hookLimits) begin(name string) (done func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[name] >= hookAtOnce {
		return nil, limited(time.Second)
	}
	l.busy[name]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.busy[name]--; l.busy[name] == 0 {
			delete(l.busy, name)
		}
	}, nil
}

// spend takes one call of what the integration may send, or is a fault.Limited. Only calls that are the integration's own
// count, so that nobody else can use them up.
func (l *hookLimits) spend(i definitions.Integration, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	perSecond := rate.Limit(float64(i.CallsPerMinute) / 60)
	burst := max(i.CallsPerMinute*hookBurst/60, 1)
	limit, known := l.rates[i.Name]
	if !known || limit.Limit() != perSecond {
		limit = rate.NewLimiter(perSecond, burst)
		l.rates[i.Name] = limit
	}
	if limit.AllowN(now, 1) {
		return nil
	}
	return limited(time.Duration((1 - limit.TokensAt(now)) / float64(perSecond) * float64(time.Second)))
}

func limited(wait time.Duration) error {
	e := fault.New(fault.Limited, "this integration sends too much; send the call again later")
	e.RetryAfter = wait
	return e
}
