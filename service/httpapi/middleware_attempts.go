package httpapi

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"

	"github.com/nines-sre/nines/internal/fault"
)

// How often somebody may try to sign in. An address may be an office of many people; an account is one person.
const (
	addressBurst, addressEvery = 20, 3 * time.Second
	accountBurst, accountEvery = 10, 12 * time.Second
	mostAttemptKeys            = 20_000
)

// attempts limits tries to sign in, for each address and each account. It forgets who has not tried for long.
type attempts struct {
	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// allow takes one try of each key, or says how long until the next is free. A refused try costs nothing, so that an
// attacker cannot keep somebody out for longer than their own tries do.
func (t *attempts) allow(now time.Time, address, account string) (wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.keys) >= mostAttemptKeys {
		t.forget(now)
	}
	limiters := []*rate.Limiter{t.limiter("address "+address, addressEvery, addressBurst)}
	if account != "" {
		limiters = append(limiters, t.limiter("account "+account, accountEvery, accountBurst))
	}
	for _, l := range limiters {
		if missing := 1 - l.TokensAt(now); missing > 0 {
			wait = max(wait, time.Duration(missing/float64(l.Limit())*float64(time.Second)))
		}
	}
	if wait > 0 {
		return wait, false
	}
	for _, l := range limiters {
		l.AllowN(now, 1)
	}
	return 0, true
}

func (t *attempts) limiter(key string, every time.Duration, burst int) *rate.Limiter {
	l, known := t.keys[key]
	if !known {
		l = rate.NewLimiter(rate.Every(every), burst)
		t.keys[key] = l
	}
	return l
}

// forget drops every key that has all its tries back; where an attack leaves none such, all of them.
func (t *attempts) forget(now time.Time) {
	for key, l := range t.keys {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(t.keys, key)
		}
	}
	if len(t.keys) >= mostAttemptKeys {
		clear(t.keys)
	}
}

// limitSignIn slows down guessing of passwords, through the API and through the form alike.
func (a *API) limitSignIn(c *fiber.Ctx) error {
	path := strings.TrimSuffix(c.Path(), "/")
	if c.Method() != fiber.MethodPost || (path != apiPath+"/sign-in" && path != "/sign-in") {
		return c.Next()
	}
	wait, ok := a.attempts.allow(a.deps.Now(), a.clientAddress(c), accountOf(c))
	if !ok {
		e := fault.New(fault.Limited, "too many tries to sign in; wait a little, then try again")
		e.RetryAfter = wait
		return e
	}
	return c.Next()
}

// accountOf reads whom the request wants to sign in as; "" where it does not say.
func accountOf(c *fiber.Ctx) string {
	var email string
	if strings.Contains(strings.ToLower(c.Get(fiber.HeaderContentType)), "form") {
		email = c.FormValue("email")
	} else {
		var body struct {
			Email string `json:"email"`
		}
		_ = json.Unmarshal(c.Body(), &body) // what cannot be read is refused by the operation itself
		email = body.Email
	}
	return strings.ToLower(strings.TrimSpace(email))
}

// clientAddress returns who is at the other end: the peer, or, behind proxies of our own, the nearest address in
// X-Forwarded-For that is none of them. What stands further left could be anybody's invention. An IPv6 client is its /64,
// which is what one customer of a provider has.
func (a *API) clientAddress(c *fiber.Ctx) string {
	peer, _ := netip.ParseAddr(c.Context().RemoteIP().String())
	peer = peer.Unmap()
	if a.trusted(peer) {
		hops := strings.Split(forwardedFor(c), ",")
		for i := len(hops) - 1; i >= 0; i-- {
			hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
			if err != nil {
				break
			}
			peer = hop.Unmap()
			if !a.trusted(peer) {
				break
			}
		}
	}
	if peer.Is6() {
		network, _ := peer.Prefix(64)
		return network.String()
	}
	return peer.String()
}

// forwardedFor joins the header's lines: a proxy may add its own below the client's.
func forwardedFor(c *fiber.Ctx) string {
	return string(bytes.Join(c.Request().Header.PeekAll(fiber.HeaderXForwardedFor), []byte(",")))
}

func (a *API) trusted(address netip.Addr) bool {
	for _, proxy := range a.config.TrustedProxies {
		if proxy.Contains(address) {
			return true
		}
	}
	return false
}
