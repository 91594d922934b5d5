package oncall

import (
	"archive/zip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// zones returns every zone of the tz database that comes with the Go that runs the test.
func zones(t *testing.T) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var names []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}

// clocks are handoffs at which zones change their clocks, and one at which none does.
var clocks = []string{"00:00", "01:30", "02:15", "09:00", "23:45"}

func TestNoZoneHasAGapOrAnOverlapInTenYears(t *testing.T) {
	names := zones(t)
	if len(names) < 400 {
		t.Fatalf("the tz database has only %d zones", len(names))
	}
	step := 1
	if testing.Short() {
		step = 9
	}
	for i := 0; i < len(names); i += step {
		zone := zoneOf(t, names[i])
		clock := clocks[i%len(clocks)]
		checkTenYears(t, rotation(Daily, 1, local(t, zone, "2019-12-31 "+clock), zone, "ana", "bo", "cy"))
		checkTenYears(t, rotation(Monthly, 1, local(t, zone, "2019-12-31 "+clock), zone, "ana", "bo"))
		if i%20 == 0 {
			checkTenYears(t, rotation(Hourly, 5, local(t, zone, "2019-12-31 "+clock), zone, "ana", "bo"))
		}
	}
}

// checkTenYears looks at each turn of ten years: it begins when the one before ends, at the clock asked for.
func checkTenYears(t *testing.T, l Layer) {
	t.Helper()
	c := l.turns()
	from, to := l.Rotation.Start, l.Rotation.Start.AddDate(10, 0, 0)
	seamless(t, Schedule{Layers: []Layer{l}}, from, to)
	end := c.handoff(0)
	for n := 0; end.Before(to); n++ {
		begin := end
		if end = c.handoff(n + 1); end.Before(begin) {
			t.Fatalf("%s: turn %d ends at %s before it begins at %s", l.Rotation.Zone, n, end, begin)
		}
		checkClock(t, c, n, begin)
	}
}

// checkClock fails unless the clock shows at the instant what was asked for, for the first time; or has just jumped over it.
func checkClock(t *testing.T, c turns, n int, at time.Time) {
	t.Helper()
	want, got := c.wall(n), wallOf(at, c.Zone)
	start, _ := at.ZoneBounds()
	before := wallOf(at.Add(-time.Second), c.Zone)
	switch {
	case got < want, got > want && !(at.Equal(start) && before < want):
		t.Fatalf("%s: handoff %d is at %s, when the clock does not show what was asked for", c.Zone, n, at)
	case !start.IsZero() && start.After(at.Add(-26*time.Hour)) && !at.Equal(start):
		_, was := start.Add(-time.Second).Zone()
		if earlier := time.Unix(int64(want)-int64(was), 0); earlier.Before(start) {
			t.Fatalf("%s: handoff %d is at %s, but the clock showed the same at %s", c.Zone, n, at, earlier)
		}
	}
}
