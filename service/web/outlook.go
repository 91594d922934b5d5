package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nines-sre/nines/slo"
)

// unlikely is the probability below which a budget is said to last.
const unlikely = 0.1

// goneText says when the budget is gone: by the prediction where there is one, else at the present speed.
func goneText(st slo.Status, now time.Time) string {
	p := st.Prediction
	switch {
	case st.Remaining <= 0 || p == nil || !p.Enough:
		return exhaustedText(st, now)
	case p.Probability < unlikely:
		return "lasts the window"
	case p.IfGone.P10.IsZero():
		return exhaustedText(st, now)
	case p.IfGone.P90.Sub(p.IfGone.P10) < time.Hour:
		return "in " + spanText(p.IfGone.P50.Sub(now))
	}
	first := coarse(p.IfGone.P10.Sub(now))
	if first != "now" {
		first = "in " + first
	}
	return first + " to " + coarse(p.IfGone.P90.Sub(now))
}

// coarse writes a duration ahead in its largest unit.
func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return rounded(d, time.Minute, "min")
	case d < 48*time.Hour:
		return rounded(d, time.Hour, "h")
	}
	return rounded(d, 24*time.Hour, "d")
}

func rounded(d, unit time.Duration, name string) string {
	return fmt.Sprintf("%.0f%s%s", math.Round(float64(d)/float64(unit)), thin, name)
}

// goneNote says what goneText rests on.
func goneNote(st slo.Status) string {
	p := st.Prediction
	var speed string
	if st.Traffic && !st.Exhausted.IsZero() && st.Remaining > 0 {
		speed = "at this speed " + st.Exhausted.UTC().Format("2 Jan 15:04")
	}
	switch {
	case !st.Traffic || st.Remaining <= 0 && !st.Exhausted.IsZero():
		return speed
	case p == nil:
		return orText(speed, "at this speed")
	case !p.Enough:
		return orText(speed, "at this speed") + "; too little history to predict"
	case speed == "":
		return "with " + chanceText(*p) + " probability"
	case p.Probability < unlikely:
		return "most likely; " + speed
	}
	return "with " + chanceText(*p) + " probability; " + speed
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// chanceText is how likely what goneText says is.
func chanceText(p slo.Prediction) string {
	if p.Probability < unlikely {
		p.Probability = 1 - p.Probability
	}
	return strings.ReplaceAll(p.Chance(), " %", thin+"%")
}

// outlookWords says in sentences whether the budget lasts, and what that rests on.
func outlookWords(p slo.Prediction, st *slo.Status) string {
	if p.At.IsZero() {
		return ""
	}
	if !p.Enough {
		return "Whether the budget lasts cannot be told yet. " + p.Why
	}
	until := p.Until.UTC().Format("2 Jan")
	said := "At the burn of the last " + spanText(time.Duration(p.Hours)*time.Hour) + " "
	if st != nil && st.Traffic && st.Remaining <= 0 && p.Probability == 1 {
		return said + "between " + leftRange(p) + " of the budget is left on " + until + ". It is spent now."
	}
	lasts := slo.Prediction{Probability: 1 - p.Probability}
	said += "the budget lasts until " + until + " with " + strings.ReplaceAll(lasts.Chance(), " %", thin+"%") + " probability"
	if gone := p.IfGone; !gone.P10.IsZero() {
		from, to := dayTime(gone.P10, p.Until.Sub(p.At)), dayTime(gone.P90, p.Until.Sub(p.At))
		said += "; if not, it is gone "
		if from == to {
			said += "about " + from
		} else {
			said += "between " + from + " and " + to
		}
	}
	said += ". Then " + leftRange(p) + " of it is left, four times in five."
	if p.Burning {
		said += " A burn is under way; it is taken to go on for as long as earlier ones did."
	}
	if st != nil && st.To.After(p.At) {
		said += " The picture and this sentence take the budget of the whole period, with the traffic still to come as usual; the figure above is of the traffic so far."
	}
	if p.Burns == 0 && !p.Burning {
		said += " No clear burn was seen in that time, so none is expected."
	}
	return said
}

// leftRange writes the interval of what is left at the end.
func leftRange(p slo.Prediction) string {
	low, high := signedShare(p.Left.P10), signedShare(p.Left.P90)
	if low == high {
		return low
	}
	return low + " to " + high
}

func signedShare(x float64) string {
	percent := math.Round(100 * x)
	if percent <= -1000 {
		return "less than −1000" + thin + "%"
	}
	return strings.Replace(fmt.Sprintf("%.0f%s%%", percent+0, thin), "-", "−", 1)
}

// dayTime writes a time ahead: the hour too where the whole is short.
func dayTime(t time.Time, whole time.Duration) string {
	if whole <= 10*24*time.Hour {
		return t.UTC().Format("2 Jan 15:04")
	}
	return t.UTC().Format("2 Jan")
}

// look adds the prediction to the picture of what is left: where the whole window is shown, as a fan that goes on from
// it. A calendar window is shown to its end.
func (v *promiseView) look(p slo.Prediction) {
	var st *slo.Status
	if v.Status != nil {
		st = &v.Status.Status
	}
	v.Outlook = outlookWords(p, st)
	if st == nil || len(v.Plots) == 0 || !p.Enough || len(p.Fan) == 0 || v.Span.From.After(st.From) {
		return
	}
	v.Plots[0].Fan, v.Plots[0].To = p.Fan, p.Until
}
