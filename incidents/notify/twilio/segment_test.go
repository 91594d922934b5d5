package twilio_test

import (
	"strings"
	"testing"

	"github.com/nines-sre/nines/incidents"
)

func TestAMessageTakesTwoSegmentsAtMost(t *testing.T) {
	s, n := start(t)
	const head, tail = "#12 CRITICAL acme shop: ", ". Reply 12a to acknowledge, 12r to resolve"
	for name, test := range map[string]struct {
		title string
		cost  func(rune) int // of a character
		most  int
		cut   bool
	}{
		"the GSM alphabet":           {strings.Repeat("ü", 230), one, 306, false},
		"a little too much of it":    {strings.Repeat("ü", 290), one, 306, true},
		"its extended characters":    {strings.Repeat("€", 290), func(r rune) int { return 1 + strings.Count("€", string(r)) }, 306, true},
		"a character that is not it": {"ł" + strings.Repeat("a", 60), one, 134, false},
		"many of them":               {strings.Repeat("ł", 290), one, 134, true},
		"outside the first plane":    {strings.Repeat("🔥", 290), func(r rune) int { return 1 + strings.Count("🔥", string(r)) }, 134, true},
	} {
		page := sms(s, incidents.ActionTrigger)
		page.Incident.Title = test.title
		if _, err := n.Send(t.Context(), page); err != nil {
			t.Fatal(err)
		}
		messages := s.Messages()
		body := messages[len(messages)-1].Body
		cost := 0
		for _, r := range body {
			cost += test.cost(r)
		}
		if cost > test.most || cost < test.most-4 && test.cut {
			t.Errorf("%s: costs %d of %d: %q", name, cost, test.most, body)
		}
		if !strings.HasPrefix(body, head) || !strings.HasSuffix(body, tail) || strings.Contains(body, "..."+tail) != test.cut {
			t.Errorf("%s: %q; want cut %v", name, body, test.cut)
		}
	}
}

func one(rune) int { return 1 }
