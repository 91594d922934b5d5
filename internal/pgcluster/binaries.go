package pgcluster

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
)

// minMajor is the oldest PostgreSQL that works: views with security_invoker and the owner's public schema came with it.
const minMajor = 15

const howToInstall = `install PostgreSQL 15 or later: "apt-get install postgresql" on Debian and Ubuntu, ` +
	`"brew install postgresql@17" on macOS; or name a database of your own with --database-url`

// binaries is a folder that has all we need of one PostgreSQL version.
type binaries struct {
	dir, postgres, initdb string
	major                 int
}

// installed are the places where packages put PostgreSQL, beside PATH.
var installed = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // Red Hat, Rocky
	"/opt/homebrew/opt/postgresql@*/bin", "/opt/homebrew/opt/postgresql/bin",
	"/usr/local/opt/postgresql@*/bin", "/usr/local/opt/postgresql/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findBinaries returns the PostgreSQL to use: the first suitable one in order of PATH, pg_config and the usual places,
// newest first. A cluster that exists needs the version that made it.
func findBinaries(madeBy string) (binaries, error) {
	return choose(candidates(os.Getenv("PATH"), pgConfigBindir(), installed), madeBy)
}

func choose(dirs []string, madeBy string) (binaries, error) {
	var seen []string
	for _, dir := range dirs {
		b, err := inspect(dir)
		if err != nil {
			continue
		}
		if b.major >= minMajor && (madeBy == "" || madeBy == strconv.Itoa(b.major)) {
			return b, nil
		}
		seen = append(seen, fmt.Sprintf("%d in %s", b.major, dir))
	}
	found := "none was found"
	if len(seen) > 0 {
		found = "found only " + strings.Join(seen, ", ")
	}
	if madeBy != "" {
		return binaries{}, fault.New(fault.Unavailable,
			"the data folder was made by PostgreSQL %s and needs that version; %s: install it beside the other (\"apt-get install postgresql-%s\", \"brew install postgresql@%s\")",
			madeBy, found, madeBy, madeBy)
	}
	return binaries{}, fault.New(fault.Unavailable, "the built-in database needs PostgreSQL %d or later; %s: %s", minMajor, found, howToInstall)
}

// candidates lists folders that might have PostgreSQL, best first, without repetition. A link on PATH is followed: only
// the folder it leads to has the rest.
func candidates(path, bindir string, globs []string) []string {
	var dirs []string
	add := func(dir string) {
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			add(filepath.Dir(real))
			add(dir)
		}
	}
	add(bindir)
	for _, glob := range globs {
		found, _ := filepath.Glob(glob)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(numberIn(b), numberIn(a)) })
		for _, dir := range found {
			add(dir)
		}
	}
	return dirs
}

var digits = regexp.MustCompile(`[0-9]+`)

// numberIn returns the last number in a path, which in the usual places is the version; 0 where there is none.
func numberIn(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1])
	return n
}

func pgConfigBindir() string {
	out, err := exec.Command("pg_config", "--bindir").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// inspect returns what the folder has, or an error where anything is missing.
func inspect(dir string) (binaries, error) {
	b := binaries{dir: dir, postgres: filepath.Join(dir, "postgres"), initdb: filepath.Join(dir, "initdb")}
	for _, path := range []string{b.postgres, b.initdb} {
		info, err := os.Stat(path)
		if err != nil {
			return b, err
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return b, fmt.Errorf("%s is not executable", path)
		}
	}
	out, err := exec.Command(b.postgres, "--version").Output()
	if err != nil {
		return b, fmt.Errorf("%s --version: %w", b.postgres, err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return b, fmt.Errorf("%s --version says %q", b.postgres, out)
	}
	b.major, err = strconv.Atoi(string(match[1]))
	return b, err
}
