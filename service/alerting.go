package service

import (
	"context"
	"time"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// routing is what the definitions in force say of alerts.
func (p *plane) routing() postgres.Routing {
	return postgres.Routing{Router: p.router(), Rules: p.definitions.Catalog().AlertRules()}
}

// rejudge lets alerts page, or holds their incidents, as silences, windows and inhibiting alerts come and go.
func (p *plane) rejudge(ctx context.Context) error {
	_, err := p.db.RejudgeAlerts(ctx, p.routing())
	return err
}

// watchHeartbeats tells of the heartbeats that are overdue.
func (p *plane) watchHeartbeats(ctx context.Context) error {
	_, err := p.db.WatchHeartbeats(ctx, p.definitions.Catalog().Heartbeats(), p.routing())
	return err
}

// endUndefinedHeartbeats ends what heartbeats have raised that were taken out of the definitions since.
func (p *plane) endUndefinedHeartbeats(ctx context.Context) error {
	_, err := p.db.EndUndefinedHeartbeats(ctx, p.definitions.Catalog().Heartbeats(), p.routing())
	return err
}

func (p *plane) forgetAlerts(ctx context.Context) error {
	_, err := p.db.ForgetAlerts(ctx, p.config.KeepAlerts)
	return err
}

// silences are storage's, put to work at once.
type silences struct {
	*postgres.DB
	plane *plane
}

// PutSilence makes or changes a silence; see postgres.DB.
func (s silences) PutSilence(ctx context.Context, who access.Principal, wish alerting.Silence) (alerting.Silence, error) {
	made, err := s.DB.PutSilence(ctx, who, wish)
	if err == nil {
		s.plane.rejudgeNow(ctx)
	}
	return made, err
}

// ExpireSilence ends a silence; see postgres.DB.
func (s silences) ExpireSilence(ctx context.Context, who access.Principal, id string) error {
	err := s.DB.ExpireSilence(ctx, who, id)
	if err == nil {
		s.plane.rejudgeNow(ctx)
	}
	return err
}

// rejudgeNow shows the person who changed something what it changes. Where that fails, the periodic work does it a little
// later.
func (p *plane) rejudgeNow(ctx context.Context) {
	if err := p.rejudge(ctx); err != nil {
		p.log.Warn("what a silence changes will be seen a little later", "error", err)
	}
}

// heartbeats are the defined ones with what is remembered of them.
type heartbeats struct{ plane *plane }

// PingHeartbeat notes that a heartbeat is alive and ends its alert, if one fires. One that is not defined, or another
// tenant's, is a fault.NotFound. It needs the role responder.
func (h heartbeats) PingHeartbeat(ctx context.Context, who access.Principal, name string) (alerting.Ping, error) {
	p := h.plane
	beat, defined := p.definitions.Catalog().Heartbeat(name)
	if !defined {
		return alerting.Ping{}, fault.New(fault.NotFound, "there is no heartbeat %q; apply a definition of kind %s first",
			name, alerting.HeartbeatKind)
	}
	ping, err := p.db.PingHeartbeat(ctx, who, beat.Tenant, name)
	if err == nil {
		_, err = p.db.WatchHeartbeats(ctx, []alerting.Heartbeat{beat}, p.routing())
	}
	return ping, err
}

// HeartbeatStates returns the heartbeats in scope and how they stand, ordered by name.
func (h heartbeats) HeartbeatStates(ctx context.Context, scope access.Scope) ([]alerting.HeartbeatState, error) {
	pings, err := h.plane.db.HeartbeatStates(ctx, scope)
	if err != nil {
		return nil, err
	}
	last := map[[2]string]alerting.Ping{}
	for _, p := range pings {
		last[[2]string{p.Tenant, p.Name}] = p
	}
	states := []alerting.HeartbeatState{}
	for _, beat := range h.plane.definitions.Catalog().Heartbeats() {
		if scope.IsOperator() || scope.TenantName() == beat.Tenant {
			states = append(states, beat.StateAfter(last[[2]string{beat.Tenant, beat.Name}], time.Now()))
		}
	}
	return states, nil
}
