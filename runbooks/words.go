package runbooks

import (
	"errors"
	"strings"
)

// words makes the arguments of a command: words apart at spaces and line ends, "..." and '...' keeping theirs, and a
// backslash before a line end going on. There is no shell: $, |, ;, > and * mean nothing. A variable is part of one
// word whatever it holds, and never the command's name. Without values a variable stands for itself.
func words(parts []part, v Values) ([]string, error) {
	w := wordReader{}
	for _, p := range parts {
		if p.variable == "" {
			w.read(p.text)
			continue
		}
		value := "x"
		if v != nil {
			var err error
			if value, err = p.value(v); err != nil {
				return nil, err
			}
		}
		if len(w.out) == 0 {
			return nil, errors.New("the command itself cannot be a variable")
		}
		if strings.ContainsRune(value, 0) {
			return nil, errors.New("a value holds a NUL byte, which no argument can")
		}
		if w.word.Len() == 0 && v != nil && strings.HasPrefix(value, "-") {
			return nil, errors.New("a value begins with a dash and would be read as an option; write it behind an option and =")
		}
		w.open = true
		w.word.WriteString(value)
	}
	if w.quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	w.end()
	if len(w.out) == 0 {
		return nil, errors.New("names no command")
	}
	return w.out, nil
}

type wordReader struct {
	out   []string
	word  strings.Builder
	open  bool // a word has begun
	quote byte
}

func (w *wordReader) end() {
	if w.open {
		w.out = append(w.out, w.word.String())
	}
	w.word.Reset()
	w.open = false
}

func (w *wordReader) read(text string) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case w.quote != 0 && c == w.quote:
			w.quote = 0
		case w.quote != 0:
			w.word.WriteByte(c)
		case c == '"' || c == '\'':
			w.quote, w.open = c, true
		case c == '\\' && i+1 < len(text) && text[i+1] == '\n':
			i++
			w.end()
		case c == ' ' || c == '\t' || c == '\n':
			w.end()
		default:
			w.open = true
			w.word.WriteByte(c)
		}
	}
}
