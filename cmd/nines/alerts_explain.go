package main

import (
	"encoding/json"
	"io"

	"github.com/nines-sre/nines/alerting"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/httpapi"
	"github.com/spf13/cobra"
)

// explained is what the API says would become of an alert.
type explained struct {
	Alert alerting.Alert `json:"alert"`
	httpapi.Explanation
}

// asked is the alert that is to be explained.
type asked struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Fingerprint string            `json:"fingerprint,omitempty"`
}

// maxAsked is how much is read of an alert on standard input.
const maxAsked = 1 << 20

func (a *cli) alertExplain() *cobra.Command {
	var fingerprint string
	var annotations []string
	var verbose bool
	c := &cobra.Command{
		Use: "explain [LABEL=VALUE...]", Short: "Say step by step what would become of an alert",
		Long: "Say step by step what would become of an alert: each silence, inhibition rule, maintenance window and route, and which\n" +
			"policy would be paged. Nothing is stored. The alert is given by its labels, by the fingerprint of one that fires, or,\n" +
			"with - in place of labels, as JSON with labels and annotations on standard input.",
		Example: "  nines alert explain DiskFull severity=critical service=shop\n  nines alert explain --fingerprint 25c2cdb12d31dc50\n" +
			"  echo '{\"labels\": {\"alertname\": \"DiskFull\"}}' | nines alert explain -",
		RunE: func(c *cobra.Command, words []string) error {
			what, err := readAsked(words, fingerprint, annotations, a.in)
			if err != nil {
				return err
			}
			api, err := a.client()
			if err != nil {
				return err
			}
			var answer explained
			if err := api.post(c.Context(), "/alerts/explain", what, &answer); err != nil {
				return err
			}
			return a.show(answer, func() { a.printExplained(answer, verbose) })
		},
	}
	f := c.Flags()
	f.StringVar(&fingerprint, "fingerprint", "", "of an alert that fires now")
	f.StringArrayVar(&annotations, "annotation", nil, "NAME=VALUE, such as nines_policy=night; may be given again")
	f.BoolVarP(&verbose, "verbose", "v", false, "also what does not apply, and why")
	return c
}

func readAsked(words []string, fingerprint string, annotations []string, stdin io.Reader) (asked, error) {
	switch {
	case fingerprint != "" && len(words)+len(annotations) > 0:
		return asked{}, usageError{fault.New(fault.Invalid, "give labels or --fingerprint, not both")}
	case fingerprint != "":
		return asked{Fingerprint: fingerprint}, nil
	case len(words) == 0:
		return asked{}, usageError{fault.New(fault.Invalid, "give the labels of an alert, --fingerprint, or - for JSON on standard input")}
	}
	var what asked
	var err error
	if len(words) == 1 && words[0] == "-" {
		if err := json.NewDecoder(io.LimitReader(stdin, maxAsked)).Decode(&what); err != nil {
			return asked{}, fault.Wrap(fault.Invalid, err, `standard input: is not an alert such as {"labels": {"alertname": "DiskFull"}}`)
		}
	} else if what.Labels, err = readLabels(words); err != nil {
		return asked{}, err
	}
	more, err := readLabels(annotations)
	if err != nil {
		return asked{}, err
	}
	what.Annotations = mergeInto(what.Annotations, more)
	return what, nil
}

func (a *cli) printExplained(e explained, verbose bool) {
	a.printf("%s  %s %s\n\n", e.Alert.Fingerprint, printable(e.Alert.Labels["alertname"]), printable(otherLabels(e.Alert.Labels)))
	passed := map[string]int{}
	for _, f := range e.Findings {
		switch {
		case f.Step == alerting.StepVerdict:
			a.printf("  %-12s %s\n", "verdict", printable(f.Text))
		case f.Applies:
			a.printf("  %-12s %s: %s\n", f.Step, printable(f.Name), printable(f.Text))
		case verbose:
			a.printf("  %-12s %s: no, %s\n", f.Step, printable(f.Name), printable(f.Text))
		default:
			passed[f.Step]++
		}
	}
	if len(e.Paging) > 0 && e.Held {
		a.printf("\nOnce nothing holds it:\n")
	} else if len(e.Paging) > 0 {
		a.printf("\nSo it:\n")
	}
	for _, text := range e.Paging {
		a.printf("  %s\n", printable(text))
	}
	if n := passed[alerting.StepSilence] + passed[alerting.StepInhibition] + passed[alerting.StepMaintenance] + passed[alerting.StepRoute]; n > 0 {
		a.printf("\n%d that do not apply are left out: -v shows them.\n", n)
	}
}
