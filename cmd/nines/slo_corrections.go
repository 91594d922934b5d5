package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
	"github.com/spf13/cobra"
)

func (a *cli) sloCorrections() *cobra.Command {
	return group("corrections", "Maintenance and corrections: spans of the ledger that count differently",
		a.correctionsList(), a.correctionsAdd("add", "Leave a span out of the figures, or count its errors as good", slo.KindCorrection), a.correctionsRevoke())
}

func (a *cli) sloMaintenance() *cobra.Command {
	return a.correctionsAdd("maintenance", "Plan maintenance: its span does not count, and burn alerts keep quiet", slo.KindMaintenance)
}

type correctionsBody struct {
	Corrections []httpapi.Correction `json:"corrections"`
}

func (a *cli) correctionsList() *cobra.Command {
	var id, tenant string
	var all bool
	var limit int
	c := &cobra.Command{
		Use: "list", Short: "List corrections in force, the newest first", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			for name, value := range map[string]string{"slo": id, "tenant": tenant} {
				if value != "" {
					query.Set(name, value)
				}
			}
			if all {
				query.Set("revoked", "true")
			}
			var answer correctionsBody
			if err := api.get(c.Context(), "/corrections", query, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printCorrections(answer.Corrections) })
		},
	}
	f := c.Flags()
	f.StringVar(&id, "slo", "", "only those about this SLO")
	f.StringVar(&tenant, "tenant", "", "only those that touch this tenant")
	f.BoolVar(&all, "all", false, "revoked ones too")
	f.IntVar(&limit, "limit", 100, "at most this many")
	return c
}

func (a *cli) printCorrections(found []httpapi.Correction) {
	if len(found) == 0 {
		a.printf("No corrections: every recorded event counts.\n")
		return
	}
	var rows [][]string
	for _, c := range found {
		rows = append(rows, []string{c.ID, correctionState(c), correctionTarget(c.Correction), clock(c.EffectiveFrom), short(c.EffectiveTo.Sub(c.EffectiveFrom)),
			c.Kind + ", " + modeText(c.Mode), orMissing(c.Author), c.Reason})
	}
	a.table([]string{"id", "state", "about", "from", "lasts", "what", "by", "reason"}, rows)
}

func correctionState(c httpapi.Correction) string {
	now := time.Now()
	switch {
	case !c.InForce():
		return "revoked"
	case c.Covers(now):
		return "now"
	case now.Before(c.From):
		return "planned"
	case c.Retroactive:
		return "afterwards"
	}
	return "over"
}

func correctionTarget(c slo.Correction) string {
	of := c.SLO
	switch {
	case c.All:
		of = "every SLO"
	case c.Service != "":
		of = "service " + c.Service
	}
	for _, name := range sortedKeys(c.Labels) {
		of += " " + name + "=" + c.Labels[name]
	}
	return of
}

func modeText(mode string) string {
	if mode == slo.ModeGood {
		return "errors are good"
	}
	return "not counted"
}

// correctionFlags is a correction as the command line says it.
type correctionFlags struct {
	slo, service   string
	all, good, yes bool
	labels         []string
	from, to       string
	lasts          time.Duration
	kind, reason   string
	note           string
}

func (a *cli) correctionsAdd(use, short, kind string) *cobra.Command {
	f := &correctionFlags{}
	c := &cobra.Command{
		Use: use + " (--slo ID | --service NAME | --all) --from TIME (--to TIME | --for SPAN) --reason TEXT", Short: short, Args: args(cobra.NoArgs),
		Long: short + ".\n\nWhat was recorded stays as it is; only whole ledger buckets inside of the stated span are touched. Without --yes it\n" +
			"says what would change, and changes nothing. Times are RFC 3339, \"2026-11-23 22:00\" in UTC, now, or a distance from now\n" +
			"such as +2h and -30m.",
		Example: "  nines slo maintenance --service shop --from \"2026-11-23 22:00\" --for 2h --reason \"new disks\" --yes\n" +
			"  nines slo corrections add --slo shop-availability --label tenant=acme --from -3h --to -2h --good --reason \"broken probe\"",
		RunE: func(c *cobra.Command, _ []string) error {
			made, err := f.correction(time.Now().UTC())
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			if f.yes {
				return a.addCorrection(c, api, made)
			}
			var p httpapi.CorrectionPreview
			if err := api.post(c.Context(), "/corrections/preview", made, &p); err != nil {
				return err
			}
			return a.show(p, func() { a.printPreview(p) })
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.slo, "slo", "", "the SLO it is about")
	flags.StringVar(&f.service, "service", "", "all SLOs of this service")
	flags.BoolVar(&f.all, "all", false, "every SLO")
	flags.StringSliceVar(&f.labels, "label", nil, "only series with this label, NAME=VALUE, such as tenant=acme; may be repeated")
	flags.StringVar(&f.from, "from", "now", "when it begins")
	flags.StringVar(&f.to, "to", "", "when it ends")
	flags.DurationVar(&f.lasts, "for", 0, "how long it lasts, instead of --to")
	flags.StringVar(&f.kind, "kind", kind, "maintenance or correction; contracts may count them differently")
	flags.BoolVar(&f.good, "good", false, "count its errors as good instead of leaving the span out")
	flags.StringVarP(&f.reason, "reason", "m", "", "why; it stands in customers' reports")
	flags.StringVar(&f.note, "note", "", "for your own people only")
	flags.BoolVar(&f.yes, "yes", false, "do it")
	needs(c, "reason")
	return c
}

// correction returns what the API takes.
func (f *correctionFlags) correction(now time.Time) (map[string]any, error) {
	from, err := parseTime("from", f.from, now)
	if err != nil {
		return nil, err
	}
	to := from.Add(f.lasts)
	switch {
	case (f.to == "") == (f.lasts == 0):
		return nil, usageError{fmt.Errorf("name its end with either --to or --for")}
	case f.to != "":
		if to, err = parseTime("to", f.to, now); err != nil {
			return nil, err
		}
	}
	labels := map[string]string{}
	for _, text := range f.labels {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--label %q is not NAME=VALUE", text)}
		}
		labels[name] = value
	}
	mode := slo.ModeExclude
	if f.good {
		mode = slo.ModeGood
	}
	return map[string]any{"slo": f.slo, "service": f.service, "all": f.all, "labels": labels, "from": from, "to": to, "mode": mode, "kind": f.kind,
		"reason": f.reason, "note": f.note}, nil
}

// parseTime reads RFC 3339, date and time in UTC, now, or a distance from now.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "now" {
		return now, nil
	}
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		if d, err := time.ParseDuration(text); err == nil {
			return now.Add(d), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "--%s %q is not a time; write 2026-11-23T22:00:00Z, \"2026-11-23 22:00\" in UTC, now, +2h or -30m", flag, text)
}

func (a *cli) addCorrection(c *cobra.Command, api *client, body map[string]any) error {
	var made httpapi.Correction
	if err := api.post(c.Context(), "/corrections", body, &made); err != nil {
		return err
	}
	return a.show(made, func() {
		a.printf("%s: %s holds for %s from %s to %s, %s\n", made.ID, made.Kind, correctionTarget(made.Correction), clock(made.EffectiveFrom),
			clock(made.EffectiveTo), modeText(made.Mode))
		if made.Retroactive {
			a.printf("It was entered after its span had begun, which reports say; a contract may not count it.\n")
		}
	})
}

func (a *cli) printPreview(p httpapi.CorrectionPreview) {
	a.printf("It would hold for whole ledger buckets, from %s to %s (%s).\n", clock(p.EffectiveFrom), clock(p.EffectiveTo), short(p.EffectiveTo.Sub(p.EffectiveFrom)))
	for _, m := range p.Missing {
		a.printf("! %s\n", printable(m))
	}
	switch e := p.Effect; {
	case e.Minutes == 0:
		a.printf("Nothing is recorded in it so far.\n")
	case e.Excluded.Total > 0:
		a.printf("%s events recorded in it would not count, %s of them errors.\n", count(e.Excluded.Total), count(e.Excluded.Errors()))
	default:
		a.printf("%s errors recorded in it would count as good.\n", count(e.Forgiven))
	}
	var rows [][]string
	for _, b := range p.Budgets {
		rows = append(rows, []string{b.SLO, labelText(b.Labels), leftOf(b.Before), leftOf(b.After), sliOf(b.Before), sliOf(b.After)})
	}
	if len(rows) > 0 {
		a.printf("\n")
		a.table([]string{"promise", "for", "budget left", "would be", "measured", "would be"}, rows)
	}
	a.printf("\nNothing was changed. Add --yes to do it.\n")
}

func leftOf(f httpapi.BudgetFigure) string {
	return left(slo.Status{Traffic: f.Total > 0, Remaining: f.Remaining})
}

func sliOf(f httpapi.BudgetFigure) string { return sli(slo.Status{Traffic: f.Total > 0, SLI: f.SLI}) }

func (a *cli) correctionsRevoke() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke ID --reason TEXT", Short: "End a correction as if it had never been; it stays in the list", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, ids []string) error {
			api, err := a.client()
			if err != nil {
				return err
			}
			var ended httpapi.Correction
			if err := api.post(c.Context(), "/corrections/"+url.PathEscape(ids[0])+"/revoke", map[string]string{"reason": reason}, &ended); err != nil {
				return err
			}
			return a.show(ended, func() { a.printf("%s is revoked; the figures are as if it had never been.\n", ended.ID) })
		},
	}
	c.Flags().StringVarP(&reason, "reason", "m", "", "why it no longer holds")
	needs(c, "reason")
	return c
}

// printAdjusted says below a table of statuses what is not as it was measured.
func (a *cli) printAdjusted(statuses []slo.Status) {
	for _, s := range statuses {
		var parts []string
		d := s.Adjusted
		if d.ExcludedMinutes > 0 || d.Excluded.Total > 0 {
			parts = append(parts, fmt.Sprintf("%.0f minutes and %s events are left out by corrections", d.ExcludedMinutes, count(d.Excluded.Total)))
		}
		if d.Forgiven > 0 {
			parts = append(parts, count(d.Forgiven)+" errors count as good by corrections")
		}
		if d.Imputed > 0 {
			as := "good"
			if d.ImputedCounts.Errors() > 0 {
				as = "bad"
			}
			parts = append(parts, fmt.Sprintf("%d intervals without data count as %s", d.Imputed, as))
		}
		if len(parts) > 0 {
			whose := ""
			if len(s.Labels) > 0 {
				whose = " for " + labelText(s.Labels)
			}
			a.printf("%s%s: %s.\n", s.SLO, printable(whose), strings.Join(parts, "; "))
		}
	}
}
