package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// shortestKey is the least length of a heartbeat's key, in bytes, that nobody guesses.
const shortestKey = 16

// PingWithKey is a ping by whoever has the heartbeat's own key. Whether the heartbeat, the key or its file is missing is
// for the log alone; the caller learns only that it was not the key.
func (h heartbeats) PingWithKey(ctx context.Context, name, key string) (alerting.Ping, error) {
	beat, defined := h.plane.definitions.Catalog().Heartbeat(name)
	want := ""
	if defined && beat.Key != (alerting.KeyRef{}) {
		var err error
		secrets := cmp.Or(h.plane.config.SecretDir, h.plane.config.DataDir)
		if want, err = notify.Resolve(incidents.Secret{Env: beat.Key.Env, File: beat.Key.File}, secrets); err != nil {
			h.plane.log.Warn("the key of a heartbeat is not there", "heartbeat", name, "error", err)
		}
	}
	if len(want) < shortestKey || !sameSecret(want, key) {
		return alerting.Ping{}, fault.New(fault.Unauthorized,
			"this is not the key of a heartbeat; keys have at least %d characters", shortestKey)
	}
	who := access.Principal{ID: "heartbeat:" + name, Name: name, Role: access.Responder, Tenant: beat.Tenant}
	return h.PingHeartbeat(ctx, who, name)
}

// sameSecret compares without telling by its time how much is right.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
