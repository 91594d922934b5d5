// Package runbooks holds what to do when a shipped alert fires, one Markdown page an alert, and the alerts about Nines
// itself. It leaves out showing them: the UI, the pages that are sent and the engine's rule folder are elsewhere.
package runbooks

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

//go:embed *.md
var pages embed.FS

// Read returns the Markdown of the runbook of that name, such as "slo-burn", with or without ".md"; false where there is
// none.
func Read(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".md")
	if !slices.Contains(Names(), name) {
		return "", false
	}
	p, err := Shipped(name)
	return p.Text, err == nil
}

// Shipped returns the runbook of that name that comes with Nines; its error is a fault.NotFound where there is none.
func Shipped(name string) (Page, error) {
	text, err := pages.ReadFile(name + ".md")
	if err != nil {
		return Page{}, fault.New(fault.NotFound, "no runbook named %q comes with Nines", name)
	}
	return parsePage(name+".md", string(text))
}

// Names returns the runbooks' names in order.
func Names() []string {
	files, err := pages.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("runbooks: the embedded folder cannot be read: %v", err)) // only a broken build
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".md"))
	}
	return names
}

// URL returns where the runbook is shown by the control plane that people reach at base.
func URL(base, name string) string {
	return strings.TrimRight(base, "/") + "/runbooks/" + strings.TrimSuffix(name, ".md")
}
