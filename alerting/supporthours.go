package alerting

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SupportHours are when a service is looked after, and how urgent its incidents are in and out of these hours.
type SupportHours struct {
	Zone    string         `json:"zone"`           // IANA
	Days    []time.Weekday `json:"days,omitempty"` // empty is every day
	From    time.Duration  `json:"from"`           // by the clock on the wall, since midnight, below 24 h
	To      time.Duration  `json:"to"`             // at most 24 h; at or before From it is on the next day
	Inside  string         `json:"inside"`         // "high", "low", or "" as the severity says
	Outside string         `json:"outside"`
	Raise   bool           `json:"raise"` // call people anew when the hours begin
}

type supportSpec struct {
	Zone    string   `yaml:"zone"`
	Days    []string `yaml:"days"`
	From    string   `yaml:"from"`
	To      string   `yaml:"to"`
	Inside  string   `yaml:"inside"`
	Outside string   `yaml:"outside"`
	Raise   bool     `yaml:"raise"`
}

// bySeverity is the word for an urgency that the severity decides.
const bySeverity = "severity"

// supportHours reads them; bad hears of every problem with its path.
func (s *supportSpec) supportHours(path string, bad func(path, format string, args ...any)) *SupportHours {
	if s == nil {
		return nil
	}
	hours := SupportHours{Zone: s.Zone, Inside: urgencyOf(s.Inside, ""), Outside: urgencyOf(s.Outside, "low"), Raise: s.Raise}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "" || s.Zone == "Local" {
		bad(path+".zone", "%.80q is not the name of a time zone, such as Europe/Berlin", s.Zone)
	}
	for i, word := range s.Days {
		day, ok := dayNames[strings.ToLower(word)]
		if !ok {
			bad(fmt.Sprintf("%s.days.%d", path, i), "%.80q is not a day; write monday to sunday", word)
			continue
		}
		if !slices.Contains(hours.Days, day) {
			hours.Days = append(hours.Days, day)
		}
	}
	var okFrom, okTo bool
	if hours.From, okFrom = timeOfDay(s.From); !okFrom || hours.From == 24*time.Hour {
		bad(path+".from", "%.80q is not a time of day, such as 09:00", s.From)
	}
	if hours.To, okTo = timeOfDay(s.To); !okTo || hours.To == 0 {
		bad(path+".to", "%.80q is not a time of day after midnight, such as 17:30; the end of the day is 24:00", s.To)
	}
	for _, u := range []struct{ field, word string }{{".inside", s.Inside}, {".outside", s.Outside}} {
		if u.word != "" && !slices.Contains([]string{"high", "low", bySeverity}, u.word) {
			bad(path+u.field, "%.80q is not known; write one of high, low, severity", u.word)
		}
	}
	return &hours
}

func urgencyOf(word, standard string) string {
	switch word {
	case "":
		return standard
	case bySeverity:
		return ""
	}
	return word
}

var dayNames = map[string]time.Weekday{
	"monday": time.Monday, "tuesday": time.Tuesday, "wednesday": time.Wednesday, "thursday": time.Thursday, "friday": time.Friday,
	"saturday": time.Saturday, "sunday": time.Sunday,
}

// timeOfDay reads "09:30" to "24:00" as the time since midnight.
func timeOfDay(s string) (time.Duration, bool) {
	if s == "24:00" {
		return 24 * time.Hour, true
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err == nil
}
