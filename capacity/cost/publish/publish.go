// Package publish writes showback reports for people as Markdown and as HTML. It leaves out where the figures come from.
package publish

import (
	"bytes"
	"fmt"
	"html/template"
	"math/big"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
)

const missing = "–"

// report is what both formats show.
type report struct {
	Title    string
	Span     string
	Currency string
	By       string
	Total    string
	Parts    [][2]string // the categories and their amounts
	Sums     [][]string
	Rows     [][]string
	Units    [][]string
	Coverage [][]string
	Notes    []string
}

var (
	sumHead      = []string{"workload", "idle", "shared", "overhead", "total", "share"}
	rowHead      = []string{"kind", "tenant", "service", "namespace", "region", "resource", "quantity", "cost"}
	unitHead     = []string{"tenant", "service", "cost", "requests", "a thousand", "a thousand good"}
	coverageHead = []string{"source", "hours seen", "of the period"}
)

func newReport(s allocation.Showback, title string) report {
	r := report{Title: title, Span: span(s.From, s.To), Currency: s.Currency, By: string(s.By), Total: s.Total.String(), Parts: [][2]string{
		{"Workload", s.Workload.String()}, {"Idle", s.Idle.String()}, {"Shared", s.Shared.String()}, {"Overhead", s.Overhead.String()}}}
	for _, one := range s.Sums {
		r.Sums = append(r.Sums, []string{nobody(one.Name), one.Workload.String(), one.Idle.String(), one.Shared.String(), one.Overhead.String(), one.Total.String(),
			share(one.Total, s.Total)})
	}
	for _, row := range s.Rows {
		kind, resource := string(row.Category), string(row.Resource)
		if row.From != "" {
			kind += " (" + row.From + ")"
		}
		if row.Class != "" {
			resource += " " + row.Class
		}
		r.Rows = append(r.Rows, []string{kind, dash(row.Tenant), dash(row.Service), dash(row.Namespace), dash(row.Region), resource, quantity(row), row.Cost.String()})
	}
	for _, u := range s.Units {
		r.Units = append(r.Units, []string{nobody(u.Tenant), u.Service, u.Cost.String(), fmt.Sprintf("%.0f", u.Requests), thousand(u.PerRequest), thousand(u.PerGood)})
	}
	for _, c := range s.Coverage {
		r.Coverage = append(r.Coverage, []string{c.Source, fmt.Sprintf("%d of %d", c.Hours, c.Of), fmt.Sprintf("%.1f %%", float64(int(c.Share*1000))/10)})
	}
	r.Notes = append(append(r.Notes, s.Missing...), s.Skipped...)
	return r
}

func span(from, to time.Time) string {
	const form = "2006-01-02 15:04 UTC"
	return from.UTC().Format(form) + " to " + to.UTC().Format(form)
}

func nobody(name string) string {
	if name == "" {
		return "(nobody)"
	}
	return name
}

func dash(text string) string {
	if text == "" {
		return missing
	}
	return text
}

func quantity(r allocation.Row) string {
	if r.Quantity == 0 {
		return missing
	}
	return fmt.Sprintf("%.6g %s", r.Quantity, r.Unit)
}

func share(part, whole cost.Money) string {
	if whole.Sign() == 0 {
		return missing
	}
	f, _ := part.Rat().Float64()
	all, _ := whole.Rat().Float64()
	return fmt.Sprintf("%.1f %%", 100*f/all)
}

// thousand shows the price of a thousand requests, since one costs a fraction of a cent.
func thousand(one *cost.Decimal) string {
	if one == nil {
		return missing
	}
	r := one.Rat()
	return r.Mul(r, big.NewRat(1000, 1)).FloatString(4)
}

// Markdown writes the report with tables.
func Markdown(s allocation.Showback, title string) string {
	r := newReport(s, title)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s, in %s. Total: **%s**.\n\n", line(r.Title), r.Span, r.Currency, r.Total)
	table(&b, []string{"part", "cost"}, pairs(r.Parts))
	fmt.Fprintf(&b, "\n## By %s\n\n", r.By)
	table(&b, append([]string{r.By}, sumHead...), r.Sums)
	section(&b, "A request", unitHead, r.Units)
	section(&b, "Lines", rowHead, r.Rows)
	section(&b, "Coverage", coverageHead, r.Coverage)
	if len(r.Notes) > 0 {
		b.WriteString("\n## What the figures lack\n\n")
		for _, n := range r.Notes {
			b.WriteString("- " + line(n) + "\n")
		}
	}
	return b.String()
}

func pairs(of [][2]string) [][]string {
	out := make([][]string, 0, len(of))
	for _, p := range of {
		out = append(out, p[:])
	}
	return out
}

func section(b *strings.Builder, title string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n## " + title + "\n\n")
	table(b, head, rows)
}

func table(b *strings.Builder, head []string, rows [][]string) {
	cells := func(row []string) {
		for _, c := range row {
			b.WriteString("| " + strings.ReplaceAll(line(c), "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	cells(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		cells(row)
	}
}

// line keeps text of others on one line and out of the markup.
func line(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "<", "&lt;", "*", `\*`, "_", `\_`, "`", "'").Replace(text)
}

// HTML writes the report as a page of its own, without anything from elsewhere.
func HTML(s allocation.Showback, title string) (string, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, struct {
		report
		SumHead, RowHead, UnitHead, CoverageHead []string
	}{newReport(s, title), append([]string{string(s.By)}, sumHead...), rowHead, unitHead, coverageHead}); err != nil {
		return "", fmt.Errorf("write the page: %w", err)
	}
	return b.String(), nil
}

// content is one table of the page.
type content struct {
	Head []string
	Rows [][]string
}

func tableOf(head []string, rows [][]string) content { return content{head, rows} }

var page = template.Must(template.New("page").Funcs(template.FuncMap{"table": tableOf}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title><meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b2733}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem;font-size:.92em}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d9e0e6;vertical-align:top}
th{font-weight:600;background:#f3f6f8}
.total{font-size:1.4rem;font-weight:600}
.wide{overflow-x:auto}
@media (prefers-color-scheme:dark){body{background:#12181d;color:#dde5ea}th{background:#1d262d}th,td{border-color:#33414b}}
</style></head><body>
<h1>{{.Title}}</h1>
<p>{{.Span}}, in {{.Currency}}.</p>
<p class="total">{{.Total}} {{.Currency}}</p>
<table><tbody>{{range .Parts}}<tr><td>{{index . 0}}</td><td>{{index . 1}}</td></tr>{{end}}</tbody></table>
<h2>By {{.By}}</h2>
{{template "table" (table .SumHead .Sums)}}
{{if .Units}}<h2>A request</h2>{{template "table" (table .UnitHead .Units)}}{{end}}
{{if .Rows}}<h2>Lines</h2>{{template "table" (table .RowHead .Rows)}}{{end}}
{{if .Coverage}}<h2>Coverage</h2>{{template "table" (table .CoverageHead .Coverage)}}{{end}}
{{if .Notes}}<h2>What the figures lack</h2><ul>{{range .Notes}}<li>{{.}}</li>{{end}}</ul>{{end}}
</body></html>
{{define "table"}}<div class="wide"><table><thead><tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr></thead><tbody>{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</tbody></table></div>{{end}}`))
