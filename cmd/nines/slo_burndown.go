package main

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

// burndownBody is what the API answers.
type burndownBody struct {
	SLO        string              `json:"slo"`
	Tenant     string              `json:"tenant"`
	Points     []httpapi.BurnPoint `json:"points"`
	Prediction slo.Prediction      `json:"prediction"`
}

func (a *cli) sloBurndown() *cobra.Command {
	var id, tenant, svg string
	var ascii bool
	c := &cobra.Command{
		Use: "burndown --slo ID", Short: "A promise's budget over its window, and where it is going", Args: args(cobra.NoArgs),
		Long: "Draw what was left of the error budget over the window in force, and what is likely left until its end: the 10th to\n" +
			"90th percentile and the median of futures made of the promise's own history.",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"points": {strconv.Itoa(svgPoints)}}
			if tenant != "" {
				query.Set("tenant", tenant)
			}
			var body burndownBody
			if err := api.get(c.Context(), "/slos/"+url.PathEscape(id)+"/burndown", query, &body); err != nil {
				return err
			}
			if svg != "" {
				if err := os.WriteFile(svg, []byte(body.svg()), 0o644); err != nil {
					return fault.Wrap(fault.Invalid, err, "write the drawing")
				}
			}
			return a.show(body, func() { a.printBurndown(body, ascii, svg) })
		},
	}
	f := c.Flags()
	f.StringVar(&id, "slo", "", "the SLO")
	f.StringVar(&tenant, "tenant", "", "only this tenant's budget")
	f.StringVar(&svg, "svg", "", "file to draw to")
	f.BoolVar(&ascii, "ascii", false, "draw with plain characters")
	needs(c, "slo")
	return c
}

func (a *cli) printBurndown(b burndownBody, ascii bool, svg string) {
	whose := ""
	if b.Tenant != "" {
		whose = " for " + b.Tenant
	}
	a.printf("%s%s: error budget left\n\n", printable(b.SLO), printable(whose))
	if len(b.Points) == 0 {
		a.printf("Nothing was seen in the window.\n")
	} else {
		wide := width(a.out)
		if wide == 0 {
			wide = plainWidth
		}
		a.printf("%s\n", b.chart().text(wide, ascii))
	}
	a.printf("%s\n", outlookText(b.Prediction))
	if svg != "" {
		a.printf("Drawn to %s\n", printable(svg))
	}
}

// outlookText says whether a budget lasts, and what that rests on.
func outlookText(p slo.Prediction) string {
	if !p.Enough {
		return "Whether the budget lasts cannot be told yet. " + p.Why
	}
	until := p.Until.UTC().Format("2 Jan 15:04 UTC")
	said := fmt.Sprintf("At the burn of the last %s it lasts until %s with %s probability", days(p.Hours), until, slo.Prediction{Probability: 1 - p.Probability}.Chance())
	if gone := p.IfGone; !gone.P10.IsZero() {
		said += fmt.Sprintf(";\nif not, it is gone between %s and %s, most likely about %s", clock(gone.P10), clock(gone.P90), clock(gone.P50))
	}
	said += fmt.Sprintf(".\nThen %s to %s of it is left, four times in five.", signed(p.Left.P10), signed(p.Left.P90))
	if p.Burning {
		said += "\nA burn is under way; it is taken to go on for as long as earlier ones did."
	}
	return said
}

func days(hours int) string {
	if hours < 48 {
		return fmt.Sprintf("%d hours", hours)
	}
	return fmt.Sprintf("%d days", hours/24)
}

// signed writes a share that may be negative, in whole per cent.
func signed(share float64) string {
	return fmt.Sprintf("%.0f %%", math.Round(100*share)+0)
}

// goneBy says when the budget is gone: the median and the interval of those futures in which it is, and how likely that
// is; in a short form where the terminal is narrow. Without a prediction it is the time at the present burn.
func goneBy(s slo.Status, now time.Time, wide int) string {
	p := s.Prediction
	switch {
	case !s.Traffic, s.Remaining <= 0, p == nil, !p.Enough, p.Probability >= 0.1 && p.IfGone.P50.IsZero():
		return exhausted(s)
	case p.Probability < 0.1:
		return "lasts, " + slo.Prediction{Probability: 1 - p.Probability}.Chance()
	}
	middle, end := "2 Jan", "2 Jan"
	if p.IfGone.P90.Sub(now) < 6*24*time.Hour {
		middle, end = "Mon 15:04", "Mon"
	}
	at := p.IfGone.P50.UTC().Format(middle)
	if wide > 0 && wide < 110 {
		return at + ", " + p.Chance()
	}
	from, to := p.IfGone.P10.UTC().Format(end), p.IfGone.P90.UTC().Format(end)
	if from == to {
		return at + ", " + p.Chance()
	}
	return fmt.Sprintf("%s (%s - %s), %s", at, from, to, p.Chance())
}
