package twilio

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// incidentParameter is in the URL of a call's keys. It is signed with the rest.
const incidentParameter = "incident"

// Hook takes short messages that people answer with, the keys they press in a call, and Twilio's reports on what became
// of a message or call.
type Hook struct {
	// Tokens are the account's auth tokens: the one in force and, during rotation, the one before.
	Tokens []string
	// Knows says whether a telephone is one that we page. Anybody can write to our number, so that nobody else is heard;
	// nil hears nobody.
	Knows func(number string) bool
}

var _ incidents.Hook = (*Hook)(nil)

// Receive implements incidents.Hook. Answers are TwiML. STOP, START and HELP are Twilio's to answer.
func (h *Hook) Receive(ctx context.Context, r hook.Request, do incidents.Answering) (hook.Answer, error) {
	form, err := parameters(r, h.Tokens)
	if err != nil {
		return hook.Answer{}, err
	}
	c := call{Hook: h, request: r, form: form, do: do}
	switch {
	case form.Get("MessageStatus") != "":
		return c.messageStatus(ctx)
	case form.Get("Digits") != "":
		return c.keys(ctx)
	case form.Get("CallSid") != "":
		return c.callStatus(ctx)
	case form.Get("From") != "" && form.Has("Body"):
		return c.message(ctx)
	}
	return hook.Answer{}, fault.New(fault.Invalid, "the request is none of a message, a key pressed and a status")
}

// call is one request under way.
type call struct {
	*Hook
	request hook.Request
	form    url.Values
	do      incidents.Answering
}

// maxMistyped is the longest text that gets help, in characters. A longer one is no mistyped command; it may be a machine's
// answer, such as that of somebody who drives, and two machines would never stop.
const maxMistyped = 30

// message does what a short message says and answers with another.
func (c call) message(ctx context.Context) (hook.Answer, error) {
	from, text := c.form.Get("From"), c.form.Get("Body")
	if isTwilios(text) || c.Knows == nil || !c.Knows(from) {
		return answerWith(), nil
	}
	said, ok := parseMessage(text)
	if !ok && utf8.RuneCountInString(text) > maxMistyped {
		return answerWith(), nil
	}
	if !ok {
		return answerMessage("Reply with the incident's number and a letter: 12a acknowledges, 12r resolves, 12e escalates. " +
			"12n and a text adds a note."), nil
	}
	reply := c.reply("sms", cmp.Or(c.form.Get("MessageSid"), c.form.Get("SmsSid")), said.action, from)
	reply.Number, reply.Text = said.number, said.text
	return answerMessage(c.outcome(ctx, reply, fmt.Sprintf("#%d", said.number))), nil
}

// keys does what a key stands for. A key that stands for nothing gets the choice again.
func (c call) keys(ctx context.Context) (hook.Answer, error) {
	u, err := url.Parse(c.request.URL)
	if err != nil || u.Query().Get(incidentParameter) == "" {
		return hook.Answer{}, fault.New(fault.Invalid, "the URL does not say which incident the key is for")
	}
	digits := c.form.Get("Digits")
	action, ok := map[string]incidents.ReplyAction{
		keyAcknowledge: incidents.ReplyAcknowledge, keyResolve: incidents.ReplyResolve, keyEscalate: incidents.ReplyEscalate,
	}[digits]
	if !ok {
		return answerWith(offerKeys(c.request.URL), say("No key was pressed. Goodbye.")), nil
	}
	sid := c.form.Get("CallSid")
	reply := c.reply("voice", sid+"/"+digits, action, c.form.Get("To"))
	reply.Incident, reply.ProviderID = u.Query().Get(incidentParameter), sid
	return answerWith(say(c.outcome(ctx, reply, "The incident")+" Goodbye."), element("Hangup")), nil
}

// outcome does what a person asks for and says in a sentence what came of it.
func (c call) outcome(ctx context.Context, r incidents.Reply, name string) string {
	incident, err := c.do(ctx, r)
	if incident.Number > 0 && r.Provider == "voice" {
		name = fmt.Sprintf("Incident %d", incident.Number)
	}
	switch {
	case err == nil:
		return name + " " + doneWords[r.Action] + "."
	case fault.Is(err, fault.NotFound):
		return "Nines knows no such incident."
	case fault.Is(err, fault.Conflict), fault.Is(err, fault.Invalid), fault.Is(err, fault.Forbidden):
		return notify.Line(fault.Public(err).Message, 200) + "."
	}
	return "Nines could not do that just now. Please try again."
}

var doneWords = map[incidents.ReplyAction]string{
	incidents.ReplyAcknowledge: "is acknowledged", incidents.ReplyResolve: "is resolved", incidents.ReplyEscalate: "is escalated",
	incidents.ReplyNote: "has your note",
}

func (c call) reply(provider, id string, action incidents.ReplyAction, number string) incidents.Reply {
	number = notify.Line(number, 40)
	return incidents.Reply{
		ID: notify.Line(id, 100), Provider: provider, Action: action, At: c.request.At,
		By: incidents.Actor{ID: provider + ":" + number, Name: number},
	}
}

// messageStatus tells what became of a message. Only the last words count, delivered or not: whatever comes before them,
// such as "sent", changes nothing, so that it may also come after them.
func (c call) messageStatus(ctx context.Context) (hook.Answer, error) {
	sid := cmp.Or(c.form.Get("MessageSid"), c.form.Get("SmsSid"))
	switch strings.ToLower(c.form.Get("MessageStatus")) {
	case "delivered", "read":
		return c.delivery(ctx, "sms", sid, incidents.ReplyDelivered, "")
	case "undelivered", "failed":
		return c.delivery(ctx, "sms", sid, incidents.ReplyUndelivered, undeliveredWords(c.form.Get("ErrorCode")))
	}
	return answerWith(), nil
}

// callStatus tells whether a call was picked up. The rest of a call's life changes nothing. Somebody who calls our number
// is told that nobody listens there.
func (c call) callStatus(ctx context.Context) (hook.Answer, error) {
	if strings.EqualFold(c.form.Get("Direction"), "inbound") {
		return answerWith(say("This number only calls out. Goodbye."), element("Hangup")), nil
	}
	status := strings.ToLower(c.form.Get("CallStatus"))
	switch status {
	case "in-progress", "answered", "completed":
		return c.delivery(ctx, "voice", c.form.Get("CallSid"), incidents.ReplyDelivered, "")
	case "busy", "no-answer", "failed", "canceled":
		return c.delivery(ctx, "voice", c.form.Get("CallSid"), incidents.ReplyUndelivered, callWords[status])
	}
	return answerWith(), nil
}

var callWords = map[string]string{
	"busy": "the line was busy", "no-answer": "nobody picked up", "failed": "the call could not be placed",
	"canceled": "the call was taken back",
}

// delivery passes a report on. A message that we do not know, or no more, is nobody's fault.
func (c call) delivery(ctx context.Context, provider, sid string, action incidents.ReplyAction, why string) (hook.Answer, error) {
	if sid == "" {
		return hook.Answer{}, fault.New(fault.Invalid, "the report does not say which message or call it is about")
	}
	r := c.reply(provider, sid+"/"+string(action), action, "")
	r.ProviderID, r.Text = notify.Line(sid, 64), why
	r.By = incidents.Actor{ID: "twilio", Name: "Twilio"}
	if _, err := c.do(ctx, r); err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
		return hook.Answer{}, err
	}
	return answerWith(), nil
}

func undeliveredWords(code string) string {
	if words, ok := errorWords[code]; ok {
		return words + " (Twilio " + code + ")"
	}
	if code = notify.Line(code, 10); code != "" {
		return "the message was not delivered (Twilio " + code + ")"
	}
	return "the message was not delivered"
}

// errorWords are Twilio's most frequent reasons for a message that does not arrive.
var errorWords = map[string]string{
	"30003": "the telephone is off or out of reach", "30004": "the telephone does not take messages",
	"30005": "the number does not exist", "30006": "the number is a landline, or its carrier cannot be reached",
	"30007": "the carrier took the message for spam", "21610": "the telephone has unsubscribed with STOP",
}

func answerMessage(text string) hook.Answer {
	message := element("Message")
	message.Text = text
	return answerWith(message)
}

func answerWith(verbs ...verb) hook.Answer {
	return hook.Answer{Status: 200, ContentType: "text/xml; charset=utf-8", Body: []byte(twiml(verbs...))}
}
