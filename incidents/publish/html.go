package publish

import (
	"fmt"
	"html"
	"strings"

	"github.com/nines-sre/nines/incidents"
)

// Document is a postmortem to be handed on.
type Document struct {
	Postmortem incidents.Postmortem
	Items      []incidents.ActionItem
}

// body is the document's Markdown below its title and facts.
func (d Document) body() string {
	text := d.Postmortem.Markdown(d.Items)
	if at := strings.Index(text, "\n## "); at >= 0 {
		return text[at:]
	}
	return ""
}

func (d Document) title() string {
	return fmt.Sprintf("Postmortem %d: %s", d.Postmortem.Number, d.Postmortem.Title)
}

// The page loads nothing and runs nothing, also where a text should get past the escaping.
const (
	htmlHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="Nines"><title>%s</title><style>` + htmlStyle + `</style></head><body><main>
<h1>%s</h1>
`
	htmlStyle = `
:root{color-scheme:light}
body{margin:0;background:#fff;color:#1c2024;font:16px/1.55 "Liberation Sans",Arial,Helvetica,sans-serif}
main{max-width:46rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-top:.8rem;border-top:1px solid #d9dde1}
h3{font-size:1.05rem;margin:1.4rem 0 .4rem}h4,h5,h6{font-size:1rem;margin:1.2rem 0 .3rem}
p,ul,ol,blockquote,pre{margin:.6rem 0}li{margin:.15rem 0}
.item{display:flex;gap:.5rem;margin:.2rem 0}.item>span:first-child{flex:none;min-width:1.1rem;color:#5b6570}
.in1{margin-left:1.4rem}.in2{margin-left:2.8rem}.in3{margin-left:4.2rem}.in4{margin-left:5.6rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;margin:.8rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #e4e7ea;overflow-wrap:anywhere}
th{color:#5b6570;font-weight:600}.num{text-align:right;font-variant-numeric:tabular-nums}
.facts th{white-space:nowrap}
pre,code{font-family:"Liberation Mono",Consolas,monospace;font-size:.88em;background:#f3f5f6}
pre{padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap}code{padding:.05em .25em}pre code{padding:0}
blockquote{margin-left:0;padding-left:1rem;border-left:3px solid #c6ccd2;color:#3b434b}
em{color:#5b6570}a{color:#0b5cad}hr{border:0;border-top:1px solid #d9dde1}
@page{margin:18mm}
@media print{main{max-width:none;padding:0}h2,h3{break-after:avoid}tr,pre,blockquote{break-inside:avoid}.scroll{overflow:visible}a{color:inherit}}
`
)

// HTML writes the document as one page that needs nothing else and prints well. It is the same, byte by byte, for the
// same document.
func HTML(d Document) []byte {
	var b strings.Builder
	title := html.EscapeString(d.title())
	fmt.Fprintf(&b, htmlHead, title, title)
	b.WriteString(`<table class="facts"><tbody>`)
	for _, row := range d.Postmortem.Facts() {
		b.WriteString(`<tr><th scope="row">` + html.EscapeString(row[0]) + "</th><td>" + html.EscapeString(row[1]) + "</td></tr>\n")
	}
	b.WriteString("</tbody></table>\n<p>All times are UTC.</p>\n")
	for _, block := range read(d.body()) {
		writeHTML(&b, block)
	}
	b.WriteString("</main></body></html>\n")
	return []byte(b.String())
}

func writeHTML(b *strings.Builder, v block) {
	switch v.kind {
	case heading:
		fmt.Fprintf(b, "<h%d>%s</h%d>\n", v.level, htmlOf(v.lines), v.level)
	case item:
		fmt.Fprintf(b, "<div class=\"item in%d\"><span>%s</span><span>%s</span></div>\n", v.level, html.EscapeString(v.mark), htmlOf(v.lines))
	case quote:
		b.WriteString("<blockquote>" + htmlOf(v.lines) + "</blockquote>\n")
	case code:
		b.WriteString("<pre><code>" + html.EscapeString(textOf(v.lines)) + "</code></pre>\n")
	case table:
		writeTable(b, v)
	case rule:
		b.WriteString("<hr>\n")
	default:
		b.WriteString("<p>" + htmlOf(v.lines) + "</p>\n")
	}
}

func writeTable(b *strings.Builder, v block) {
	b.WriteString(`<div class="scroll"><table>`)
	rows := v.rows
	if v.headed {
		b.WriteString("<thead><tr>")
		for n, cell := range rows[0] {
			b.WriteString(`<th scope="col"` + classOf(v.right[n]) + ">" + htmlOf(cell) + "</th>")
		}
		b.WriteString("</tr></thead>")
	}
	b.WriteString("<tbody>\n")
	for _, row := range rows[1:] {
		b.WriteString("<tr>")
		for n, cell := range row {
			b.WriteString("<td" + classOf(v.right[n]) + ">" + htmlOf(cell) + "</td>")
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table></div>\n")
}

func classOf(right bool) string {
	if right {
		return ` class="num"`
	}
	return ""
}

func htmlOf(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		text := html.EscapeString(s.text)
		switch {
		case s.code:
			text = "<code>" + text + "</code>"
		case s.bold:
			text = "<strong>" + text + "</strong>"
		case s.italic:
			text = "<em>" + text + "</em>"
		case s.link != "":
			text = `<a href="` + html.EscapeString(s.link) + `" rel="noopener noreferrer">` + text + "</a>"
		}
		b.WriteString(text)
	}
	return b.String()
}
