package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// Job is work that is done periodically, by one replica at a time. Pages are not sent by jobs: they have the outbox.
type Job struct {
	Name    string        // unique, such as "forget-sessions"
	Every   time.Duration // at least one second; the first run is at start
	Timeout time.Duration // of one run; a minute unless set
	Run     func(ctx context.Context) error
}

// JobObserver hears how each run ended. It must not block.
type JobObserver func(job string, err error, took time.Duration)

// Jobs runs jobs: whichever replica leads schedules them, any of them works them.
type Jobs struct {
	client *river.Client[pgx.Tx]
	pool   *pgxpool.Pool
	log    *slog.Logger
}

const (
	jobConns       = 4
	jobTimeout     = time.Minute
	jobRescue      = 15 * time.Second // beyond the longest timeout, when the process that ran a job is given up
	jobKeep        = 24 * time.Hour
	jobStopTime    = 10 * time.Second
	jobStartRetry  = time.Second
	jobMaxAttempts = 3
)

var jobLimits = limits{statement: time.Minute, lock: 10 * time.Second, idle: time.Minute}

// periodic is the one kind of job there is: its name says what to do.
type periodic struct {
	Name string `json:"name"`
}

// Kind implements river.JobArgs.
func (periodic) Kind() string { return "periodic" }

// Jobs prepares the periodic work; Run does it. Two jobs of one name, or one that makes no sense, are a fault.Internal.
func (d *DB) Jobs(ctx context.Context, jobs []Job, observe JobObserver) (*Jobs, error) {
	w := &worker{jobs: map[string]Job{}, observe: observe}
	longest := jobTimeout
	for _, j := range jobs {
		if _, again := w.jobs[j.Name]; again || j.Name == "" || j.Run == nil || j.Every < time.Second {
			return nil, fault.New(fault.Internal, "the job %q is given twice or incomplete", j.Name)
		}
		if j.Timeout <= 0 {
			j.Timeout = jobTimeout
		}
		longest = max(longest, j.Timeout)
		w.jobs[j.Name] = j
	}
	pool, err := newPool(ctx, d.config, "nines jobs", jobConns, jobLimits)
	if err != nil {
		return nil, err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: riverSchema, Workers: workers, PeriodicJobs: schedule(jobs), Logger: quieter(d.log),
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		JobTimeout: longest, RescueStuckJobsAfter: longest + jobRescue, MaxAttempts: jobMaxAttempts,
		CompletedJobRetentionPeriod: jobKeep, DiscardedJobRetentionPeriod: 7 * jobKeep,
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare periodic work: %w", err)
	}
	return &Jobs{client: client, pool: pool, log: d.log}, nil
}

// schedule makes each job due at its interval. Uniqueness within an interval keeps a change of leader, or a restart, from
// running a job twice in it.
func schedule(jobs []Job) []*river.PeriodicJob {
	due := make([]*river.PeriodicJob, 0, len(jobs))
	for _, j := range jobs {
		opts := &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByPeriod: j.Every}}
		due = append(due, river.NewPeriodicJob(
			river.PeriodicInterval(j.Every),
			func() (river.JobArgs, *river.InsertOpts) { return periodic{j.Name}, opts },
			&river.PeriodicJobOpts{ID: j.Name, RunOnStart: true},
		))
	}
	return due
}

// Run does the periodic work until ctx ends, lets what is running finish for a few seconds, and returns nil. PostgreSQL
// may be away at first and later.
func (j *Jobs) Run(ctx context.Context) error {
	defer j.pool.Close()
	for {
		err := j.client.Start(context.WithoutCancel(ctx))
		if err == nil {
			break
		}
		j.log.Warn("periodic work does not start; trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(jobStartRetry):
		}
	}
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobStopTime)
	defer cancel()
	if err := j.client.Stop(stop); err != nil && errors.Is(err, context.DeadlineExceeded) {
		_ = j.client.StopAndCancel(context.WithoutCancel(ctx))
	}
	return nil
}

// worker runs the job that is named.
type worker struct {
	river.WorkerDefaults[periodic]
	jobs    map[string]Job
	observe JobObserver
}

// Timeout implements river.Worker.
func (w *worker) Timeout(job *river.Job[periodic]) time.Duration {
	return w.jobs[job.Args.Name].Timeout // 0, the default, for one that only another version knows
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[periodic]) (err error) {
	j, known := w.jobs[job.Args.Name]
	if !known {
		return river.JobCancel(fmt.Errorf("no job is named %q here", job.Args.Name))
	}
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the job %s panicked: %v", j.Name, p)
		}
		if w.observe != nil {
			w.observe(j.Name, err, time.Since(began))
		}
	}()
	return j.Run(ctx)
}

// quieter passes on what River warns of; it says much at lower levels.
func quieter(log *slog.Logger) *slog.Logger { return slog.New(warnings{log.Handler()}) }

type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
