package slo

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/nines-sre/nines/internal/fault"
)

// chunk is how many SLOs' rules are made at a time by one worker: about a megabyte of text.
const chunk = 32

// made is the text of a chunk's rules and what could not be made.
type made struct {
	out    *ruleDocument
	failed []error
}

// documents are used again, so that memory does not grow with the number of SLOs.
var documents = sync.Pool{New: func() any { return &ruleDocument{} }}

// WriteRules writes the rules of all SLOs as one YAML document, on all processors, a part at a time and in the order
// given; memory does not grow with their number. An SLO whose rules cannot be made or whose id was already written is
// left out: the error joins what was, fault.Invalid or fault.Conflict each, and the document holds the rest. A writer
// that fails ends it. o.RunbookURL is called from several goroutines.
func WriteRules(to io.Writer, slos []SLO, o RuleOptions) error {
	var head ruleDocument
	head.begin(len(slos))
	_, err := to.Write(head.b)
	slos, failed := withoutRepeats(slos)
	failed = append(failed, err)
	for part := range inOrder(slos, func(some []SLO) made { return makeRules(some, o) }) {
		if err == nil {
			_, err = to.Write(part.out.b)
			failed = append(append(failed, part.failed...), err)
		}
		documents.Put(part.out)
	}
	return errors.Join(failed...)
}

// withoutRepeats leaves out SLOs whose id came before.
func withoutRepeats(slos []SLO) ([]SLO, []error) {
	seen := make(map[string]bool, len(slos))
	var failed []error
	for _, s := range slos {
		if seen[s.ID] {
			failed = append(failed, fault.New(fault.Conflict, "two SLOs have the id %q; rename one", s.ID))
		}
		seen[s.ID] = true
	}
	if len(failed) == 0 {
		return slos, nil
	}
	return slices.DeleteFunc(slices.Clone(slos), func(s SLO) bool {
		first := seen[s.ID]
		seen[s.ID] = false
		return !first
	}), failed
}

// inOrder gives the chunks' results in order, while a few of those ahead are being made.
func inOrder(slos []SLO, makeOne func([]SLO) made) <-chan made {
	ahead := make(chan chan made, runtime.GOMAXPROCS(0))
	go func() {
		defer close(ahead)
		for some := range slices.Chunk(slos, chunk) {
			one := make(chan made, 1)
			ahead <- one
			go func() { one <- makeOne(some) }()
		}
	}()
	out := make(chan made)
	go func() {
		defer close(out)
		for one := range ahead {
			out <- <-one
		}
	}()
	return out
}

func makeRules(slos []SLO, o RuleOptions) made {
	m := made{out: documents.Get().(*ruleDocument)}
	m.out.b = m.out.b[:0]
	var d draft
	for _, s := range slos {
		whole := len(m.out.b)
		if err := s.writeRules(m.out, o, &d); err != nil {
			m.out.b = m.out.b[:whole]
			m.failed = append(m.failed, err)
		}
	}
	return m
}
