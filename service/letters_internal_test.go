package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify/email"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/service/postgres"
)

// drawer keeps letters as storage does, without its clock.
type drawer struct {
	chaseStore
	waiting []postgres.Reminder
	ended   map[int64]string
}

func (d *drawer) ClaimReminders(_ context.Context, most int, _ time.Duration) ([]postgres.Reminder, error) {
	n := min(most, len(d.waiting))
	due := d.waiting[:n]
	d.waiting = d.waiting[n:]
	return due, nil
}

func (d *drawer) FinishReminder(_ context.Context, r postgres.Reminder, state, problem string, _ time.Duration) error {
	d.ended[r.ID] = strings.TrimSpace(state + " " + problem)
	return nil
}

type post struct{ sent int }

func (p *post) SendLetter(_ context.Context, l email.Letter) error {
	switch l.To {
	case "away@example.com":
		return fault.New(fault.Unavailable, "the server does not answer")
	case "gone@example.com":
		return fault.New(fault.Invalid, "there is no such mailbox")
	}
	p.sent++
	return nil
}

// TestAllLettersThatAreDueAreSentInOneTurn is about an update that many are told of: the last does not wait for further turns,
// and those that cannot be sent hold back no other.
func TestAllLettersThatAreDueAreSentInOneTurn(t *testing.T) {
	t.Parallel()
	d, p := &drawer{ended: map[int64]string{}}, &post{}
	for n := range 3*remindersOnce + 1 {
		to := "ada@example.com"
		switch n {
		case 1:
			to = "away@example.com"
		case 2:
			to = "gone@example.com"
		}
		d.waiting = append(d.waiting, postgres.Reminder{ID: int64(n), Recipient: to, Attempts: 1})
	}
	c := chase{store: d, mail: p, words: incidents.Reminding{}, now: time.Now}
	if err := c.send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.sent != 3*remindersOnce-1 || d.ended[1] != "pending the server does not answer" || d.ended[2] != "failed there is no such mailbox" {
		t.Errorf("%d sent, away %q, gone %q", p.sent, d.ended[1], d.ended[2])
	}
}
