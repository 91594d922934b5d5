package account

import (
	"strconv"
	"strings"
)

// names makes names of definitions out of what people wrote: lower-case letters, digits and dashes, each once.
type names struct{ taken map[string]bool }

func newNames() *names { return &names{map[string]bool{}} }

const maxName = 63

// of returns a name; id stands in where nothing of the text can be used.
func (n *names) of(text, id string) string {
	base := slug(text)
	if base == "" {
		base = slug(id)
	}
	if base == "" {
		base = "unnamed"
	}
	name := base
	for again := 2; n.taken[name]; again++ {
		suffix := "-" + strconv.Itoa(again)
		name = strings.TrimRight(base[:min(len(base), maxName-len(suffix))], "-") + suffix
	}
	n.taken[name] = true
	return name
}

func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= maxName {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}
