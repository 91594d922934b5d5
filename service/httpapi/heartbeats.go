package httpapi

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
)

type heartbeatInput struct {
	Name string `path:"name" maxLength:"200" doc:"The heartbeat's name." example:"nightly-backup"`
}

type keyInput struct {
	Name string `path:"name" maxLength:"200" doc:"The heartbeat's name." example:"nightly-backup"`
	Key  string `path:"key" maxLength:"200" doc:"The heartbeat's own key, as its definition names where it is kept."`
}

// heartbeat is a heartbeat as shown; durations are in seconds.
type heartbeat struct {
	Name     string            `json:"name" example:"nightly-backup"`
	Tenant   string            `json:"tenant" doc:"Empty for the operator's own."`
	Interval float64           `json:"intervalSeconds" doc:"A ping is expected at least this often."`
	Grace    float64           `json:"graceSeconds" doc:"How much later it may come."`
	Service  string            `json:"service"`
	Severity string            `json:"severity"`
	Labels   map[string]string `json:"labels"`
	LastAt   *time.Time        `json:"lastAt" doc:"The last ping; null where none ever came."`
	DueAt    *time.Time        `json:"dueAt" doc:"When it is overdue unless pinged; null where none ever came."`
	Overdue  bool              `json:"overdue"`
}

type heartbeatList struct {
	Heartbeats []heartbeat `json:"heartbeats"`
}

// ping is a ping as answered: who sent it is for the audit log.
type ping struct {
	Name   string    `json:"name"`
	LastAt time.Time `json:"lastAt"`
}

func (a *API) mountHeartbeats() {
	const tag = "Heartbeats"
	register(a, operation{id: "list-heartbeats", method: get, path: "/heartbeats", tag: tag,
		role: access.Viewer, audience: anyone,
		summary: "List heartbeats, when each was last heard and whether it is overdue"}, a.heartbeats)
	about := "The alert of a missed heartbeat ends at once. One that was never pinged wakes nobody."
	register(a, operation{id: "ping-heartbeat", method: post, path: "/heartbeats/{name}/ping", tag: tag,
		role: access.Responder, audience: anyone,
		summary: "Say that something is alive", about: about}, a.pingHeartbeat)
	register(a, operation{id: "ping-heartbeat-by-get", method: get, path: "/heartbeats/{name}/ping", tag: tag,
		role: access.Responder, audience: anyone,
		summary: "Say that something is alive, for clients that can only GET", about: about}, a.pingHeartbeat)
	keyed := "For jobs that have no API token: the address itself is the secret, so keep it as one."
	register(a, operation{id: "ping-heartbeat-with-key", method: post, path: "/heartbeats/{name}/ping/{key}", tag: tag,
		role: public, audience: anyone,
		summary: "Say that something is alive, with the heartbeat's own key", about: keyed}, a.pingWithKey)
	register(a, operation{id: "ping-heartbeat-with-key-by-get", method: get, path: "/heartbeats/{name}/ping/{key}", tag: tag,
		role: public, audience: anyone,
		summary: "Say that something is alive, with the heartbeat's own key, for clients that can only GET", about: keyed}, a.pingWithKey)
}

func (a *API) heartbeats(ctx context.Context, _ *none) (*body[heartbeatList], error) {
	found, err := a.deps.Heartbeats.HeartbeatStates(ctx, access.PrincipalOf(ctx).Scope())
	shown := heartbeatList{Heartbeats: make([]heartbeat, 0, len(found))}
	for _, h := range found {
		shown.Heartbeats = append(shown.Heartbeats, shownHeartbeat(h))
	}
	return show(shown, err)
}

func shownHeartbeat(h alerting.HeartbeatState) heartbeat {
	return heartbeat{
		Name: h.Name, Tenant: h.Tenant, Interval: h.Interval.Seconds(), Grace: h.Grace.Seconds(),
		Service: h.Service, Severity: h.Severity,
		Labels: labelsOf(h.Labels), LastAt: h.LastAt, DueAt: h.DueAt, Overdue: h.Overdue,
	}
}

func (a *API) pingHeartbeat(ctx context.Context, in *heartbeatInput) (*body[ping], error) {
	heard, err := a.deps.Heartbeats.PingHeartbeat(ctx, access.PrincipalOf(ctx), in.Name)
	return show(ping{Name: in.Name, LastAt: heard.LastAt}, err)
}

func (a *API) pingWithKey(ctx context.Context, in *keyInput) (*body[ping], error) {
	heard, err := a.deps.Heartbeats.PingWithKey(ctx, in.Name, in.Key)
	return show(ping{Name: in.Name, LastAt: heard.LastAt}, err)
}
