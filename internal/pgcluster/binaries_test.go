package pgcluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nines-sre/nines/internal/fault"
)

// install makes a folder that looks like a PostgreSQL of the version; without lists what it lacks.
func install(t *testing.T, dir string, version string, without ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		if len(without) > 0 && without[0] == name {
			continue
		}
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBinariesAreTakenWhereAllOfThemAre(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lone := install(t, filepath.Join(root, "lone"), "17.1", "initdb")
	old := install(t, filepath.Join(root, "lib", "13", "bin"), "13.9 (Debian 13.9-0+deb11u1)")
	fifteen := install(t, filepath.Join(root, "lib", "15", "bin"), "15.18")
	nine := install(t, filepath.Join(root, "lib", "9", "bin"), "9.6.24")
	sixteen := install(t, filepath.Join(root, "lib", "16", "bin"), "16beta1")
	linked := filepath.Join(root, "linked")
	if err := os.MkdirAll(linked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(fifteen, "postgres"), filepath.Join(linked, "postgres")); err != nil {
		t.Fatal(err)
	}
	globs := []string{filepath.Join(root, "lib", "*", "bin")}

	for _, c := range []struct{ name, path, bindir, madeBy, want string }{
		{"the newest of the usual places", "", "", "", sixteen},
		{"a postgres on PATH without initdb is passed over", lone, "", "", sixteen},
		{"a link on PATH is followed to its siblings", linked, "", "", fifteen},
		{"pg_config counts before the usual places", "", fifteen, "", fifteen},
		{"one that is too old does not count", old, nine, "", sixteen},
		{"data stay with the version that made them", "", "", "15", fifteen},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := choose(candidates(c.path, c.bindir, globs), c.madeBy)
			if err != nil || b.dir != c.want {
				t.Errorf("got %s, %v; want %s", b.dir, err, c.want)
			}
		})
	}
}

func TestWithoutBinariesItSaysWhatToInstall(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old := install(t, filepath.Join(root, "13"), "13.9")
	for _, c := range []struct{ name, madeBy, want string }{
		{"none that is new enough", "", "apt-get install postgresql"},
		{"none that is new enough, on macOS", "", "brew install postgresql"},
		{"what was found is named", "", "13 in " + old},
		{"data of another version", "16", "apt-get install postgresql-16"},
	} {
		_, err := choose([]string{old, filepath.Join(root, "nothing")}, c.madeBy)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.want)
		}
	}
}
