package oncall

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/internal/manifest"
)

func readSchedule(t *testing.T, spec string) (Schedule, []string) {
	t.Helper()
	text := "apiVersion: nines/v1\nkind: Schedule\nmetadata: {name: shop}\nspec:\n" + spec
	docs, problems := manifest.Read(manifest.File{Name: "s.yaml", Text: text})
	if len(docs) != 1 {
		t.Fatal(problems)
	}
	s, more := ReadSchedule(docs[0])
	var told []string
	for _, p := range append(problems, more...) {
		told = append(told, p.String())
	}
	return s, told
}

func TestAScheduleReadsAsPeopleWriteIt(t *testing.T) {
	s, problems := readSchedule(t, `
  description: first line
  zone: Europe/Vienna
  layers:
  - name: weeks
    rotation: weekly
    length: 2
    start: "2026-01-05 09:00"
    people: [Ana@example.com, [bo@example.com, cy@example.com], []]
  - priority: 1
    zone: Pacific/Auckland
    rotation: daily
    turns: worked
    start: 2026-01-05T09:00:00+13:00
    until: "2026-06-01"
    people: [kiri@example.com, tane@example.com]
    restrictions: ["Mon-Fri 20:00-08:00", "Sat,Sun"]
  - name: alone
    people: [dan@example.com]
    restrictions: ["Fri 17:00 to Mon 08:00"]
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	weeks, nights, alone := s.Layers[0], s.Layers[1], s.Layers[2]
	if s.Name != "shop" || s.Zone.String() != "Europe/Vienna" || weeks.Rotation.Zone.String() != "Europe/Vienna" || weeks.Rotation.Length != 2 {
		t.Errorf("read %+v", s)
	}
	if !weeks.Rotation.Start.Equal(instant(t, "2026-01-05T08:00:00Z")) || !nights.Rotation.Start.Equal(instant(t, "2026-01-04T20:00:00Z")) {
		t.Errorf("the starts are %s and %s", weeks.Rotation.Start, nights.Rotation.Start)
	}
	if weeks.Rotation.Parties[0][0] != "ana@example.com" || len(weeks.Rotation.Parties[1]) != 2 || len(weeks.Rotation.Parties[2]) != 0 {
		t.Errorf("the parties are %v", weeks.Rotation.Parties)
	}
	if nights.Name != "layer 2" || !nights.Worked || nights.Rotation.Zone.String() != "Pacific/Auckland" || nights.Until == nil || len(nights.Restrictions) != 2 {
		t.Errorf("the second layer is %+v", nights)
	}
	if len(alone.Restrictions) != 4 {
		t.Errorf("a weekend is %v", alone.Restrictions)
	}
	if people := s.People(); strings.Join(people, " ") != "ana@example.com bo@example.com cy@example.com dan@example.com kiri@example.com tane@example.com" {
		t.Errorf("the people are %v", people)
	}
}

func TestEveryProblemOfAScheduleIsNamedWithItsLine(t *testing.T) {
	_, problems := readSchedule(t, `
  layers:
  - name: weeks
    rotation: yearly
    length: 0
    start: "2026-13-05 09:00"
    people: [ana, [bo@example.com, BO@example.com]]
    restrictions: ["Mon-Fry 20:00-08:00", "25:00-26:00", ""]
    turns: sometimes
    zone: Mars/Base
    priority: -1
  - name: weeks
    until: "2026-01-01"
    from: "2026-02-01"
    turns: worked
    colour: red
`)
	for _, want := range []string{
		"s.yaml:4: spec.zone: is missing", "s.yaml:8: spec.layers.0.rotation", "s.yaml:9: spec.layers.0.length: is 0",
		`s.yaml:10: spec.layers.0.start: "2026-13-05 09:00" is no time`, `s.yaml:11: spec.layers.0.people.0: "ana" is not a mail address`,
		"s.yaml:11: spec.layers.0.people.1: names bo@example.com twice", `"fry" is no day of the week`, `"25:00-26:00" cannot be read`,
		"spec.layers.0.restrictions.2", `s.yaml:13: spec.layers.0.turns: "sometimes" is unknown`, `"Mars/Base" is no time zone`,
		"spec.layers.0.priority: is -1", `spec.layers.1.name: "weeks" is already`, "spec.layers.1.until: is not after from",
		"spec.layers.1.people: is missing", "spec.layers.1.rotation: is missing", "spec.layers.1.start: is missing", `spec.layers.1.turns: "worked" needs restrictions`,
		"colour",
	} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("nothing says %q", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(problems, "\n"))
	}
}

func TestAClockThatIsShownTwiceIsTheFirst(t *testing.T) {
	vienna := zoneOf(t, "Europe/Vienna")
	for text, want := range map[string]string{
		"2026-10-25 02:30":          "2026-10-25T00:30:00Z",
		"2026-03-29 02:30":          "2026-03-29T01:00:00Z",
		"2026-03-29T02:30:00+05:00": "2026-03-28T21:30:00Z",
	} {
		if at, ok := ParseMoment(text, vienna); !ok || !at.Equal(instant(t, want)) {
			t.Errorf("%s is %s, want %s", text, at, want)
		}
	}
}

func FuzzParseRestriction(f *testing.F) {
	for _, seed := range []string{"Mon-Fri 20:00-08:00", "Sat,Sun", "09:00-17:00", "Fri 17:00 to Mon 08:00", "wednesday 00:00-24:00", "Mon-", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := ParseRestriction(text)
		if err != nil {
			return
		}
		for _, r := range parts {
			if r.From < 0 || r.From >= 24*time.Hour || r.To <= 0 || r.To > 24*time.Hour {
				t.Fatalf("%q became %+v", text, r)
			}
			again, err := ParseRestriction(r.String())
			if err != nil || len(again) != 1 || again[0].String() != r.String() {
				t.Fatalf("%q was written as %q, which became %v, %v", text, r, again, err)
			}
		}
	})
}

func FuzzReadSchedule(f *testing.F) {
	f.Add("zone: Europe/Vienna\n  layers:\n  - rotation: daily\n    start: \"2026-01-05 09:00\"\n    turns: worked\n    people: [ana@example.com, [bo@example.com], []]\n    restrictions: [Mon-Fri, \"Fri 17:00 to Mon 08:00\"]\n")
	f.Add("zone: UTC\n  layers: [{people: [a@b.c]}, {rotation: hourly, length: 1000, start: 2199-12-31, people: [[a@b.c, d@e.f]], priority: 100, from: 1970-01-01}]\n")
	f.Add("zone: Pacific/Apia\n  layers: [{rotation: monthly, start: \"2011-12-30 09:00\", people: [a@b.c], until: 2012-01-01}]\n")
	from := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec string) {
		docs, _ := manifest.Read(manifest.File{Name: "s.yaml", Text: "apiVersion: nines/v1\nkind: Schedule\nmetadata: {name: shop}\nspec:\n  " + spec})
		for _, d := range docs {
			s, problems := ReadSchedule(d)
			if len(problems) > 0 {
				continue
			}
			for _, sh := range s.Shifts(Overlay{}, from, from.AddDate(0, 0, 20)) {
				if on := s.At(Overlay{}, sh.From); !slices.Contains(on, sh.Person) {
					t.Fatalf("%+v is not what At says: %v", sh, on)
				}
			}
		}
	})
}
