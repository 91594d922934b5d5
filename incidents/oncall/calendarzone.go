package oncall

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// clockwork turns walls into instants and back.
type clockwork interface {
	instant(w wall) time.Time
	wall(t time.Time) wall
}

// zoned is a zone of the tz database.
type zoned struct{ *time.Location }

func (z zoned) instant(w wall) time.Time { return w.at(z.Location) }
func (z zoned) wall(t time.Time) wall    { return wallOf(t, z.Location) }

// observed is a zone that a calendar brings along: the offsets it observes, in the order in which they begin.
type observed []observance

type observance struct {
	from   time.Time // zero for the first
	offset int64     // seconds east of UTC
}

func (z observed) instant(w wall) time.Time {
	i := z.at(time.Unix(int64(w)-farEast, 0))
	for ; ; i++ {
		t := time.Unix(int64(w)-z[i].offset, 0).UTC()
		if t.Before(z[i].from) {
			return z[i].from
		}
		if i+1 == len(z) || t.Before(z[i+1].from) {
			return t
		}
	}
}

func (z observed) wall(t time.Time) wall { return wall(t.Unix() + z[z.at(t)].offset) }

// at returns the place of the observance at t.
func (z observed) at(t time.Time) int {
	i, found := slices.BinarySearchFunc(z, t, func(o observance, t time.Time) int { return o.from.Compare(t) })
	if !found {
		i--
	}
	return max(i, 0)
}

// zones finds the zones that a calendar names.
type zoneFinder struct {
	brought  map[string]*component // the VTIMEZONEs, by TZID
	known    map[string]clockwork
	floating clockwork // of times that name none
	budget   *budget
	to       time.Time
}

func newZoneFinder(calendar *component, b *budget, to time.Time) *zoneFinder {
	z := &zoneFinder{brought: map[string]*component{}, known: map[string]clockwork{}, floating: zoned{time.UTC}, budget: b, to: to}
	for _, c := range calendar.parts {
		if c.name == "VTIMEZONE" {
			z.brought[c.first("TZID").value] = c
		}
	}
	if zone := locationNamed(calendar.first("X-WR-TIMEZONE").value); zone != nil {
		z.floating = zoned{zone}
	}
	return z
}

// find returns the zone of a TZID: that of the tz database where the name says which, else what the calendar says itself.
func (z *zoneFinder) find(p property) (clockwork, error) {
	id := p.params["TZID"]
	if known, ok := z.known[id]; ok {
		return known, nil
	}
	if location := locationNamed(id); location != nil {
		z.known[id] = zoned{location}
		return z.known[id], nil
	}
	brought, ok := z.brought[id]
	if !ok {
		return nil, wrong(p.line, "the time zone %q is not known; name one such as Europe/Vienna, or bring its VTIMEZONE", clip(id))
	}
	made, err := z.observe(brought)
	if err != nil {
		return nil, err
	}
	z.known[id] = made
	return made, nil
}

// observe reads a VTIMEZONE.
func (z *zoneFinder) observe(c *component) (observed, error) {
	var all observed
	first := observance{}
	var earliest time.Time
	for _, part := range c.parts {
		offset, ok := utcOffset(part.first("TZOFFSETTO").value)
		was, okFrom := utcOffset(part.first("TZOFFSETFROM").value)
		begin, date, err := parseStamp(part.first("DTSTART"))
		if !ok || !okFrom || err != nil || date {
			return nil, wrong(part.line, "this %s of a time zone lacks DTSTART, TZOFFSETFROM or TZOFFSETTO", clip(part.name))
		}
		walls, err := z.budget.expand(part, begin.wall, zoned{time.FixedZone("", int(was))}, z.to)
		if err != nil {
			return nil, err
		}
		for _, w := range walls {
			all = append(all, observance{time.Unix(int64(w)-was, 0).UTC(), offset})
		}
		if at := time.Unix(int64(begin.wall)-was, 0); earliest.IsZero() || at.Before(earliest) {
			earliest, first.offset = at, was
		}
	}
	slices.SortFunc(all, func(a, b observance) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.offset, b.offset)) })
	return append(observed{first}, all...), nil
}

// utcOffset reads +HHMM or +HHMMSS.
func utcOffset(s string) (int64, bool) {
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	t, err := time.Parse("150405", (s[1:] + "00")[:6])
	if err != nil {
		return 0, false
	}
	seconds := int64(t.Hour()*3600 + t.Minute()*60 + t.Second())
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, seconds <= farEast && seconds >= -farEast
}

// locationNamed returns the zone of the tz database that a name means: its own name, one with a maker's prefix such as
// /citadel.org/20260101_1/Europe/Vienna, or a name of Windows; nil where it means none.
func locationNamed(name string) *time.Location {
	if name == "" || name == "Local" || len(name) > 200 {
		return nil
	}
	if iana, ok := windowsZones[name]; ok {
		name = iana
	}
	for rest := strings.TrimPrefix(name, "/"); ; {
		if zone, err := time.LoadLocation(rest); err == nil && rest != "" && rest != "Local" {
			return zone
		}
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return nil
		}
		rest = after
	}
}

// windowsZones are the names that Outlook and Exchange write, by CLDR's table of the territory "001".
var windowsZones = map[string]string{
	"AUS Central Standard Time": "Australia/Darwin", "AUS Eastern Standard Time": "Australia/Sydney",
	"Alaskan Standard Time": "America/Anchorage", "Arab Standard Time": "Asia/Riyadh", "Arabian Standard Time": "Asia/Dubai",
	"Argentina Standard Time": "America/Buenos_Aires", "Atlantic Standard Time": "America/Halifax",
	"Bangladesh Standard Time": "Asia/Dhaka", "Canada Central Standard Time": "America/Regina",
	"Cen. Australia Standard Time": "Australia/Adelaide", "Central America Standard Time": "America/Guatemala",
	"Central Asia Standard Time": "Asia/Almaty", "Central Europe Standard Time": "Europe/Budapest",
	"Central European Standard Time": "Europe/Warsaw", "Central Standard Time": "America/Chicago",
	"Central Standard Time (Mexico)": "America/Mexico_City", "China Standard Time": "Asia/Shanghai",
	"E. Africa Standard Time": "Africa/Nairobi", "E. Australia Standard Time": "Australia/Brisbane",
	"E. Europe Standard Time": "Europe/Chisinau", "E. South America Standard Time": "America/Sao_Paulo",
	"Eastern Standard Time": "America/New_York", "Egypt Standard Time": "Africa/Cairo", "FLE Standard Time": "Europe/Kiev",
	"GMT Standard Time": "Europe/London", "GTB Standard Time": "Europe/Bucharest", "Georgian Standard Time": "Asia/Tbilisi",
	"Greenwich Standard Time": "Atlantic/Reykjavik", "Hawaiian Standard Time": "Pacific/Honolulu",
	"India Standard Time": "Asia/Calcutta", "Iran Standard Time": "Asia/Tehran", "Israel Standard Time": "Asia/Jerusalem",
	"Jordan Standard Time": "Asia/Amman", "Korea Standard Time": "Asia/Seoul", "Lord Howe Standard Time": "Australia/Lord_Howe",
	"Middle East Standard Time": "Asia/Beirut", "Morocco Standard Time": "Africa/Casablanca",
	"Mountain Standard Time": "America/Denver", "Myanmar Standard Time": "Asia/Rangoon", "Nepal Standard Time": "Asia/Katmandu",
	"New Zealand Standard Time": "Pacific/Auckland", "Newfoundland Standard Time": "America/St_Johns",
	"Pacific SA Standard Time": "America/Santiago", "Pacific Standard Time": "America/Los_Angeles",
	"Pakistan Standard Time": "Asia/Karachi", "Romance Standard Time": "Europe/Paris", "Russian Standard Time": "Europe/Moscow",
	"SA Eastern Standard Time": "America/Cayenne", "SA Pacific Standard Time": "America/Bogota",
	"SA Western Standard Time": "America/La_Paz", "SE Asia Standard Time": "Asia/Bangkok", "Samoa Standard Time": "Pacific/Apia",
	"Singapore Standard Time": "Asia/Singapore", "South Africa Standard Time": "Africa/Johannesburg",
	"Sri Lanka Standard Time": "Asia/Colombo", "Taipei Standard Time": "Asia/Taipei", "Tasmania Standard Time": "Australia/Hobart",
	"Tokyo Standard Time": "Asia/Tokyo", "Turkey Standard Time": "Europe/Istanbul", "US Eastern Standard Time": "America/Indianapolis",
	"US Mountain Standard Time": "America/Phoenix", "UTC": "Etc/UTC", "Venezuela Standard Time": "America/Caracas",
	"W. Australia Standard Time": "Australia/Perth", "W. Central Africa Standard Time": "Africa/Lagos",
	"W. Europe Standard Time": "Europe/Berlin", "West Asia Standard Time": "Asia/Tashkent", "West Pacific Standard Time": "Pacific/Port_Moresby",
}
