// Package publish makes documents of postmortems that can be handed on: HTML in one file and PDF. It reads the part of
// Markdown that people use in postmortems; what it does not know stands as text, and nothing of a text becomes markup.
package publish

import (
	"regexp"
	"strings"
)

// kind says what a block is.
type kind int

const (
	paragraph kind = iota
	heading
	item
	quote
	code
	table
	rule
)

// block is one part of a document, one below the other.
type block struct {
	kind   kind
	level  int        // of a heading, 1 to 6; of an item, 0 and deeper
	mark   string     // of an item: "•" or "1."
	lines  []span     // what it says, of all kinds but table
	rows   [][][]span // of a table, its head first
	right  []bool     // which columns of a table stand to the right
	headed bool       // the head of a table is not empty
}

// span is a piece of text in one style.
type span struct {
	text               string
	bold, italic, code bool
	link               string // http, https or mailto; "" for none
}

var (
	headingLine = regexp.MustCompile(`^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$`)
	bulletLine  = regexp.MustCompile(`^(\s*)[-*+]\s+(.*)$`)
	numberLine  = regexp.MustCompile(`^(\s*)(\d{1,9})[.)]\s+(.*)$`)
	ruleLine    = regexp.MustCompile(`^\s{0,3}(-{3,}|\*{3,}|_{3,})\s*$`)
	tableRule   = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$`)
)

// read parses Markdown. Every text is readable as some Markdown; it never fails.
func read(text string) []block {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	r := &reader{lines: strings.Split(text, "\n")}
	for r.at < len(r.lines) {
		r.next()
	}
	return r.blocks
}

type reader struct {
	lines  []string
	at     int
	blocks []block
}

func (r *reader) add(b block) { r.blocks = append(r.blocks, b) }

func (r *reader) next() {
	line := r.lines[r.at]
	switch {
	case strings.TrimSpace(line) == "":
		r.at++
	case fence(line) != "":
		r.code(fence(line))
	case headingLine.MatchString(line):
		m := headingLine.FindStringSubmatch(line)
		r.add(block{kind: heading, level: len(m[1]), lines: spans(m[2])})
		r.at++
	case ruleLine.MatchString(line):
		r.add(block{kind: rule})
		r.at++
	case strings.HasPrefix(strings.TrimLeft(line, " "), ">"):
		r.quote()
	case bulletLine.MatchString(line), numberLine.MatchString(line):
		r.item()
	case r.tableAhead():
		r.table()
	default:
		r.paragraph()
	}
}

func fence(line string) string {
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
		return trimmed[:3]
	}
	return ""
}

func (r *reader) code(mark string) {
	var body []string
	for r.at++; r.at < len(r.lines) && !strings.HasPrefix(strings.TrimSpace(r.lines[r.at]), mark); r.at++ {
		body = append(body, r.lines[r.at])
	}
	r.at++
	r.add(block{kind: code, lines: []span{{text: strings.Join(body, "\n"), code: true}}})
}

func (r *reader) quote() {
	var body []string
	for ; r.at < len(r.lines) && strings.HasPrefix(strings.TrimLeft(r.lines[r.at], " "), ">"); r.at++ {
		body = append(body, strings.TrimSpace(strings.TrimPrefix(strings.TrimLeft(r.lines[r.at], " "), ">")))
	}
	r.add(block{kind: quote, lines: spans(strings.Join(body, " "))})
}

func (r *reader) item() {
	line := r.lines[r.at]
	indent, mark, text := "", "•", ""
	if m := bulletLine.FindStringSubmatch(line); m != nil {
		indent, text = m[1], m[2]
	} else {
		m := numberLine.FindStringSubmatch(line)
		indent, mark, text = m[1], m[2]+".", m[3]
	}
	for r.at++; r.at < len(r.lines); r.at++ { // indented lines go on with it
		more := r.lines[r.at]
		if !strings.HasPrefix(more, "  ") || strings.TrimSpace(more) == "" || bulletLine.MatchString(more) || numberLine.MatchString(more) {
			break
		}
		text += " " + strings.TrimSpace(more)
	}
	switch {
	case strings.HasPrefix(text, "[ ] "):
		mark, text = "☐", text[4:]
	case strings.HasPrefix(text, "[x] "), strings.HasPrefix(text, "[X] "):
		mark, text = "☑", text[4:]
	}
	r.add(block{kind: item, level: min(len(strings.ReplaceAll(indent, "\t", "    "))/2, 4), mark: mark, lines: spans(text)})
}

func (r *reader) tableAhead() bool {
	return strings.Contains(r.lines[r.at], "|") && r.at+1 < len(r.lines) && tableRule.MatchString(r.lines[r.at+1]) &&
		len(cells(r.lines[r.at])) == len(cells(r.lines[r.at+1]))
}

func (r *reader) table() {
	head := cells(r.lines[r.at])
	b := block{kind: table, headed: strings.Join(head, "") != ""}
	for _, c := range cells(r.lines[r.at+1]) {
		b.right = append(b.right, strings.HasSuffix(c, ":") && !strings.HasPrefix(c, ":"))
	}
	b.rows = append(b.rows, rowOf(head, len(head)))
	for r.at += 2; r.at < len(r.lines) && strings.Contains(r.lines[r.at], "|"); r.at++ {
		b.rows = append(b.rows, rowOf(cells(r.lines[r.at]), len(head)))
	}
	r.add(b)
}

func rowOf(texts []string, columns int) [][]span {
	row := make([][]span, columns)
	for n := range row {
		if n < len(texts) {
			row[n] = spans(texts[n])
		}
	}
	return row
}

// cells splits a table row at the bars that are not escaped.
func cells(line string) []string {
	line = strings.TrimSpace(line)
	line = strings.TrimPrefix(line, "|")
	var out []string
	var cell strings.Builder
	escaped := false
	for _, c := range line {
		if c == '|' && !escaped {
			out = append(out, strings.TrimSpace(cell.String()))
			cell.Reset()
			continue
		}
		escaped = c == '\\' && !escaped
		cell.WriteRune(c)
	}
	if rest := strings.TrimSpace(cell.String()); rest != "" || len(out) == 0 {
		out = append(out, rest)
	}
	return out
}

func (r *reader) paragraph() {
	body := []string{strings.TrimSpace(r.lines[r.at])}
	for r.at++; r.at < len(r.lines) && !r.breaks(); r.at++ {
		body = append(body, strings.TrimSpace(r.lines[r.at]))
	}
	r.add(block{kind: paragraph, lines: spans(strings.Join(body, " "))})
}

func (r *reader) breaks() bool {
	line := r.lines[r.at]
	return strings.TrimSpace(line) == "" || fence(line) != "" || headingLine.MatchString(line) || ruleLine.MatchString(line) ||
		strings.HasPrefix(strings.TrimLeft(line, " "), ">") || bulletLine.MatchString(line) || numberLine.MatchString(line) || r.tableAhead()
}
