package oncall

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var (
	hoursPattern   = regexp.MustCompile(`^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$`)
	throughPattern = regexp.MustCompile(`^([A-Za-z]+)\s+(\d{1,2}):(\d{2})\s+to\s+([A-Za-z]+)\s+(\d{1,2}):(\d{2})$`)
)

var errHours = errors.New(`write days, hours or both, such as "Mon-Fri 20:00-08:00", "Sat,Sun" or "09:00-17:00"; ` +
	`or a stretch of days, such as "Fri 17:00 to Mon 08:00"`)

// ParseRestriction reads a part of the week as people write it: "Mon-Fri 20:00-08:00", "Sat,Sun" (whole days),
// "09:00-17:00" (every day), or "Fri 17:00 to Mon 08:00", which takes a restriction a day. Days are English, of three
// letters or more. Hours that end at or before they begin do so on the next day; 24:00 is the day's end.
func ParseRestriction(text string) ([]Restriction, error) {
	text = strings.TrimSpace(text)
	if m := throughPattern.FindStringSubmatch(text); m != nil {
		return through(m)
	}
	days, hours := text, ""
	if i := strings.IndexAny(text, "0123456789"); i >= 0 {
		days, hours = strings.TrimSpace(text[:i]), text[i:]
	}
	r := Restriction{To: 24 * time.Hour}
	if days == "" && hours == "" {
		return nil, errHours
	}
	var err error
	if days != "" {
		if r.Days, err = parseDays(days); err != nil {
			return nil, err
		}
	}
	if hours == "" {
		return []Restriction{r}, nil
	}
	m := hoursPattern.FindStringSubmatch(hours)
	if m == nil {
		return nil, errHours
	}
	if r.From, err = clock(m[1], m[2]); err != nil || r.From == 24*time.Hour {
		return nil, errHours
	}
	if r.To, err = clock(m[3], m[4]); err != nil {
		return nil, err
	}
	if r.To == 0 {
		r.To = 24 * time.Hour
	}
	return []Restriction{r}, nil
}

// clock reads hours and minutes since midnight, at most 24:00.
func clock(hours, minutes string) (time.Duration, error) {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	if h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("%s:%s is no time of day; write 00:00 to 24:00", hours, minutes)
	}
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, nil
}

// parseDays reads days and ranges of them, such as "Mon-Wed,Fri"; a range may run over the end of the week.
func parseDays(text string) ([]time.Weekday, error) {
	var days []time.Weekday
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := parseDay(first)
		if err != nil {
			return nil, err
		}
		to := from
		if ranged {
			if to, err = parseDay(last); err != nil {
				return nil, err
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			if !slices.Contains(days, d) {
				days = append(days, d)
			}
			if d == to {
				break
			}
		}
	}
	slices.Sort(days)
	return days, nil
}

func parseDay(text string) (time.Weekday, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	for i, short := range weekdays {
		if len(text) >= 3 && strings.HasPrefix(strings.ToLower(time.Weekday(i).String()), text) && strings.HasPrefix(text, short) {
			return time.Weekday(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no day of the week; %w", text, errHours)
}

// through cuts a stretch of days into one restriction a day.
func through(m []string) ([]Restriction, error) {
	first, err := parseDay(m[1])
	if err != nil {
		return nil, err
	}
	last, err := parseDay(m[4])
	if err != nil {
		return nil, err
	}
	from, err := clock(m[2], m[3])
	if err != nil || from == 24*time.Hour {
		return nil, errHours
	}
	to, err := clock(m[5], m[6])
	if err != nil {
		return nil, err
	}
	return Stretch(first, from, time.Duration(mod(int64(last-first), 7))*24*time.Hour+to-from), nil
}

// Stretch returns the restrictions, one a day, that are in force from a time of a day of the week on for so long; a length
// of none, or less, is a week more.
func Stretch(first time.Weekday, from, length time.Duration) []Restriction {
	if length <= 0 {
		length += 7 * 24 * time.Hour
	}
	length = min(length, 7*24*time.Hour)
	var parts []Restriction
	for d := first; length > 0; d, from = (d+1)%7, 0 {
		to := min(from+length, 24*time.Hour)
		parts = append(parts, Restriction{Days: []time.Weekday{d}, From: from, To: to})
		length -= to - from
	}
	return parts
}

// String writes the restriction as ParseRestriction reads it.
func (r Restriction) String() string {
	var days []string
	for _, d := range r.Days {
		days = append(days, d.String()[:3])
	}
	hours := fmt.Sprintf("%s-%s", clockText(r.From), clockText(r.To))
	switch {
	case len(days) == 0:
		return hours
	case r.From == 0 && r.To == 24*time.Hour:
		return strings.Join(days, ",")
	}
	return strings.Join(days, ",") + " " + hours
}

func clockText(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d/time.Hour), int(d%time.Hour/time.Minute))
}
