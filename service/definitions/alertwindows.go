package definitions

import (
	"slices"

	"github.com/nines-sre/nines/internal/manifest"
	"github.com/nines-sre/nines/slo"
)

// AlertWindows reads Sloth's catalog of alert windows: every document of the files below the folder, one for each
// period. A period may come again only with the same windows.
func AlertWindows(folder string) ([]slo.AlertWindows, manifest.Problems, error) {
	files, problems, err := Discover(folder, func(string) bool { return true })
	if err != nil {
		return nil, nil, err
	}
	var out []slo.AlertWindows
	for _, f := range files {
		docs, unread := manifest.Read(f)
		problems = append(problems, unread...)
		for _, d := range docs {
			w, wrong := slo.ReadAlertWindows(d)
			problems = append(problems, wrong...)
			at := slices.IndexFunc(out, func(o slo.AlertWindows) bool { return o.Period == w.Period })
			switch {
			case len(wrong) > 0:
			case at < 0:
				out = append(out, w)
			case !slices.Equal(out[at].Tiers, w.Tiers):
				problems = append(problems, d.Problem("spec.sloPeriod", "has other windows already, in another document; keep one of them"))
			}
		}
	}
	if len(out) == 0 && len(problems) == 0 {
		problems = append(problems, manifest.Problem{File: folder, Message: "holds no " + slo.KindAlertWindows + " document"})
	}
	return out, problems, nil
}
