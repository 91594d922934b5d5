package incidents_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nines-sre/nines/incidents"
)

func thread(channel string) incidents.Target {
	return incidents.Target{Slack: &incidents.SlackTarget{Channel: channel, Token: incidents.Secret{Env: "SLACK"}}}
}

func updates(c incidents.Change) (texts []string) {
	for _, p := range c.Pages {
		if p.Action == incidents.ActionUpdate {
			texts = append(texts, p.Target.String()+": "+p.Text)
		}
	}
	return texts
}

func TestNewsGoToTheThreadsOfThoseWhoWerePaged(t *testing.T) {
	t.Parallel()
	p := policy(0, incidents.Step{Targets: []incidents.Target{thread("#shop"), mail("ana")}},
		incidents.Step{Delay: time.Minute, Targets: []incidents.Target{mail("bo")}},
		incidents.Step{Delay: time.Minute, Targets: []incidents.Target{thread("#lead")}})
	i := incidents.Open(signal(incidents.Error, p), incidents.Roster{}, "i1", t0).Incident
	c, err := i.Note(incidents.Actor{ID: "user:1", Name: "ana"}, "rolling back", t0)
	if got := updates(c); err != nil || len(got) != 1 || got[0] != "Slack #shop: rolling back" {
		t.Errorf("a note tells %q, %v", got, err)
	}
	if got := updates(i.Escalate(incidents.Roster{}, t0.Add(time.Minute))); len(got) != 1 || !strings.Contains(got[0], "Step 2 of 3") {
		t.Errorf("an escalation tells %q", got)
	}
	if got := updates(i.Join(signal(incidents.Critical, p), true, incidents.Roster{}, t0)); len(got) != 1 || !strings.Contains(got[0], "raised from error to critical") {
		t.Errorf("a worse severity tells %q", got)
	}
	if got := updates(incidents.Open(signal(incidents.Error, p), incidents.Roster{}, "i2", t0)); len(got) != 0 {
		t.Errorf("opening tells %q; its page does that", got)
	}
}

func TestAnUpdateIsSentIntoTheThreadOfTheFirstPageAndNowhereElse(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		p.slack.receipt = incidents.Receipt{StatusCode: 200, ProviderID: "C1:17.2"}
		i := p.open("i1", thread("#shop"))
		synctest.Wait()
		c, err := i.Note(incidents.Actor{ID: "user:1", Name: "ana"}, "rolling back", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.Apply(c)
		time.Sleep(2 * time.Second) // a channel gets one message a second
		if p.slack.count() != 2 {
			t.Fatalf("sent %d messages; want the page and the update", p.slack.count())
		}
		if n := p.slack.sent[1]; n.Page.Action != incidents.ActionUpdate || n.Thread != "C1:17.2" || n.Text != "rolling back" {
			t.Errorf("update %+v", n)
		}
	})
}

func TestAnUpdateWithoutAThreadIsCanceled(t *testing.T) {
	inBubble(t, func(t *testing.T, p *paging) {
		i := p.open("i1", thread("#shop")) // taken without an id to answer to
		synctest.Wait()
		c, err := i.Note(incidents.Actor{ID: "user:1", Name: "ana"}, "rolling back", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p.Apply(c)
		time.Sleep(2 * time.Second) // a channel gets one message a second
		if p.slack.count() != 1 || p.Page(t, 2).State != incidents.PageCanceled {
			t.Errorf("sent %d messages, the update is %s", p.slack.count(), p.Page(t, 2).State)
		}
	})
}
