package slo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/manifest"
)

// BenchmarkThousandSLOs reads a thousand definitions and writes their rules.
func BenchmarkThousandSLOs(b *testing.B) {
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = strings.Replace(shopText, "service: shop", fmt.Sprintf("service: shop-%d", i), 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		var all []RuleGroups
		for _, text := range texts {
			docs, _ := manifest.Read(manifest.File{Name: "f", Text: text})
			s, problems := ReadSLO(docs[0])
			rg, err := s.Rules()
			if len(problems) > 0 || err != nil {
				b.Fatal(problems, err)
			}
			all = append(all, rg)
		}
		text, err := MarshalRules(all)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}
