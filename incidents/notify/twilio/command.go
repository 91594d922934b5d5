package twilio

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// command is what a short message asks for.
type command struct {
	action incidents.ReplyAction
	number int64
	text   string
}

// words are what people write. The single letters are what our messages offer.
var words = map[string]incidents.ReplyAction{
	"a": incidents.ReplyAcknowledge, "ack": incidents.ReplyAcknowledge, "acknowledge": incidents.ReplyAcknowledge,
	"r": incidents.ReplyResolve, "resolve": incidents.ReplyResolve, "resolved": incidents.ReplyResolve,
	"e": incidents.ReplyEscalate, "esc": incidents.ReplyEscalate, "escalate": incidents.ReplyEscalate,
	"n": incidents.ReplyNote, "note": incidents.ReplyNote,
}

// maxText bounds the rest of a message, which is a reason or a note.
const maxText = 1600

var (
	numberFirst = regexp.MustCompile(`(?s)^#?([0-9]{1,18})\s*([A-Za-z]+)(?:[\s:,.!-]+(.*))?$`)
	wordFirst   = regexp.MustCompile(`(?s)^([A-Za-z]+)\s*#?([0-9]{1,18})(?:[\s:,.!-]+(.*))?$`)
)

// parseMessage reads "12a", "ack 12", "r12 fixed", "note 12 rolled back". A note without a text is nothing.
func parseMessage(message string) (command, bool) {
	message = strings.TrimSpace(message)
	word, number, text := "", "", ""
	if m := numberFirst.FindStringSubmatch(message); m != nil {
		number, word, text = m[1], m[2], m[3]
	} else if m := wordFirst.FindStringSubmatch(message); m != nil {
		word, number, text = m[1], m[2], m[3]
	}
	action, ok := words[strings.ToLower(word)]
	if !ok {
		return command{}, false
	}
	n, err := strconv.ParseInt(number, 10, 64)
	text = notify.Cut(strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD")), maxText)
	if err != nil || n <= 0 || (action == incidents.ReplyNote && text == "") {
		return command{}, false
	}
	return command{action, n, text}, true
}

// twilios are the words that Twilio answers by itself: who sends STOP gets no more messages, and none from us either.
var twilios = []string{
	"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "YES", "UNSTOP", "HELP", "INFO",
}

func isTwilios(message string) bool {
	return slices.Contains(twilios, strings.ToUpper(strings.TrimSpace(message)))
}
