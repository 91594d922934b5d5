package slo

import "github.com/nines-sre/nines/internal/manifest"

// Note is something that a reader understood but that Nines does otherwise than the format means it, or not at all.
type Note struct {
	manifest.Problem
	// Blocks tells that a promise was left out, so that applying the document would keep less than it says. Reading,
	// checking and converting go on; applying is refused.
	Blocks bool
}

// Notes is every note on a set of documents.
type Notes []Note

// Blocking returns the notes that stand in the way of applying, as problems.
func (ns Notes) Blocking() manifest.Problems {
	var out manifest.Problems
	for _, n := range ns {
		if n.Blocks {
			out = append(out, n.Problem)
		}
	}
	return out
}
