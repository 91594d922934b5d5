package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nines-sre/nines/service/httpapi"
	"github.com/nines-sre/nines/slo"
)

// summarize writes the verdict to the summary of a GitHub Actions job, where there is one.
func (a *cli) summarize(answer httpapi.GateAnswer) { writeSummary(a.err, gateMarkdown(answer)) }

// writeSummary appends to the file that GitHub Actions names. What cannot be written there must not change a verdict.
func writeSummary(errOut io.Writer, text string) {
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(text + "\n")
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		fmt.Fprintf(errOut, "nines: the job's summary was not written: %v\n", err)
	}
}

// gateMarkdown is the verdict as Markdown.
func gateMarkdown(answer httpapi.GateAnswer) string {
	var b strings.Builder
	c, v := answer.Change, answer.Change.Verdict
	fmt.Fprintf(&b, "### Nines gate: %s\n\n%s\n\n", strings.ToLower(verdictWords[answer.Action]), markdownText(answer.Headline))
	fmt.Fprintf(&b, "Service %s, %s %s by %s", markdownText(c.Service), markdownText(c.Kind), markdownText(c.Ref), markdownText(c.Author))
	if !answer.DryRun {
		fmt.Fprintf(&b, ", change %d", c.Number)
	}
	b.WriteString(".\n")
	if len(v.Reasons) > 0 {
		b.WriteString("\n| Asks | Promise | For | Now | Bound | Policy |\n|---|---|---|---|---|---|\n")
		for _, r := range v.Reasons {
			cells := []string{string(r.Action), orMissing(r.SLO), labelText(r.Labels), r.Figure, r.Bound, r.Policy}
			for n := range cells {
				cells[n] = markdownText(cells[n])
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		}
		b.WriteString("\n")
		for _, r := range v.Reasons {
			b.WriteString("- " + markdownText(r.Text) + "\n")
		}
	}
	for _, m := range v.Missing {
		b.WriteString("\n> " + markdownText(m) + "\n")
	}
	if answer.Action == slo.Approve && !answer.DryRun {
		fmt.Fprintf(&b, "\nA second person approves it with `nines changes approve %d`.\n", c.Number)
	}
	return b.String()
}

// markdownText keeps a text from forming markup of its own, on one line.
func markdownText(text string) string {
	var b strings.Builder
	for _, r := range printable(text) {
		if strings.ContainsRune("\\`*_{}[]<>|~&!#", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
