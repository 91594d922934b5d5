package slack

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// maxListed is how many incidents a list shows.
const maxListed = 20

// wish is what a slash command asks for.
type wish struct {
	verb   string // "list", "oncall", "help" or "" where action is set
	action incidents.ReplyAction
	number int64
	text   string
}

var actionOfVerb = map[string]incidents.ReplyAction{
	"ack": incidents.ReplyAcknowledge, "acknowledge": incidents.ReplyAcknowledge, "resolve": incidents.ReplyResolve,
	"escalate": incidents.ReplyEscalate, "note": incidents.ReplyNote,
}

var numberForm = regexp.MustCompile(`^#?([0-9]{1,18})$`)

// parseCommand reads what stands after the command's name. A false ok comes with what is wrong, for the one who wrote it.
func parseCommand(text string) (w wish, problem string, ok bool) {
	verb, rest := cutWord(plain(text))
	verb = strings.ToLower(verb)
	switch verb {
	case "", "help":
		return wish{verb: "help"}, "", true
	case "list", "oncall":
		return wish{verb: verb}, "", true
	}
	action, known := actionOfVerb[verb]
	if !known {
		return wish{}, fmt.Sprintf("There is no command %q.", notify.Line(verb, 40)), false
	}
	number, rest := cutWord(rest)
	m := numberForm.FindStringSubmatch(number)
	if m == nil {
		return wish{}, fmt.Sprintf("Which incident? Write its number, such as %s 12.", verb), false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n == 0 {
		return wish{}, fmt.Sprintf("There is no incident %s.", number), false
	}
	if action == incidents.ReplyNote && rest == "" {
		return wish{}, fmt.Sprintf("What should be remembered? Write it after %s %d.", verb, n), false
	}
	if action != incidents.ReplyNote && action != incidents.ReplyResolve {
		rest = ""
	}
	return wish{action: action, number: n, text: notify.Cut(rest, maxNote)}, "", true
}

// cutWord takes the first word. Slack's clients write spaces that do not break, too.
func cutWord(s string) (word, rest string) {
	s = strings.TrimSpace(s)
	if at := strings.IndexFunc(s, unicode.IsSpace); at >= 0 {
		return s[:at], strings.TrimSpace(s[at:])
	}
	return s, ""
}

// command does what a slash command asks for. Every answer is seen by its author alone and has the status 200: with any
// other Slack would show a failure of its own instead of ours.
func (h *Hook) command(ctx context.Context, r hook.Request, form url.Values, do incidents.Answering) (hook.Answer, error) {
	name, by := form.Get("command"), notify.Line(form.Get("user_id"), 40)
	if by == "" {
		return hook.Answer{}, fault.New(fault.Invalid, "user_id is missing")
	}
	w, problem, ok := parseCommand(form.Get("text"))
	switch {
	case !ok:
		return ephemeral(problem + "\n" + h.help(name)), nil
	case w.verb == "list":
		return ephemeral(h.list(ctx)), nil
	case w.verb == "oncall":
		return ephemeral(h.onCall(ctx)), nil
	case w.verb == "help":
		return ephemeral(h.help(name)), nil
	}
	return ephemeral(perform(ctx, do, incidents.Reply{
		ID: notify.Line(form.Get("trigger_id"), 200), Provider: Provider, Action: w.action, Number: w.number, Text: w.text,
		By: person(by, form.Get("user_name")), At: r.At,
	}, fmt.Sprintf("#%d", w.number))), nil
}

func (h *Hook) help(name string) string {
	name = notify.Line(name, 40)
	var lines []string
	if h.Open != nil {
		lines = append(lines, name+" list: the open incidents")
	}
	lines = append(lines, name+" ack 12: acknowledge incident 12", name+" resolve 12 and a reason: resolve it",
		name+" escalate 12: page the next step now", name+" note 12 and a text: add a note to its timeline")
	if h.OnCall != nil {
		lines = append(lines, name+" oncall: who is paged now")
	}
	return strings.Join(lines, "\n")
}

const (
	notOffered = "This is not offered here."
	notNow     = "Nines could not do that just now. Please try again."
)

func (h *Hook) list(ctx context.Context) string {
	if h.Open == nil {
		return notOffered
	}
	ctx, cancel := context.WithTimeout(ctx, doWithin)
	defer cancel()
	open, err := h.Open(ctx)
	switch {
	case err != nil:
		return notNow
	case len(open) == 0:
		return "No incident is open."
	}
	var lines []string
	for n, i := range open {
		if n == maxListed {
			lines = append(lines, fmt.Sprintf("and %d more", len(open)-n))
			break
		}
		words := fmt.Sprintf("#%d %s: %s (%s)", i.Number, strings.ToUpper(string(i.Severity)), notify.Line(i.Title, 80), i.State)
		if address := h.url(i); address != "" {
			words += " " + address
		}
		lines = append(lines, words)
	}
	return strings.Join(lines, "\n")
}

func (h *Hook) url(i incidents.Incident) string {
	if h.IncidentURL == nil {
		return ""
	}
	return notify.Link(h.IncidentURL(i), 500)
}

func (h *Hook) onCall(ctx context.Context) string {
	if h.OnCall == nil {
		return notOffered
	}
	ctx, cancel := context.WithTimeout(ctx, doWithin)
	defer cancel()
	lines, err := h.OnCall(ctx)
	switch {
	case err != nil:
		return notNow
	case len(lines) == 0:
		return "Nobody would be paged."
	}
	return notify.Cut(strings.Join(lines, "\n"), maxSection)
}

// ephemeral answers with a text that only the author sees.
func ephemeral(text string) hook.Answer {
	return hook.Answer{Status: http.StatusOK, ContentType: "application/json; charset=utf-8", Body: response(text)}
}
