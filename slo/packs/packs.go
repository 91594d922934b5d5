// Package packs holds ready promises for the technologies that most services stand on: SLO documents with the metric
// names of the usual exporters, each with its runbook and with parameters that are put in safely. It leaves out where
// the files go and who applies them; its documents are ordinary nines/v1 files that are edited afterwards like any other.
package packs

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

//go:embed content
var content embed.FS

// names are the packs in the order in which they are shown: from the request inwards.
var names = []string{"http", "grpc", "llm", "postgres", "redis", "clickhouse", "kafka", "queue", "batch", "airflow", "kubernetes"}

// Names returns the packs' names in the order in which they are shown.
func Names() []string { return slices.Clone(names) }

// All returns every pack in the order of Names.
func All() []Pack {
	out := make([]Pack, 0, len(names))
	for _, name := range names {
		p, err := read(name)
		if err != nil {
			panic(fmt.Sprintf("packs: %s cannot be read: %v", name, err)) // only a broken build
		}
		out = append(out, p)
	}
	return out
}

// Get returns the pack of that name. Any other name is fault.Invalid and says which there are.
func Get(name string) (Pack, error) {
	if !slices.Contains(names, name) {
		return Pack{}, fault.New(fault.Invalid, "there is no pack %q; the packs are %s", clip(name), strings.Join(names, ", "))
	}
	return read(name)
}

func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
