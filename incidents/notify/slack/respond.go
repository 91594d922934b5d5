package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

var doneWords = map[incidents.ReplyAction]string{
	incidents.ReplyAcknowledge: "is acknowledged", incidents.ReplyResolve: "is resolved", incidents.ReplyEscalate: "is escalated",
	incidents.ReplyNote: "has your note",
}

// perform does what a person asks for, within the time that Slack gives, and says in a sentence what came of it.
func perform(ctx context.Context, do incidents.Answering, r incidents.Reply, name string) string {
	ctx, cancel := context.WithTimeout(ctx, doWithin)
	defer cancel()
	incident, err := do(ctx, r)
	if number := notify.Number(incident); number != "" {
		name = number
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return "Nines knows no such incident."
	case fault.Conflict, fault.Invalid, fault.Forbidden, fault.TooLarge:
		return notify.Line(fault.Public(err).Message, 300) + "."
	}
	if err != nil {
		return notNow
	}
	return fmt.Sprintf("%s %s.", name, doneWords[r.Action])
}

// response is a text that only one person sees, beside the message that it answers.
func response(text string) []byte {
	body, _ := json.Marshal(map[string]any{ // of strings and booleans, which always can be written
		"response_type": "ephemeral", "replace_original": false, "text": escapeTo(text, maxSection),
	})
	return body
}

// responseHosts are where Slack lets us answer what somebody pressed. Nowhere else are we sent by a payload.
var responseHosts = map[string]bool{"hooks.slack.com": true, "hooks.slack-gov.com": true}

// tell tells the one who pressed a button what came of it. What they asked for is done already, and shows in the channel,
// so that a failure to tell is none of the request.
func (h *Hook) tell(ctx context.Context, address, text string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || !responseHosts[u.Host] {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(response(text)))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	_ = notify.NewExchange(h.Transport).Do(r)
}
