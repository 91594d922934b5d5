package prom_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/slo"
	"github.com/prometheus/prometheus/promql/parser"
)

var shop = slo.SLO{ID: "shop-availability", Service: "shop", Name: "availability", Interval: time.Minute, GroupBy: []string{"tenant", "region", "plan"}}

func matrix(series ...string) string { return success("matrix", "["+strings.Join(series, ",")+"]") }

func stored(name, tenant, extra string, values ...string) string {
	var points []string
	for i, v := range values {
		if v != "" {
			points = append(points, fmt.Sprintf(`[%d,%q]`, noon.Add(time.Duration(i+1)*time.Minute).Unix(), v))
		}
	}
	return fmt.Sprintf(`{"metric":{"__name__":%q,"sloth_id":"shop-availability","tenant":%q,"region":"eu","plan":"gold"%s},"values":[%s]}`,
		name, tenant, extra, strings.Join(points, ","))
}

const (
	totals = "slo:sli_total:delta1m"
	failed = "slo:sli_errors:delta1m"
)

func TestIncrementsPairTotalsAndErrors(t *testing.T) {
	t.Parallel()
	c, asked := answering(t, always(200, matrix(
		stored(failed, "acme", "", "1", "", "3"),
		stored(totals, "acme", "", "10", "20", "30"),
		stored(totals, "globex", "", "", "7"),
		stored(failed, "initech", "", "9"), // errors of no total
	)))
	got, err := c.Increments(t.Context(), shop, noon, noon.Add(5*time.Minute))
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	want := []slo.IncrementSeries{
		{Series: slo.Series{SLO: shop.ID, Tenant: "acme", Region: "eu", Group: `{"plan":"gold"}`}, Points: []slo.Increment{
			{At: at(1), Errors: 1, Total: 10}, {At: at(2), Errors: 0, Total: 20}, {At: at(3), Errors: 3, Total: 30}}},
		{Series: slo.Series{SLO: shop.ID, Tenant: "globex", Region: "eu", Group: `{"plan":"gold"}`}, Points: []slo.Increment{{At: at(2), Total: 7}}},
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
	if len(*asked) != 1 {
		t.Fatalf("want one question, got %d", len(*asked))
	}
	selector, _, _ := strings.Cut((*asked)[0].Get("query"), "[")
	matchers, err := parser.ParseMetricSelector(selector)
	if err != nil {
		t.Fatalf("asked for %s: %v", selector, err)
	}
	if want := `__name__=~"slo:sli_total:delta1m|slo:sli_errors:delta1m"`; matchers[0].String() != want || !strings.Contains(selector, `sloth_id="shop-availability"`) {
		t.Errorf("asked for %s", selector)
	}
}

func TestIncrementsFollowAChangeOfOtherLabels(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, always(200, matrix(
		stored(totals, "acme", `,"sloth_service":"old"`, "1", "2"),
		stored(totals, "acme", `,"sloth_service":"new"`, "", "", "3"),
	)))
	got, err := c.Increments(t.Context(), shop, noon, noon.Add(5*time.Minute))
	if err != nil || len(got) != 1 || len(got[0].Points) != 3 || got[0].Points[2].Total != 3 {
		t.Errorf("want one series of three increments, got %v, %v", got, err)
	}
}

func TestIncrementsRecordedTwiceAreRefused(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, always(200, matrix(
		stored(totals, "acme", `,"replica":"a"`, "1", "2", "3"),
		stored(totals, "acme", `,"replica":"b"`, "", "2"),
	)))
	_, err := c.Increments(t.Context(), shop, noon, noon.Add(5*time.Minute))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `replica"="b"`) {
		t.Errorf("want invalid naming the labels, got %v", err)
	}
}

func TestIncrementsOfADayAtOneSecondComeInParts(t *testing.T) {
	t.Parallel()
	fast := shop
	fast.Interval = time.Second
	c, asked := answering(t, func(url.Values) (int, string) { return 200, matrix() })
	if _, err := c.Increments(t.Context(), fast, noon, noon.Add(time.Hour)); err != nil || len(*asked) != 2 {
		t.Errorf("want 2 questions, got %d: %v", len(*asked), err)
	}
}

func TestRecountAsksForEachRunOfTimes(t *testing.T) {
	t.Parallel()
	s := shop
	s.SLI = slo.SLI{ErrorQuery: `e_total{job="shop"}`, TotalQuery: `t_total{job="shop"}`}
	s.Objective = 99.9
	at := func(i int) time.Time { return noon.Add(time.Duration(i) * time.Minute) }
	c, asked := answering(t, func(form url.Values) (int, string) {
		if strings.Contains(form.Get("query"), "e_total") {
			return 200, matrix(fmt.Sprintf(`{"metric":{"tenant":"acme","region":"eu","plan":"gold"},"values":[[%d,"2"]]}`, at(1).Unix()))
		}
		return 200, matrix(fmt.Sprintf(`{"metric":{"tenant":"acme","region":"eu","plan":"gold"},"values":[[%s,"10"]]}`, form.Get("start")))
	})
	got, err := c.Recount(t.Context(), s, []time.Time{at(1), at(2), at(5)})
	want := []slo.IncrementSeries{{Series: slo.Series{SLO: shop.ID, Tenant: "acme", Region: "eu", Group: `{"plan":"gold"}`}, Points: []slo.Increment{
		{At: at(1), Errors: 2, Total: 10}, {At: at(5), Total: 10}}}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v %s", err, cmp.Diff(want, got))
	}
	if len(*asked) != 4 || (*asked)[0].Get("start") != (*asked)[1].Get("start") || (*asked)[0].Get("end") == (*asked)[0].Get("start") {
		t.Errorf("want a question for totals and errors of each of two runs, got %v", *asked)
	}
}
