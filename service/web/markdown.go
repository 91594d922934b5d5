package web

import (
	"html"
	"html/template"
	"regexp"
	"strings"
)

// markdown renders the part of Markdown that runbooks and postmortems use: headings, paragraphs, lists and task lists,
// quotes, fenced code, tables, rules, and inline code, emphasis and links. Raw HTML in the text is shown as text, and
// links lead to http, https, mailto or this site only. Headings begin at the given level.
func markdown(text string, top int) template.HTML {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	p := &markdownReader{lines: strings.Split(text, "\n"), top: top}
	for !p.done() {
		p.block()
	}
	return template.HTML(p.out.String()) // #nosec: every text below went through html.EscapeString
}

type markdownReader struct {
	lines []string
	at    int
	top   int
	out   strings.Builder
}

func (p *markdownReader) done() bool { return p.at >= len(p.lines) }

func (p *markdownReader) line() string {
	if p.done() {
		return ""
	}
	return p.lines[p.at]
}

var (
	headingLine = regexp.MustCompile(`^(#{1,6})\s+(.*?)\s*#*\s*$`)
	bulletLine  = regexp.MustCompile(`^(\s*)[-*+]\s+(.*)$`)
	numberLine  = regexp.MustCompile(`^(\s*)\d{1,9}[.)]\s+(.*)$`)
	ruleLine    = regexp.MustCompile(`^\s{0,3}(-{3,}|\*{3,}|_{3,})\s*$`)
	tableRule   = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$`)
	taskMark    = regexp.MustCompile(`^\[([ xX])\]\s+(.*)$`)
)

func (p *markdownReader) block() {
	line := p.line()
	switch {
	case strings.TrimSpace(line) == "":
		p.at++
	case strings.HasPrefix(strings.TrimSpace(line), "```"):
		p.fence()
	case headingLine.MatchString(line):
		p.heading()
	case ruleLine.MatchString(line):
		p.out.WriteString("<hr>\n")
		p.at++
	case strings.HasPrefix(line, ">"):
		p.quote()
	case bulletLine.MatchString(line):
		p.list("ul", bulletLine)
	case numberLine.MatchString(line):
		p.list("ol", numberLine)
	case p.tableAhead():
		p.table()
	default:
		p.paragraph()
	}
}

func (p *markdownReader) heading() {
	m := headingLine.FindStringSubmatch(p.line())
	level := string(rune('0' + min(len(m[1])+p.top-1, 6)))
	p.out.WriteString("<h" + level + ">" + inline(m[2]) + "</h" + level + ">\n")
	p.at++
}

func (p *markdownReader) fence() {
	p.at++
	var body []string
	for !p.done() && !strings.HasPrefix(strings.TrimSpace(p.line()), "```") {
		body = append(body, p.line())
		p.at++
	}
	p.at++
	p.out.WriteString("<pre tabindex=\"0\"><code>" + html.EscapeString(strings.Join(body, "\n")) + "</code></pre>\n")
}

func (p *markdownReader) quote() {
	var body []string
	for !p.done() && strings.HasPrefix(p.line(), ">") {
		body = append(body, strings.TrimSpace(strings.TrimPrefix(p.line(), ">")))
		p.at++
	}
	p.out.WriteString("<blockquote><p>" + inline(strings.Join(body, " ")) + "</p></blockquote>\n")
}

// list renders one list; deeper indented items become a list inside the item before them.
func (p *markdownReader) list(tag string, item *regexp.Regexp) {
	indent := len(item.FindStringSubmatch(p.line())[1])
	p.out.WriteString("<" + tag + ">\n")
	for !p.done() {
		m := item.FindStringSubmatch(p.line())
		if m == nil || len(m[1]) != indent {
			break
		}
		p.at++
		p.out.WriteString("<li>" + listItem(m[2]+p.lazyLines()))
		p.sublist(indent)
		p.out.WriteString("</li>\n")
	}
	p.out.WriteString("</" + tag + ">\n")
}

func (p *markdownReader) sublist(indent int) {
	for _, form := range []struct {
		tag  string
		item *regexp.Regexp
	}{{"ul", bulletLine}, {"ol", numberLine}} {
		if m := form.item.FindStringSubmatch(p.line()); m != nil && len(m[1]) > indent && len(m[1]) <= 12 {
			p.out.WriteString("\n")
			p.list(form.tag, form.item)
			return
		}
	}
}

// lazyLines takes indented lines that continue a list item.
func (p *markdownReader) lazyLines() string {
	var more strings.Builder
	for !p.done() {
		line := p.line()
		if !strings.HasPrefix(line, "  ") || strings.TrimSpace(line) == "" || bulletLine.MatchString(line) || numberLine.MatchString(line) {
			break
		}
		more.WriteString(" " + strings.TrimSpace(line))
		p.at++
	}
	return more.String()
}

func listItem(text string) string {
	m := taskMark.FindStringSubmatch(text)
	if m == nil {
		return inline(text)
	}
	checked := ""
	if m[1] != " " {
		checked = " checked"
	}
	return `<input type="checkbox" disabled` + checked + `> ` + inline(m[2])
}

func (p *markdownReader) tableAhead() bool {
	return strings.Contains(p.line(), "|") && p.at+1 < len(p.lines) && tableRule.MatchString(p.lines[p.at+1]) &&
		len(cells(p.line())) == len(cells(p.lines[p.at+1]))
}

func (p *markdownReader) table() {
	head, align := cells(p.line()), alignments(p.lines[p.at+1])
	p.at += 2
	p.out.WriteString(`<div class="scroll" tabindex="0"><table>`)
	if strings.Join(head, "") != "" { // a table of names and values has an empty head
		p.out.WriteString("<thead><tr>")
		for i, cell := range head {
			p.out.WriteString(`<th scope="col"` + align[i] + ">" + inline(cell) + "</th>")
		}
		p.out.WriteString("</tr></thead>")
	}
	p.out.WriteString("<tbody>\n")
	for !p.done() && strings.Contains(p.line(), "|") {
		p.out.WriteString("<tr>")
		row := cells(p.line())
		for i := range head {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			p.out.WriteString("<td" + align[i] + ">" + inline(cell) + "</td>")
		}
		p.out.WriteString("</tr>\n")
		p.at++
	}
	p.out.WriteString("</tbody></table></div>\n")
}

// alignments returns for each column what its cells' tags need to stand to the right.
func alignments(rule string) []string {
	columns := cells(rule)
	for i, column := range columns {
		columns[i] = ""
		if strings.HasSuffix(column, ":") && !strings.HasPrefix(column, ":") {
			columns[i] = ` class="num"`
		}
	}
	return columns
}

// cells splits a table row at the bars that are not escaped.
func cells(line string) []string {
	line = strings.TrimSpace(protect(line))
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	return parts
}

func (p *markdownReader) paragraph() {
	var body []string
	for !p.done() && strings.TrimSpace(p.line()) != "" && (len(body) == 0 || !p.startsBlock()) {
		body = append(body, strings.TrimSpace(p.line()))
		p.at++
	}
	p.out.WriteString("<p>" + inline(strings.Join(body, "\n")) + "</p>\n")
}

func (p *markdownReader) startsBlock() bool {
	line := p.line()
	return strings.HasPrefix(strings.TrimSpace(line), "```") || headingLine.MatchString(line) || ruleLine.MatchString(line) ||
		strings.HasPrefix(line, ">") || bulletLine.MatchString(line) || numberLine.MatchString(line)
}
