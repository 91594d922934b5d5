package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/internal/access"
)

// ForecastFilter chooses kept forecasts. What is zero does not restrict.
type ForecastFilter struct {
	ID      string
	Subject string        // a workload
	Query   string        // exactly so written
	Step    time.Duration // of the grid
	Judged  bool          // only those that have a score
	Limit   int           // 1 to 500; 50 unless set
}

const forecastColumns = `id::text, made_at, made_by, subject, query, labels, inputs, forecast, due_at, score`

const keepForecastSQL = `
insert into forecasts (id, made_at, made_by, subject, query, step, labels, inputs, forecast, due_at)
values (@id, @at, @by, @subject, @query, @step, @labels, @inputs, @forecast, @due)`

// KeepForecast stores a forecast with what it was made from, and returns its ID.
func (d *DB) KeepForecast(ctx context.Context, k forecast.Kept) (string, error) {
	k.ID = uuid.NewString()
	if k.Labels == nil {
		k.Labels = map[string]string{}
	}
	args := pgx.NamedArgs{"id": k.ID, "at": k.At, "by": k.By, "subject": k.Subject, "query": k.Query, "step": int64(k.Inputs.Step),
		"labels": k.Labels, "inputs": k.Inputs, "forecast": k.Forecast, "due": k.Due}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, keepForecastSQL, args)
		return err
	})
	return k.ID, explain(ctx, err, "keep a forecast")
}

const forecastsSQL = `
select ` + forecastColumns + `
from forecasts
where (@id = '' or id = nullif(@id, '')::uuid)
    and (@subject = '' or subject = @subject)
    and (@query = '' or md5(query) = md5(@query) and query = @query)
    and (@step::bigint = 0 or step = @step)
    and (not @judged or score is not null)
order by made_at desc, id
limit @most`

// Forecasts returns kept forecasts, the newest first. They are the operator's: a tenant has none.
func (d *DB) Forecasts(ctx context.Context, scope access.Scope, f ForecastFilter) ([]forecast.Kept, error) {
	args := pgx.NamedArgs{"id": f.ID, "subject": f.Subject, "query": f.Query, "step": int64(f.Step), "judged": f.Judged, "most": clamp(f.Limit, 50, 500)}
	found, err := read(ctx, d.api, scope, forecastsSQL, args, scanForecast)
	return found, explain(ctx, err, "read forecasts")
}

const dueForecastsSQL = `
select ` + forecastColumns + `
from forecasts
where judged_at is null and due_at <= @now
order by due_at, id
limit @most`

// DueForecasts returns forecasts whose time has come and that have not been judged, those due longest first.
func (d *DB) DueForecasts(ctx context.Context, now time.Time, most int) ([]forecast.Kept, error) {
	found, err := read(ctx, d.api, access.Operator(), dueForecastsSQL, pgx.NamedArgs{"now": now, "most": most}, scanForecast)
	return found, explain(ctx, err, "read forecasts that are due")
}

const judgeForecastSQL = `
update forecasts
set judged_at = @at, score = @score
where id = @id and judged_at is null`

// JudgeForecast stores how a forecast came out, once; nil where nothing of what came was to be seen.
func (d *DB) JudgeForecast(ctx context.Context, id string, at time.Time, score *forecast.Score) error {
	args := pgx.NamedArgs{"id": id, "at": at, "score": score}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, judgeForecastSQL, args)
		return err
	})
	return explain(ctx, err, "judge a forecast")
}

// mostTries is how often a forecast whose query fails is asked about before it is given up: a query that has become wrong
// would be asked for ever.
const mostTries = 5

const putOffForecastSQL = `
update forecasts
set tries = tries + 1, due_at = @again, judged_at = case when tries + 1 >= @most then @at::timestamptz end
where id = @id and judged_at is null`

// PutOffForecast has a forecast judged later, because what came could not be asked for. After some tries it is given up.
func (d *DB) PutOffForecast(ctx context.Context, id string, at, again time.Time) error {
	args := pgx.NamedArgs{"id": id, "at": at, "again": again, "most": mostTries}
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		_, err := tx.Exec(ctx, putOffForecastSQL, args)
		return err
	})
	return explain(ctx, err, "put off judging a forecast")
}

// ForecastAccuracy is how the last forecasts of a subject came out, as means over them.
type ForecastAccuracy struct {
	Subject   string // a workload, or "" for people's questions
	Forecasts int    // judged ones that it is over
	Ratio     *float64
	Within    float64
	Level     float64
	Bias      float64 // over the mean absolute error, -1..1
}

const forecastAccuracySQL = `
select subject, count(*)::int,
    sum((score ->> 'error')::float8) / nullif(sum((score ->> 'naive')::float8), 0),
    avg((score ->> 'within')::float8), avg((inputs ->> 'level')::float8),
    coalesce(sum((score ->> 'bias')::float8) / nullif(sum((score ->> 'error')::float8), 0), 0)
from (
    select subject, score, inputs, row_number() over (partition by subject order by made_at desc) as place
    from forecasts
    where score is not null and made_at > @since
) as judged
where place <= @most
group by subject
order by subject`

// ForecastAccuracy returns how the last forecasts of each subject came out: of the newest most of each that were made after
// since.
func (d *DB) ForecastAccuracy(ctx context.Context, since time.Time, most int) ([]ForecastAccuracy, error) {
	args := pgx.NamedArgs{"since": since, "most": most}
	found, err := read(ctx, d.api, access.Operator(), forecastAccuracySQL, args, pgx.RowToStructByPos[ForecastAccuracy])
	return found, explain(ctx, err, "read how forecasts came out")
}

const forgetForecastsSQL = `
delete from forecasts where (tenant_id, id) in (select tenant_id, id from forecasts where made_at < @before limit @most)`

// ForgetForecasts removes forecasts made before a time, at most so many, and returns how many.
func (d *DB) ForgetForecasts(ctx context.Context, before time.Time, most int) (int, error) {
	gone := 0
	err := d.api.change(ctx, access.Operator(), func(ctx context.Context, tx querier, _ time.Time) error {
		tag, err := tx.Exec(ctx, forgetForecastsSQL, pgx.NamedArgs{"before": before, "most": most})
		gone = int(tag.RowsAffected())
		return err
	})
	return gone, explain(ctx, err, "forget old forecasts")
}

func scanForecast(row pgx.CollectableRow) (forecast.Kept, error) {
	var k forecast.Kept
	err := row.Scan(&k.ID, &k.At, &k.By, &k.Subject, &k.Query, &k.Labels, &k.Inputs, &k.Forecast, &k.Due, &k.Score)
	k.At, k.Due = k.At.UTC(), k.Due.UTC()
	return k, err
}
