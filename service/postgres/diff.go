package postgres

import (
	"fmt"
	"strings"
)

// unifiedDiff returns the difference of two texts as a unified diff with three lines of context, "" for none.
func unifiedDiff(name, before, after string) string {
	if before == after {
		return ""
	}
	edits := diffLines(splitLines(before), splitLines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s (applied)\n+++ %s\n", name, name)
	for _, h := range hunks(edits) {
		h.write(&b)
	}
	return b.String()
}

// splitLines keeps a missing newline at the end visible, as diff does.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	last := len(lines) - 1
	if lines[last] == "" {
		return lines[:last]
	}
	lines[last] += "\n\\ No newline at end of file\n"
	return lines
}

// edit is one line of the merged texts: ' ' kept, '-' removed, '+' added.
type edit struct {
	op   byte
	line string
}

// maxDiffCells bounds the table of the longest common subsequence; beyond it the middle is shown as replaced as a whole.
const maxDiffCells = 4 << 20

// diffLines merges the texts: common ends are kept, the middle by a longest common subsequence.
func diffLines(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	edits := mark(nil, ' ', a[:head])
	edits = append(edits, diffMiddle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return mark(edits, ' ', a[len(a)-tail:])
}

func mark(edits []edit, op byte, lines []string) []edit {
	for _, line := range lines {
		edits = append(edits, edit{op, line})
	}
	return edits
}

func diffMiddle(a, b []string) []edit {
	if len(a)*len(b) > maxDiffCells {
		return mark(mark(nil, '-', a), '+', b)
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var edits []edit
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			edits = append(edits, edit{' ', a[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			edits = append(edits, edit{'-', a[i]})
			i++
		default:
			edits = append(edits, edit{'+', b[j]})
			j++
		}
	}
	return mark(mark(edits, '-', a[i:]), '+', b[j:])
}

const diffContext = 3

// hunk is a run of edits with its context. Lines are counted from 0.
type hunk struct {
	fromA, fromB int
	edits        []edit
}

// hunks cuts the edits into runs of changes that are more than two contexts apart.
func hunks(edits []edit) []hunk {
	var found []hunk
	a, b, end := 0, 0, 0 // lines of either text before edits[i]; end of the last hunk
	for i, e := range edits {
		if e.op != ' ' && i >= end {
			start := max(i-diffContext, end)
			back := i - start
			end = hunkEnd(edits, i)
			found = append(found, hunk{a - back, b - back, edits[start:end]})
		}
		if e.op != '+' {
			a++
		}
		if e.op != '-' {
			b++
		}
	}
	return found
}

// hunkEnd returns where the hunk of the change at i ends: after the context of its last change.
func hunkEnd(edits []edit, i int) int {
	last := i
	for j := i; j < len(edits) && j <= last+2*diffContext; j++ {
		if edits[j].op != ' ' {
			last = j
		}
	}
	return min(last+1+diffContext, len(edits))
}

func (h hunk) write(b *strings.Builder) {
	var inA, inB int
	for _, e := range h.edits {
		if e.op != '+' {
			inA++
		}
		if e.op != '-' {
			inB++
		}
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(h.fromA, inA), span(h.fromB, inB))
	for _, e := range h.edits {
		b.WriteByte(e.op)
		b.WriteString(e.line)
	}
}

// span writes a range of lines as diff does: counted from 1, and the line before where it is empty.
func span(from, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, count)
}
