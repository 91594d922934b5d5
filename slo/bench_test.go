package slo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
)

// thousand returns a thousand SLOs as they are read.
func thousand(b *testing.B) []SLO {
	b.Helper()
	out := make([]SLO, 1000)
	for i := range out {
		docs, _ := manifest.Read(manifest.File{Name: "f", Text: strings.Replace(shopText, "service: shop", fmt.Sprintf("service: shop-%d", i), 1)})
		s, problems := ReadSLO(docs[0])
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		out[i] = s
	}
	return out
}

// BenchmarkReadSLO reads a definition.
func BenchmarkReadSLO(b *testing.B) {
	docs, _ := manifest.Read(manifest.File{Name: "f", Text: shopText})
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := ReadSLO(docs[0]); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
