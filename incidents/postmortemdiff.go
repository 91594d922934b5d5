package incidents

import "strings"

// DiffLine is one line of a comparison.
type DiffLine struct {
	Sign string `json:"sign"` // "+" added, "-" taken away, "" the same
	Text string `json:"text"`
}

// SectionDiff is what a save changed in one place.
type SectionDiff struct {
	Section string     `json:"section"` // key, or title, owner and noneNeeded
	Title   string     `json:"title"`
	Lines   []DiffLine `json:"lines"`
	Figures bool       `json:"figures"` // the figures were filled in anew
}

// maxCompared bounds the work of one comparison, as lines of one text times lines of the other.
const maxCompared = 4_000_000

// Compare returns what changed from one version to a later one, in the later one's order of sections. The zero version
// compares with nothing.
func Compare(before, after PostmortemVersion) []SectionDiff {
	var out []SectionDiff
	add := func(key, title, was, is string, figures bool) {
		d := SectionDiff{Section: key, Title: title, Figures: figures}
		if was != is {
			d.Lines = diffLines(was, is)
		}
		if d.Lines != nil || figures {
			out = append(out, d)
		}
	}
	add("title", "Title", before.Title, after.Title, false)
	add("owner", "Owner", before.Owner, after.Owner, false)
	add("noneNeeded", "Why no action item is needed", before.NoneNeeded, after.NoneNeeded, false)
	old := Postmortem{Sections: before.Sections}
	for _, s := range after.Sections {
		was := old.Section(s.Key)
		if was == nil {
			was = &Section{}
		}
		add(s.Key, s.Title, was.Text, s.Text, was.Figures != s.Figures)
	}
	return out
}

// diffLines compares by the longest common subsequence of lines. Texts too long for that are shown whole.
func diffLines(was, is string) []DiffLine {
	a, b := linesOf(was), linesOf(is)
	if len(a)*len(b) > maxCompared {
		return append(signed("-", a), signed("+", b)...)
	}
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
	var out []DiffLine
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, DiffLine{"", a[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, DiffLine{"-", a[i]})
			i++
		default:
			out = append(out, DiffLine{"+", b[j]})
			j++
		}
	}
	return append(append(out, signed("-", a[i:])...), signed("+", b[j:])...)
}

func linesOf(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func signed(sign string, lines []string) []DiffLine {
	out := make([]DiffLine, 0, len(lines))
	for _, text := range lines {
		out = append(out, DiffLine{sign, text})
	}
	return out
}
