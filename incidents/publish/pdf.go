package publish

import (
	"bytes"
	"fmt"
	"strings"

	"codeberg.org/go-fonts/liberation/liberationmonoregular"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansitalic"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"codeberg.org/go-pdf/fpdf"
)

// Sizes of the page, in millimetres, and of the letters, in points.
const (
	margin   = 20.0
	width    = 210 - 2*margin
	textSize = 10.0
	leading  = 5.0 // of a line of text
	indent   = 5.0 // of a list in a list
)

var headingSizes = []float64{18, 14, 11.5, 10.5, 10, 10}

// PDF writes the document on A4 pages. It is the same, byte by byte, for the same document: its dates are those of the
// postmortem.
func PDF(d Document) ([]byte, error) {
	w := newWriter(d)
	w.heading(1, d.title())
	w.facts(d.Postmortem.Facts())
	before := paragraph
	for _, b := range read(d.body()) {
		if before == item && b.kind != item {
			w.pdf.Ln(1.5)
		}
		w.block(b)
		before = b.kind
	}
	var out bytes.Buffer
	if err := w.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("write a PDF: %w", err)
	}
	return out.Bytes(), nil
}

type writer struct {
	pdf *fpdf.Fpdf
}

func newWriter(d Document) writer {
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(d.Postmortem.CreatedAt.UTC())
	pdf.SetModificationDate(d.Postmortem.UpdatedAt.UTC())
	pdf.SetProducer("Nines", true)
	pdf.SetTitle(printable(d.title()), true)
	pdf.AddUTF8FontFromBytes("sans", "", liberationsansregular.TTF)
	pdf.AddUTF8FontFromBytes("sans", "B", liberationsansbold.TTF)
	pdf.AddUTF8FontFromBytes("sans", "I", liberationsansitalic.TTF)
	pdf.AddUTF8FontFromBytes("mono", "", liberationmonoregular.TTF)
	pdf.SetMargins(margin, margin, margin)
	pdf.SetCellMargin(0)
	pdf.SetAutoPageBreak(true, margin)
	pdf.AliasNbPages("{pages}")
	pdf.SetFooterFunc(func() {
		pdf.SetY(-12)
		pdf.SetFont("sans", "", 8)
		pdf.SetTextColor(91, 101, 112)
		pdf.CellFormat(width, 5, fmt.Sprintf("Postmortem %d, version %d, %s. Page %d of {pages}", d.Postmortem.Number, d.Postmortem.Version,
			d.Postmortem.StateName(), pdf.PageNo()), "", 0, "C", false, 0, "")
	})
	pdf.AddPage()
	return writer{pdf}
}

// printable leaves out what the fonts cannot show: characters beyond the basic plane would end the document.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f:
			return -1
		case r == '☐':
			return '□'
		case r == '☑':
			return '■'
		case r > 0xFFFF:
			return '□'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func (w writer) style(s span, size float64) {
	w.pdf.SetTextColor(28, 32, 36)
	switch {
	case s.code:
		w.pdf.SetFont("mono", "", size-1)
	case s.bold:
		w.pdf.SetFont("sans", "B", size)
	case s.italic:
		w.pdf.SetFont("sans", "I", size)
		w.pdf.SetTextColor(91, 101, 112)
	default:
		w.pdf.SetFont("sans", "", size)
	}
	if s.link != "" {
		w.pdf.SetTextColor(11, 92, 173)
	}
}

// flow writes spans one after the other, broken at the margins.
func (w writer) flow(spans []span) {
	for _, s := range spans {
		w.style(s, textSize)
		if s.link != "" {
			w.pdf.WriteLinkString(leading, printable(s.text), s.link)
			continue
		}
		w.pdf.Write(leading, printable(s.text))
	}
	w.pdf.Ln(leading)
}

func (w writer) heading(level int, text string) {
	if level > 1 {
		w.pdf.Ln(3)
	}
	if w.pdf.GetY() > 297-margin-20 { // never alone at the end of a page
		w.pdf.AddPage()
	}
	w.pdf.SetTextColor(28, 32, 36)
	size := headingSizes[level-1]
	w.pdf.SetFont("sans", "B", size)
	w.pdf.MultiCell(width, size*0.5, printable(text), "", "L", false)
	w.pdf.Ln(1.5)
}

func (w writer) block(b block) {
	switch b.kind {
	case heading:
		w.heading(b.level, textOf(b.lines))
	case item:
		w.item(b)
	case quote:
		w.indented(margin+6, func() { w.flow(b.lines) })
		w.pdf.Ln(1.5)
	case code:
		w.style(span{code: true}, textSize)
		w.pdf.SetFillColor(243, 245, 246)
		w.pdf.MultiCell(width, 4.4, printable(textOf(b.lines)), "", "L", true)
		w.pdf.Ln(2)
	case table:
		w.table(b)
	case rule:
		y := w.pdf.GetY() + 1
		w.pdf.SetDrawColor(217, 221, 225)
		w.pdf.Line(margin, y, margin+width, y)
		w.pdf.Ln(3)
	default:
		w.flow(b.lines)
		w.pdf.Ln(1.5)
	}
}

func (w writer) item(b block) {
	left := margin + indent*float64(b.level)
	w.pdf.SetX(left)
	w.style(span{}, textSize)
	w.pdf.CellFormat(indent+1, leading, printable(b.mark), "", 0, "L", false, 0, "")
	w.indented(left+indent+1, func() { w.flow(b.lines) })
}

// indented writes with another left margin.
func (w writer) indented(left float64, write func()) {
	w.pdf.SetLeftMargin(left)
	w.pdf.SetX(left)
	write()
	w.pdf.SetLeftMargin(margin)
	w.pdf.SetX(margin)
}

func (w writer) facts(rows [][2]string) {
	for _, row := range rows {
		w.row([]string{row[0], row[1]}, []float64{32, width - 32}, nil, row[0])
	}
	w.pdf.Ln(2)
}

func (w writer) table(b block) {
	texts := make([][]string, 0, len(b.rows))
	for _, row := range b.rows {
		line := make([]string, len(row))
		for n, cell := range row {
			line[n] = printable(textOf(cell))
		}
		texts = append(texts, line)
	}
	w.pdf.SetFont("sans", "B", textSize-1.5) // the widest it gets
	widths := w.widths(texts)
	for n, row := range texts {
		switch {
		case n > 0:
			w.row(row, widths, b.right, "")
		case b.headed:
			w.row(row, widths, b.right, "*")
		}
	}
	w.pdf.Ln(2.5)
}

// widths gives each column what it asks for, and where that is too much, the wide ones share what the narrow ones leave.
func (w writer) widths(rows [][]string) []float64 {
	want := make([]float64, len(rows[0]))
	for _, row := range rows {
		for n, text := range row {
			want[n] = max(want[n], w.pdf.GetStringWidth(text)+4, 8)
		}
	}
	out := make([]float64, len(want))
	room, open := width, len(want)
	for open > 0 {
		fair, took := room/float64(open), false
		for n := range want {
			if out[n] == 0 && want[n] <= fair {
				out[n], took = want[n], true
				room -= want[n]
				open--
			}
		}
		if !took {
			for n := range out {
				if out[n] == 0 {
					out[n] = fair
				}
			}
			break
		}
	}
	return out
}

// row writes one row of a table with a line below it. strong is the cell in bold letters, or "*" for all of them.
func (w writer) row(cells []string, widths []float64, right []bool, strong string) {
	const size, high = textSize - 1.5, 4.2
	lines := make([][]string, len(cells))
	most := 1
	font := func(cell string) {
		style := ""
		if strong == "*" || (strong != "" && cell == strong) {
			style = "B"
		}
		w.pdf.SetFont("sans", style, size)
		w.pdf.SetTextColor(28, 32, 36)
	}
	for n, cell := range cells {
		font(cell)
		lines[n] = w.pdf.SplitText(printable(cell), max(widths[n]-3, 4))
		most = max(most, len(lines[n]))
	}
	for from := 0; from < most; { // a row may go on over pages
		if w.pdf.GetY()+high+2 > 297-margin {
			w.pdf.AddPage()
		}
		fits := min(max(int((297-margin-w.pdf.GetY()-2)/high), 1), most-from)
		top, x := w.pdf.GetY()+0.8, margin
		for n := range cells {
			font(cells[n])
			for k := from; k < min(from+fits, len(lines[n])); k++ {
				w.pdf.SetXY(x, top+float64(k-from)*high)
				w.pdf.CellFormat(widths[n]-1, high, lines[n][k], "", 0, align(right, n), false, 0, "")
			}
			x += widths[n]
		}
		from += fits
		w.pdf.SetXY(margin, top+float64(fits)*high+0.8)
	}
	w.pdf.SetDrawColor(228, 231, 234)
	w.pdf.Line(margin, w.pdf.GetY(), margin+width, w.pdf.GetY())
}

func align(right []bool, n int) string {
	if n < len(right) && right[n] {
		return "R"
	}
	return "L"
}
