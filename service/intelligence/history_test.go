package intelligence

import (
	"math"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"pgregory.net/rapid"
)

func TestTheBurnDownEndsAtTheStatus(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	w.fill(shop, "acme", "us", ago(3*time.Hour), ago(2*time.Hour), 20, 1000)
	w.goLive(shop, "acme", ago(2*time.Minute), now, 3, 10)
	s := w.service()
	status := must[StatusAnswer](t)(s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID, Tenant: "acme"})).Statuses[0]
	for _, n := range []int{2, 7, 100, 720} {
		points := must[slo.BurnedDown](t)(s.BurnDown(bg, operator, shop.SLO.ID, "acme", n)).Points
		if len(points) == 0 || len(points) > n {
			t.Fatalf("%d points, at most %d wanted", len(points), n)
		}
		last := points[len(points)-1]
		if !near(last.Remaining, status.Remaining) || !last.At.Equal(now) {
			t.Errorf("%d points end at %v with %v left; the status says %v", n, last.At, last.Remaining, status.Remaining)
		}
		var errors, total float64
		for i, p := range points {
			errors, total = errors+p.Errors, total+p.Total
			if i > 0 && (p.Remaining > points[i-1].Remaining || !p.At.After(points[i-1].At)) {
				t.Errorf("%d points: %v after %v", n, p, points[i-1])
			}
		}
		if !near(errors, status.Counts.Errors()) || !near(total, status.Counts.Total) {
			t.Errorf("%d points add up to %v of %v, want %+v", n, errors, total, status.Counts)
		}
	}
}

func TestAGapInTheLedgerIsAGap(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.closed[shop.SLO.ID] = now
	w.fill(shop, "acme", "eu", ago(4*time.Hour), ago(3*time.Hour), 1, 1000)
	w.fill(shop, "acme", "eu", ago(time.Hour), now, 0, 1000)
	points := must[[]BurnPoint](t)(w.service().History(bg, operator, shop.SLO.ID, "acme", Span{ago(4 * time.Hour), now, 49}))
	if len(points) != 24 {
		t.Fatalf("%d points, want 24 five-minute ones", len(points))
	}
	if gap := points[12].At.Sub(points[11].At); gap != 2*time.Hour+width {
		t.Errorf("the gap is %v", gap)
	}
	for i, p := range points {
		if p.Step != width || (i < 12) != (p.Burn > 0) || i < 12 && !near(p.Burn, 1) {
			t.Errorf("point %d: %+v", i, p)
		}
	}
	if !near(points[23].Remaining, 1-12/(0.001*24000)) {
		t.Errorf("%v left at the end", points[23].Remaining)
	}
}

func TestAHistoryKeepsToItsSpanAndAsker(t *testing.T) {
	t.Parallel()
	w := twoCustomers()
	s := w.service()
	points := must[[]BurnPoint](t)(s.History(bg, acme, shop.SLO.ID, "", Span{ago(time.Hour), now.Add(time.Hour), 13}))
	var total float64
	for _, p := range points {
		total += p.Total
		if p.At.After(now) || !p.At.After(ago(time.Hour)) {
			t.Errorf("a point at %v", p.At)
		}
	}
	if total != 12*1000 {
		t.Errorf("acme's hour has %v requests, want its own 12000", total)
	}
	before := must[[]BurnPoint](t)(s.History(bg, operator, shop.SLO.ID, "acme", Span{ago(31 * 24 * time.Hour), now, 100}))
	if len(before) == 0 {
		t.Error("a span longer than the window is empty")
	}
	for name, ask := range map[string]func() error{
		"another tenant's": func() error { _, err := s.BurnDown(bg, acme, shop.SLO.ID, "globex", 10); return err },
		"a shared one":     func() error { _, err := s.BurnDown(bg, acme, api.SLO.ID, "", 10); return err },
		"an unknown one":   func() error { _, err := s.BurnDown(bg, operator, "nope", "", 10); return err },
	} {
		if err := ask(); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, span := range map[string]Span{
		"no points": {ago(time.Hour), now, 0}, "too many": {ago(time.Hour), now, 1 << 30}, "backwards": {now, ago(time.Hour), 10},
		"all ahead": {now.Add(time.Hour), now.Add(2 * time.Hour), 10},
	} {
		if _, err := s.History(bg, operator, shop.SLO.ID, "", span); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// However the span is cut into points, no event is lost or counted twice, and no number is unfit for JSON.
func TestNoEventIsLostBetweenPoints(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		closed := ago(time.Duration(rapid.IntRange(0, 24).Draw(t, "closed")) * width)
		w.closed[shop.SLO.ID] = closed
		for at := ago(6 * time.Hour); at.Before(closed); at = at.Add(width) {
			if total := float64(rapid.IntRange(0, 50).Draw(t, "total")); total > 10 {
				w.fill(shop, "acme", "eu", at, at.Add(width), float64(rapid.IntRange(0, int(total)).Draw(t, "errors")), total)
			}
		}
		w.goLive(shop, "acme", closed, now, 1, 3)
		s := w.service()
		down, err := s.BurnDown(bg, operator, shop.SLO.ID, "acme", rapid.IntRange(2, 300).Draw(t, "points"))
		if err != nil {
			t.Fatal(err)
		}
		points := down.Points
		var errors, total float64
		for _, p := range points {
			errors, total = errors+p.Errors, total+p.Total
			if math.IsNaN(p.Remaining) || math.IsNaN(p.Burn) || math.IsInf(p.Burn, 0) {
				t.Fatalf("%+v", p)
			}
		}
		statuses, err := s.Statuses(bg, operator, StatusFilter{SLO: shop.SLO.ID})
		if err != nil {
			t.Fatal(err)
		}
		want := statuses.Statuses[0]
		if !near(errors, want.Counts.Errors()) || !near(total, want.Counts.Total) {
			t.Fatalf("points have %v of %v, the status %+v", errors, total, want.Counts)
		}
		if len(points) > 0 && want.Traffic && math.Abs(points[len(points)-1].Remaining-want.Remaining) > 1e-6 {
			t.Fatalf("ends with %v left, the status says %v", points[len(points)-1].Remaining, want.Remaining)
		}
	})
}
