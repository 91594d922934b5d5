//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/capacity/forecast"
	"github.com/nines-sre/nines/service/httpapi"
)

// A forecast of a live series is kept, and compared with what came once its time has come; then the metrics tell of it.
func TestAForecastIsMadeKeptAndJudged(t *testing.T) {
	t.Parallel()
	shop := startShop(t, 20)
	w := startPaging(t, planeOptions{scrape: strings.ReplaceAll(scrapeShop, "SHOP", shop.listen)})
	const query = "sum(scrape_samples_scraped)"
	var made httpapi.ForecastAnswer
	eventually(t, 90*time.Second, "there is enough history for a forecast", func() error {
		status, raw, _ := w.call(http.MethodGet, "/api/v1/capacity/forecast?query="+query+"&step=1s&history=2m&horizon=5s&limit=1e9", nil)
		if status != http.StatusOK {
			return fmt.Errorf("%d %s", status, raw)
		}
		return json.Unmarshal(raw, &made)
	})
	if s := made.Series[0]; made.ID == "" || len(s.Points) != 5 || len(s.Models) == 0 || s.Reached == nil || s.Reached.Mean != nil || len(s.Observed) == 0 {
		t.Fatalf("%+v", made)
	}
	if out := w.cli("capacity", "forecast", query, "--step", "1s", "--history", "2m", "--horizon", "5s", "--explain"); !strings.Contains(out, "MODEL") {
		t.Errorf("the command line says\n%s", out)
	}
	eventually(t, 3*time.Minute, "the forecast is judged", func() error {
		_, raw, _ := w.call(http.MethodGet, "/api/v1/capacity/forecasts?judged=true&id="+made.ID, nil)
		var body struct {
			Forecasts []forecast.Kept `json:"forecasts"`
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			return err
		}
		if len(body.Forecasts) != 1 || body.Forecasts[0].Score == nil || body.Forecasts[0].Score.Seen == 0 {
			return fmt.Errorf("%s", raw)
		}
		return nil
	})
	if out := w.cli("capacity", "forecasts", "--judged"); !strings.Contains(out, query) {
		t.Errorf("the list says\n%s", out)
	}
	eventually(t, 2*time.Minute, "the metrics tell how forecasts came out", func() error {
		_, raw, _ := w.call(http.MethodGet, "/prometheus/api/v1/query?query=nines_forecast_within_ratio", nil)
		if !strings.Contains(string(raw), `"subject":"questions"`) {
			return errors.New(string(raw))
		}
		return nil
	})
}
