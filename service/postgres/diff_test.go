package postgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDifferencesReadLikeDiff(t *testing.T) {
	t.Parallel()
	long := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n"
	for _, c := range []struct{ name, before, after, want string }{
		{"equal texts have none", "a\n", "a\n", ""},
		{"all new", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"all gone", "a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"a missing newline shows", "a\n", "a", "@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file\n"},
		{"three lines around a change", long, strings.Replace(long, "8\n", "x\n", 1), "@@ -5,7 +5,7 @@\n 5\n 6\n 7\n-8\n+x\n 9\n 10\n 11\n"},
		{
			"changes far apart are two", long, strings.Replace(strings.Replace(long, "2\n", "x\n", 1), "15\n", "y\n", 1),
			"@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n 4\n 5\n@@ -12,5 +12,5 @@\n 12\n 13\n 14\n-15\n+y\n 16\n",
		},
	} {
		got := unifiedDiff("n", c.before, c.after)
		if _, got, _ = strings.Cut(got, "+++ n\n"); got != c.want {
			t.Errorf("%s: got:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

// TestPatchUnderstandsOurDiffs hands random differences to the real patch, where there is one.
func TestPatchUnderstandsOurDiffs(t *testing.T) {
	t.Parallel()
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("no patch on PATH")
	}
	dir := t.TempDir()
	lines := rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", ""}), 0, 30).Draw(t, "lines"), "\n")
		if rapid.Bool().Draw(t, "newline") && text != "" {
			text += "\n"
		}
		return text
	})
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		before, after := lines.Draw(t, "before"), lines.Draw(t, "after")
		if runs++; before == after || before == "" || after == "" || runs > 40 {
			return
		}
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(patch, "--silent", "--fuzz=0", file)
		diff := unifiedDiff("file", before, after)
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v: %s\n%s", err, out, diff)
		}
		if got, _ := os.ReadFile(file); string(got) != after {
			t.Fatalf("patched %q, want %q\n%s", got, after, diff)
		}
	})
}

func TestALargeDifferenceIsShownAsAWhole(t *testing.T) {
	t.Parallel()
	before, after := strings.Repeat("a\nb\n", 3000), strings.Repeat("b\nc\n", 3000)
	diff := unifiedDiff("n", before, after)
	if strings.Count(diff, "\n") < 12_000 || !strings.HasPrefix(diff, "--- n") {
		t.Errorf("got %d lines", strings.Count(diff, "\n"))
	}
}
