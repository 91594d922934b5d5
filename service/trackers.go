package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/incidents/track"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/definitions"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/service/postgres"
	"github.com/nines-sre/nines/service/telemetry"
)

const (
	jobTrackers   = "sync-trackers"
	trackersEvery = 2 * time.Second
	syncsOnce     = 20

	jobTrackerLag   = "count-tracker-lag"
	trackerLagEvery = 30 * time.Second

	syncLease = 3 * time.Minute // longer than all calls of one sync together
	syncTime  = 2 * time.Minute

	lookOpen    = 5 * time.Minute // how soon a change over there is heard of, of what is open here
	lookClosed  = time.Hour       // and of what is closed, for lookFor
	lookFor     = 30 * 24 * time.Hour
	syncRetry   = 30 * time.Second // doubled after each failure, to an hour
	syncRefused = time.Hour        // where trying again helps only once somebody has mended something
)

// trackers keeps action items in the trackers that definitions name, and hears what becomes of them there. Any replica may.
type trackers struct {
	store     syncStore
	catalog   func() *definitions.Catalog
	secrets   string
	transport http.RoundTripper
	baseURL   string
	now       func() time.Time
	rests     *rests
}

// rests are the trackers that asked to be left alone, and until when. It is safe for concurrent use.
type rests struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// left is how long a tracker is still to be left alone; 0 is no longer.
func (r *rests) left(name string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.until[name].Sub(now), 0)
}

// heed keeps what a tracker asked for; a shorter wish does not end a longer one.
func (r *rests) heed(name string, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if until.After(r.until[name]) {
		if r.until == nil {
			r.until = map[string]time.Time{}
		}
		r.until[name] = until
	}
}

type syncStore interface {
	DueSyncs(ctx context.Context, most int, lease time.Duration) ([]postgres.DueSync, error)
	FinishSync(ctx context.Context, s postgres.DueSync, r postgres.Synced) error
}

func (p *plane) trackers() trackers {
	return trackers{store: p.db, catalog: p.definitions.Catalog, secrets: p.secretDir(), transport: notify.NewTransport(),
		baseURL: strings.TrimRight(p.config.PublicURL(), "/"), now: time.Now, rests: &rests{}}
}

// countTrackers counts what trackers are behind with; each replica counts for itself.
func (p *plane) countTrackers() func(context.Context) error {
	var failing, lag atomic.Int64
	telemetry.Watch(p.telemetry.Registry, "nines_tracker_items_failing", "Action items whose tracker was not told at the last try.",
		func() float64 { return float64(failing.Load()) })
	telemetry.Watch(p.telemetry.Registry, "nines_tracker_lag_seconds",
		"For how long the action item that waits longest is due to be told to its tracker.",
		func() float64 { return time.Duration(lag.Load()).Seconds() })
	return func(ctx context.Context) error {
		n, behind, err := p.db.TrackerStanding(ctx)
		if err == nil {
			failing.Store(int64(n))
			lag.Store(int64(behind))
		}
		return err
	}
}

// run tells what is due. The failure of one item holds back no other.
func (t trackers) run(ctx context.Context) error {
	for {
		due, err := t.store.DueSyncs(ctx, syncsOnce, syncLease)
		if err != nil {
			return err
		}
		errs := make([]error, len(due))
		var wait sync.WaitGroup
		for n, s := range due {
			wait.Go(func() {
				limited, cancel := context.WithTimeout(ctx, syncTime)
				defer cancel()
				errs[n] = t.store.FinishSync(context.WithoutCancel(ctx), s, t.sync(limited, s))
			})
		}
		wait.Wait()
		if err := errors.Join(errs...); err != nil || len(due) < syncsOnce || ctx.Err() != nil {
			return err
		}
	}
}

// sync tells one item to its tracker, and says how that ended.
func (t trackers) sync(ctx context.Context, s postgres.DueSync) postgres.Synced {
	out := postgres.Synced{Key: s.TrackerKey, URL: s.TrackerURL}
	d, ok := t.catalog().Tracker(s.Tracker)
	if !ok {
		return t.failed(s, out, fault.New(fault.Invalid, "there is no tracker named %q; define it, or name another", s.Tracker))
	}
	if rest := t.rests.left(s.Tracker, t.now()); rest > 0 { // one refusal stands for all: asking on makes it longer
		return t.failed(s, out, &fault.Error{Kind: fault.Limited, Message: s.Tracker + " asked to be left alone for a while", RetryAfter: rest})
	}
	tr := d.New(t.secrets, t.transport)
	ticket, err := t.ticket(ctx, tr, s)
	if err != nil {
		return t.failed(s, out, err)
	}
	out.Key, out.URL = ticket.Key, ticket.URL
	can := tr.Features()
	ours := can.Fit(track.FieldsOf(s.ActionItem))
	tell, take := track.Merge(s.Agreed, ours, ticket.Fields, can)
	theirs := take.Edit(s.ActionItem, d.Name)
	if theirs != nil {
		if _, err := s.Apply(*theirs, t.now()); err != nil {
			return t.failed(s, out, fault.New(fault.Invalid, "what %s says of %s cannot be taken over: %s",
				d.Name, ticket.Key, fault.Public(err).Message))
		}
	}
	if !tell.Empty() {
		if err := tr.Update(ctx, ticket.Key, tell); err != nil {
			return t.failed(s, out, err)
		}
	}
	agreed := ours.With(take)
	out.Theirs, out.Told, out.Agreed, out.Again = theirs, &ours, &agreed, t.lookAgain(s, agreed)
	out.Overrule = track.Conflicts(s.Agreed, ours, ticket.Fields, can)
	return out
}

// ticket returns the item's ticket as it is, and makes it where there is none yet.
func (t trackers) ticket(ctx context.Context, tr track.Tracker, s postgres.DueSync) (track.Ticket, error) {
	if s.TrackerKey != "" {
		found, err := tr.Read(ctx, s.TrackerKey)
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.NotFound, "%s has no ticket %s any more, or does not show it; name another, or the tracker anew", s.Tracker, s.TrackerKey)
		}
		return found, err
	}
	item := track.Item{ID: s.ID, Fields: tr.Features().Fit(track.FieldsOf(s.ActionItem)), Text: t.words(s.ActionItem), Owner: s.Owner, CreatedAt: s.CreatedAt}
	if found, ok, err := tr.Find(ctx, item); ok || err != nil {
		return found, err
	}
	return tr.Create(ctx, item)
}

// words are what a ticket is about.
func (t trackers) words(a incidents.ActionItem) string {
	text := fmt.Sprintf("Action item %d, agreed on in a postmortem, to %s.", a.Number, map[incidents.ActionKind]string{
		incidents.Prevent: "keep it from happening again", incidents.Detect: "notice it sooner", incidents.Mitigate: "make it hurt less",
		incidents.Process: "work better together"}[a.Kind])
	if t.baseURL != "" {
		text += fmt.Sprintf("\n%s/postmortems/%s", t.baseURL, a.Postmortem)
		if a.Incident != "" {
			text += fmt.Sprintf("\n%s/incidents/%s", t.baseURL, a.Incident)
		}
	}
	return text
}

// lookAgain is when the tracker is asked next: often while there is something to hear, and not for ever.
func (t trackers) lookAgain(s postgres.DueSync, agreed track.Fields) time.Duration {
	switch {
	case agreed.State == incidents.ActionOpen:
		return lookOpen
	case s.ClosedAt != nil && t.now().Sub(*s.ClosedAt) > lookFor:
		return 10 * lookFor
	}
	return lookClosed
}

func (t trackers) failed(s postgres.DueSync, out postgres.Synced, err error) postgres.Synced {
	out.Error, out.Again = fault.Public(err).Message, syncRefused
	switch wait := track.RetryAfter(err); {
	case fault.Is(err, fault.Limited) && wait > 0:
		t.rests.heed(s.Tracker, t.now().Add(wait))
	case fault.Is(err, fault.Timeout): // its other items would take as long, and those of other trackers wait for them
		t.rests.heed(s.Tracker, t.now().Add(time.Minute))
	}
	if track.Transient(err) {
		out.Again = max(track.RetryAfter(err), min(syncRetry<<min(s.Tries, 7), time.Hour))
	}
	return out
}

// trackerDesk shows trackers and tries them.
type trackerDesk struct {
	*postgres.DB
	plane *plane
}

// Trackers returns the trackers that are defined, with how many items they keep and how many they were not told.
func (d trackerDesk) Trackers(ctx context.Context, who access.Principal) ([]httpapi.TrackerState, error) {
	counts, err := d.plane.db.TrackerCounts(ctx, who)
	var out []httpapi.TrackerState
	for _, t := range d.plane.definitions.Catalog().Trackers() {
		c := counts[t.Name]
		out = append(out, httpapi.TrackerState{Name: t.Name, Vendor: t.Vendor, Place: t.Place, Services: t.Services, Default: t.Default,
			Items: c.Items, Open: c.Open, Failing: c.Failing, Error: c.Error, SyncedAt: c.Synced, LagSeconds: c.Lag})
	}
	return out, err
}

// TestTracker tries whether a tracker lets us in. It needs the role editor among the operator's people.
func (d trackerDesk) TestTracker(ctx context.Context, who access.Principal, name string) (place string, err error) {
	if err := who.Require(access.Editor); err != nil {
		return "", err
	}
	def, ok := d.plane.definitions.Catalog().Tracker(name)
	if !ok {
		return "", fault.New(fault.NotFound, "there is no tracker named %q", name)
	}
	place, err = def.New(d.plane.secretDir(), notify.NewTransport()).Check(ctx)
	if err != nil && !fault.Is(err, fault.Timeout) { // what the tracker says is for who tries it, whatever its kind
		err = fault.New(fault.Invalid, "%s", fault.Public(err).Message)
	}
	return place, err
}
