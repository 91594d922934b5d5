package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nines-sre/nines"

var update = flag.Bool("update", false, "write imports.golden anew")

// edges are the outside packages whose place in the structure is worth seeing.
var edges = []string{"github.com/gofiber/fiber/v2", "github.com/jackc/pgx/v5", "github.com/prometheus/prometheus/tsdb",
	"github.com/prometheus/prometheus/scrape", "github.com/prometheus/prometheus/rules", "github.com/grafana/loki-client-go"}

// imports.golden is the picture of who imports whom. The test forbids nothing: a changed picture shows in the diff, and
// `go test ./docs -update` draws it anew.
func TestImportsArePictured(t *testing.T) {
	got := picture(t)
	if *update {
		if err := os.WriteFile("imports.golden", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("imports.golden")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the imports have changed; look at them and run: go test ./docs -update\n%s", got)
	}
}

func picture(t *testing.T) []byte {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var b bytes.Buffer
	for dec := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return b.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		if shown := shown(p.Imports); len(shown) > 0 {
			fmt.Fprintf(&b, "%s\n    %s\n", short(p.ImportPath), strings.Join(shown, "\n    "))
		}
	}
}

func shown(imports []string) []string {
	var out []string
	for _, i := range imports {
		if strings.HasPrefix(i, module) {
			out = append(out, short(i))
			continue
		}
		for _, e := range edges {
			if i == e || strings.HasPrefix(i, e+"/") {
				out = append(out, "("+e+")")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }
