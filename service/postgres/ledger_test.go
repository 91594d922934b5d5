package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/slo"
)

var epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func bucket(tenant, region, group string, at int, good float64) slo.Bucket {
	return slo.Bucket{
		Series: slo.Series{SLO: "shop", Tenant: tenant, Region: region, Group: group}, Start: epoch.Add(time.Duration(at) * 5 * time.Minute),
		Width: 5 * time.Minute, Counts: slo.Counts{Good: good, Total: 100}, Seen: 5, Expect: 5, Version: 1,
	}
}

func TestWritingBucketsAgainChangesNothing(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	if got := must(db.ClosedUntil(ctx, "shop"))(t); !got.IsZero() {
		t.Errorf("before anything it is closed until %v", got)
	}
	buckets := []slo.Bucket{
		bucket("", "", "{}", 0, 97), bucket("acme", "eu", "{}", 0, 99), bucket("acme", "eu", `{"path":"/"}`, 0, 98),
		bucket("acme", "us", "{}", 0, 96), bucket("acme", "eu", "{}", 1, 100),
	}
	until := epoch.Add(10 * time.Minute)
	for range 3 {
		if err := db.PutBuckets(ctx, "shop", until, buckets); err != nil {
			t.Fatal(err)
		}
	}
	got := must(db.Buckets(ctx, access.Operator(), "shop", "", epoch, until))(t)
	want := []slo.Bucket{buckets[0], buckets[2], buckets[1], buckets[3], buckets[4]} // "{\"..." comes before "{}"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := value[int](t, conn, "select count(distinct xmin::text)::int from ledger"); n != 1 {
		t.Errorf("rows were written in %d transactions, want the first alone", n)
	}
	if got := must(db.ClosedUntil(ctx, "shop"))(t); !got.Equal(until) {
		t.Errorf("closed until %v", got)
	}
	if err := db.PutBuckets(ctx, "shop", epoch, []slo.Bucket{bucket("acme", "eu", "{}", 0, 42), bucket("acme", "eu", "{}", 0, 50)}); err != nil {
		t.Fatal(err)
	}
	if got := must(db.ClosedUntil(ctx, "shop"))(t); !got.Equal(until) {
		t.Errorf("a late copier moved it back to %v", got)
	}
	if got := must(db.Buckets(ctx, access.Operator(), "shop", "acme", epoch, epoch.Add(time.Second)))(t); got[1].Good != 50 {
		t.Errorf("of two for one place the last counts, got %v", got[1].Good)
	}
}

func TestTwoCopiersAtOnceEndAlike(t *testing.T) {
	t.Parallel()
	db, conn := openBoth(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 5 {
				buckets := []slo.Bucket{bucket("acme", "eu", "{}", n, 90), bucket("globex", "us", "{}", n, 91)}
				if w%2 == 1 { // in another order
					buckets[0], buckets[1] = buckets[1], buckets[0]
				}
				if err := db.PutBuckets(ctx, "shop", epoch.Add(time.Duration(n+1)*5*time.Minute), buckets); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := value[int](t, conn, "select count(*)::int from ledger"); n != 10 {
		t.Errorf("%d buckets, want 10", n)
	}
}

func TestLongLabelsAreNoTrouble(t *testing.T) {
	t.Parallel()
	db := open(t)
	long := strings.Repeat("región-", 2000)
	if err := db.PutBuckets(context.Background(), "shop", epoch.Add(5*time.Minute), one(bucket("acme", long, "{}", 0, 1))); err != nil {
		t.Error(err)
	}
}

func TestAMonthOfBucketsIsWrittenAtOnce(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := context.Background()
	var buckets []slo.Bucket
	for n := range 8640 {
		buckets = append(buckets, bucket("acme", "eu", "{}", n, 99))
	}
	if err := db.PutBuckets(ctx, "shop", epoch.Add(30*24*time.Hour), buckets); err != nil {
		t.Fatal(err)
	}
	if got := must(db.Buckets(ctx, access.Tenant("acme"), "", "", epoch, epoch.Add(30*24*time.Hour)))(t); len(got) != 8640 {
		t.Errorf("%d buckets", len(got))
	}
}
