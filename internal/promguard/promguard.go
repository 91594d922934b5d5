// Package promguard stands in front of the PromQL parser, whose time grows with the square of nesting and chain length
// and which nothing can interrupt. It bounds an expression's shape only; what a query costs to run is the engine's limits.
package promguard

import (
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// What an expression may have. With all of them met, parsing takes well under 0.1 s.
const (
	MaxBytes     = 8 << 10 // length of the text
	MaxNesting   = 200     // of (, [ and { inside each other
	MaxOperators = 1000    // binary and unary operators, ranges and subqueries together
)

// Check returns nil, or a fault.Invalid that says what is too much and at which byte
// (counted from 1) it became so. It reads the text once and never parses; an expression that passes may still be wrong.
func Check(expr string) error {
	if len(expr) > MaxBytes {
		return fault.New(fault.Invalid, "the query has %d bytes; at most %d are allowed", len(expr), MaxBytes)
	}
	s := scanner{text: expr}
	for s.pos < len(s.text) {
		s.step()
		if len(s.open) > MaxNesting {
			return fault.New(fault.Invalid, "the query nests more than %d levels deep at position %d; simplify it", MaxNesting, s.pos)
		}
		if s.operators > MaxOperators {
			return fault.New(fault.Invalid, "the query has more than %d operators at position %d; split it or use a regular expression matcher", MaxOperators, s.pos)
		}
	}
	return nil
}

// scanner walks over an expression token by token, knowing just enough to tell code from strings and comments.
type scanner struct {
	text      string
	pos       int
	open      []byte // brackets not yet closed
	operators int
}

// step moves past one token.
func (s *scanner) step() {
	c := s.text[s.pos]
	switch {
	case c == '"' || c == '\'':
		s.pos = endOfString(s.text, s.pos)
	case c == '`':
		s.pos = after(s.text, s.pos+1, '`')
	case c == '#':
		s.pos = after(s.text, s.pos+1, '\n')
	case c == '(' || c == '[' || c == '{':
		s.bracket(c)
	case c == ')' || c == ']' || c == '}':
		s.open = s.open[:max(0, len(s.open)-1)]
		s.pos++
	case isWord(c):
		s.word()
	default:
		s.symbol()
	}
}

// bracket opens one. A range or subquery wraps what stands before it, so it counts as an operator too.
func (s *scanner) bracket(c byte) {
	s.open = append(s.open, c)
	if c == '[' {
		s.operators++
	}
	s.pos++
}

func (s *scanner) word() {
	start := s.pos
	for s.pos < len(s.text) && isWord(s.text[s.pos]) {
		s.pos++
	}
	switch strings.ToLower(s.text[start:s.pos]) {
	case "and", "or", "unless", "atan2":
		s.operators++
	}
}

// symbol counts a run such as ">=" once: every operator of two characters ends in = or ~. Inside braces the same
// characters are label matchers, which the parser reads in linear time.
func (s *scanner) symbol() {
	c := s.text[s.pos]
	s.pos++
	if !strings.ContainsRune("+-*/%^=!<>", rune(c)) || s.inBraces() {
		return
	}
	s.operators++
	if s.pos < len(s.text) && (s.text[s.pos] == '=' || s.text[s.pos] == '~') {
		s.pos++
	}
}

func (s *scanner) inBraces() bool { return len(s.open) > 0 && s.open[len(s.open)-1] == '{' }

func isWord(c byte) bool {
	return c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// endOfString returns the position after the quoted string that starts at i, or the end of the text if it never ends.
func endOfString(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(text)
}

// after returns the position behind the next c at or after i, or the end of the text.
func after(text string, i int, c byte) int {
	if n := strings.IndexByte(text[i:], c); n >= 0 {
		return i + n + 1
	}
	return len(text)
}
