package forecast

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/forecast/pool"
	"github.com/nines-sre/nines/internal/manifest"
)

var stepCount = regexp.MustCompile(`\d+`)

// named writes the lengths in the models' names, which the pool counts in steps, as durations. Models of one name, which
// differ by a setting only, become one.
func named(shares []pool.Share, step time.Duration) []pool.Share {
	out := []pool.Share{}
	at := map[string]int{}
	for _, s := range shares {
		s.Model = stepCount.ReplaceAllStringFunc(s.Model, func(digits string) string {
			n, _ := strconv.Atoi(digits)
			return manifest.Duration(time.Duration(n) * step).String()
		})
		if i, twice := at[s.Model]; twice {
			out[i].Weight += s.Weight
			out[i].Error = min(out[i].Error, s.Error)
			continue
		}
		at[s.Model] = len(out)
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b pool.Share) int { return cmp.Compare(b.Weight, a.Weight) })
	return out
}

// method says in a few words which models carry a forecast.
func method(shares []pool.Share) string {
	const most = 2
	var words []string
	for _, s := range shares[:min(most, len(shares))] {
		words = append(words, fmt.Sprintf("%s (%.0f %%)", s.Model, 100*s.Weight))
	}
	text := strings.Join(words, ", ")
	switch n := len(shares) - most; {
	case n == 1:
		text += " and one other"
	case n > 1:
		text += fmt.Sprintf(" and %d others", n)
	}
	return text
}
