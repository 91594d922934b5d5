package inbound

import (
	"cmp"
	"context"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/hook"
)

// mailWindow is how old the date of a signed mail may be. Mailgun tries again for eight hours, and a mail that is told
// twice is the same alert.
const mailWindow = 9 * time.Hour

// mail is what matters of a mail, whoever passes it on.
type mail struct {
	subject string
	from    string
	text    string
	threads []string // identifiers of the mails before it, the first being the oldest
}

// postmark is the JSON of an inbound mail of Postmark's.
type postmark struct {
	From    text `json:"From"`
	Subject text `json:"Subject"`
	Text    text `json:"TextBody"`
	HTML    text `json:"HtmlBody"`
	Headers []struct {
		Name  text `json:"Name"`
		Value text `json:"Value"`
	} `json:"Headers"`
}

// verifyMail takes a token, as SendGrid and Postmark send it in the password of the URL, or Mailgun's signature.
func verifyMail(ctx context.Context, src Source, r hook.Request) error {
	if src.hasToken(r.Header) {
		return nil
	}
	if kind, _ := contentType(r); kind == "application/json" {
		return unauthorized()
	}
	form, err := readForm(r)
	date := form["timestamp"]
	if err == nil && recent(date, r.At, mailWindow) && src.signedBy(form["signature"], []byte(date+form["token"])) {
		return nil
	}
	return unauthorized()
}

func readMail(src Source, r hook.Request) (Received, error) {
	m, err := mailOf(r)
	if err != nil {
		return Received{}, err
	}
	s := readSubject(m.subject)
	if s.key == "" && len(m.threads) == 0 {
		return refuse("subject: is missing; it says what the alert is")
	}
	e := event{
		name: cmp.Or(s.key, "Mail"), summary: cmp.Or(strings.TrimSpace(m.subject), "Mail without a subject"), description: m.text,
		severity: s.severity, ended: s.ended, labels: map[string]string{"from": m.from},
	}
	got := Received{Once: m.once(src, r)}
	for _, key := range m.keys(s) {
		e.key = key
		got.Alerts = append(got.Alerts, src.post(e, r.At))
	}
	return got, nil
}

// once is there where Mailgun's signature is all that the mail came with.
func (m mail) once(src Source, r hook.Request) *Once {
	if src.hasToken(r.Header) {
		return nil
	}
	form, err := readForm(r)
	if err != nil {
		return nil
	}
	told := append([]string{m.subject, m.from, m.text}, m.threads...)
	return &Once{Token: hash("mailgun", form["timestamp"], form["token"]), Digest: hash(told...)}
}

// keys are what the mail's alert is known by. Tools that thread their mails name the first of the thread; an answer to a
// mail, and whatever has no thread, goes by its subject. A mail that ends ends both, because the mail that began may
// have been the first of its thread.
func (m mail) keys(s subject) []string {
	var keys []string
	if len(m.threads) > 0 && (!s.answer || s.key == "" || s.ended) {
		keys = append(keys, "thread/"+hash(m.threads[0]))
	}
	if s.key != "" && (s.ended || len(keys) == 0) {
		keys = append(keys, "subject/"+hash(s.key))
	}
	return keys
}

func mailOf(r hook.Request) (mail, error) {
	if kind, _ := contentType(r); kind == "application/json" {
		var p postmark
		if err := readJSON(r.Body, &p); err != nil {
			return mail{}, err
		}
		headers := textproto.MIMEHeader{}
		for _, h := range p.Headers {
			headers.Add(string(h.Name), string(h.Value))
		}
		return mail{string(p.Subject), string(p.From), cmp.Or(string(p.Text), plainText(string(p.HTML))), threads(headers)}, nil
	}
	form, err := readForm(r)
	if err != nil {
		return mail{}, err
	}
	// SendGrid names the text "text" and sends the headers as they were, Mailgun names it body-plain and sends them as JSON.
	headers := headerLines(form["headers"])
	if form["message-headers"] != "" {
		headers = headerPairs(form["message-headers"])
	}
	for _, name := range []string{"References", "In-Reply-To"} {
		if v := form[name]; v != "" && headers.Get(name) == "" {
			headers.Set(name, v)
		}
	}
	body := cmp.Or(form["stripped-text"], form["body-plain"], form["text"], plainText(cmp.Or(form["body-html"], form["html"])))
	return mail{form["subject"], cmp.Or(form["from"], form["sender"]), body, threads(headers)}, nil
}

// threads are the identifiers that References has, the oldest first, or that of In-Reply-To.
func threads(h textproto.MIMEHeader) []string {
	ids := messageID.FindAllString(h.Get("References"), 100)
	return append(ids, messageID.FindAllString(h.Get("In-Reply-To"), 1)...)
}

var messageID = regexp.MustCompile(`<[^<>\s]{1,998}>`)

// headerLines reads headers as they stand in a mail; a line that begins with a blank goes on.
func headerLines(text string) textproto.MIMEHeader {
	headers, last := textproto.MIMEHeader{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		switch {
		case last != "" && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")):
			headers.Set(last, headers.Get(last)+" "+strings.TrimSpace(line))
		case ok && headers.Get(name) == "":
			last = name
			headers.Set(name, strings.TrimSpace(value))
		default:
			last = ""
		}
	}
	return headers
}

// headerPairs reads headers as Mailgun sends them: a JSON list of pairs.
func headerPairs(list string) textproto.MIMEHeader {
	var body struct {
		Pairs [][]text `json:"pairs"`
	}
	headers := textproto.MIMEHeader{}
	if readJSON([]byte(`{"pairs":`+list+`}`), &body) != nil {
		return headers
	}
	for _, pair := range body.Pairs {
		if len(pair) == 2 {
			headers.Add(string(pair[0]), string(pair[1]))
		}
	}
	return headers
}

var (
	markup = regexp.MustCompile(`(?is)<(?:style|script)\b.*?</(?:style|script)>|<[^>]*>`)
	blanks = regexp.MustCompile(`[ \t\r\n]*\n[ \t\r\n]*`)
)

// plainText is the words of HTML, for mails that have nothing else.
func plainText(html string) string {
	return strings.TrimSpace(blanks.ReplaceAllString(markup.ReplaceAllString(html, " "), "\n"))
}
