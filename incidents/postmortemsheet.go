package incidents

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// Sheet writes people's words as a file that can be edited and read back with ReadSheet. Figures and prompts are not part
// of it but for comments that tell what is asked for.
func (p Postmortem) Sheet() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- postmortem: %d version: %d -->\n", p.Number, p.Version)
	fmt.Fprintf(&b, "<!-- title: %s -->\n<!-- none-needed: %s -->\n", comment(p.Title), comment(p.NoneNeeded))
	for _, s := range p.Sections {
		need := ""
		if s.Required {
			need = " (required)"
		}
		fmt.Fprintf(&b, "\n<!-- section: %s -->\n<!-- %s%s: %s -->\n", s.Key, comment(s.Title), need, comment(s.Prompt))
		if s.Text != "" {
			b.WriteString(s.Text + "\n")
		}
	}
	return b.String()
}

// comment keeps a text within the comment of one line.
func comment(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "-->", "→")), " ")
}

var (
	sheetHead    = regexp.MustCompile(`^<!-- postmortem: (\d{1,18}) version: (\d{1,9}) -->$`)
	sheetField   = regexp.MustCompile(`^<!-- (title|none-needed): ?(.*?) ?-->$`)
	sheetSection = regexp.MustCompile(`^<!-- section: ([a-z0-9-]{1,63}) -->$`)
	sheetComment = regexp.MustCompile(`^<!-- .*-->$`)
)

// ReadSheet reads a file that Sheet wrote and people edited. It returns the number of the postmortem and the edit, which
// names all sections of the file. A file without its first line, or with a section twice, is a fault.Invalid that names
// the line.
func ReadSheet(text string) (number int64, e Edit, err error) {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	head := sheetHead.FindStringSubmatch(strings.TrimPrefix(lines[0], "\uFEFF"))
	if head == nil {
		return 0, e, fault.New(fault.Invalid, "line 1: is not like <!-- postmortem: 7 version: 3 -->; write the file with 'nines postmortem show 7 --edit' and keep its first line")
	}
	number, _ = strconv.ParseInt(head[1], 10, 64)
	e.Base, _ = strconv.Atoi(head[2])
	e.Texts = map[string]string{}
	key, body, opening := "", []string{}, false
	end := func() {
		if key != "" {
			e.Texts[key] = tidy(strings.TrimLeft(strings.Join(body, "\n"), "\n"))
		}
		body = nil
	}
	for n, line := range lines[1:] {
		if m := sheetSection.FindStringSubmatch(line); m != nil {
			end()
			if _, again := e.Texts[m[1]]; again || key == m[1] {
				return 0, e, fault.New(fault.Invalid, "line %d: has the section %s a second time", n+2, m[1])
			}
			key, opening = m[1], true
			continue
		}
		if m := sheetField.FindStringSubmatch(line); m != nil && key == "" {
			value := strings.TrimSpace(m[2])
			if m[1] == "title" {
				e.Title = &value
			} else {
				e.NoneNeeded = &value
			}
			continue
		}
		if opening && sheetComment.MatchString(line) { // what is asked for
			opening = false
			continue
		}
		opening = false
		body = append(body, line)
	}
	end()
	return number, e, nil
}
