package email

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// message is one mail. No text of a person or an alert can break out of its headers: addresses were checked, the
// subject is one line before it is encoded.
type message struct {
	id      string
	headers []header
	note    incidents.Notification
}

type header struct{ name, value string }

func newMessage(from mail.Address, to []string, note incidents.Notification) message {
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	p := note.Page
	m := message{note: note, id: messageID(domain, p.DedupKey, string(p.Action), fmt.Sprint(p.Step), fmt.Sprint(p.Loop), p.Target.Key())}
	thread := messageID(domain, p.DedupKey)
	m.headers = []header{
		{"From", from.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", mime.QEncoding.Encode("utf-8", subject(note))},
		{"Date", note.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", m.id},
		{"In-Reply-To", thread},
		{"References", thread},
		{"MIME-Version", "1.0"},
		{"Auto-Submitted", "auto-generated"},
	}
	if p.Action == incidents.ActionTrigger && note.Incident.Severity.Pages() {
		m.headers = append(m.headers, header{"Importance", "high"}, header{"X-Priority", "1"})
	}
	return m
}

// messageID is stable for the same parts, so that a mail sent twice is one mail, and all mails of a dedup key refer to
// one thread.
func messageID(domain string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "<" + hex.EncodeToString(sum[:16]) + "@" + domain + ">"
}

// subject is the same for all mails of an incident but for a leading "Re:", which mail programs need to keep a thread.
func subject(note incidents.Notification) string {
	i := note.Incident
	s := fmt.Sprintf("[%s] #%d %s", i.Severity, i.Number, notify.Line(i.Title, 150))
	if i.Tenant != "" {
		s = fmt.Sprintf("[%s] %s #%d %s", i.Severity, notify.Line(i.Tenant, 60), i.Number, notify.Line(i.Title, 150))
	}
	if note.Page.Action != incidents.ActionTrigger {
		s = "Re: " + s
	}
	return s
}

// bytes writes the mail: plain text first, then the same as HTML.
func (m message) bytes() []byte {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	m.part(parts, "text/plain", m.writeText)
	m.part(parts, "text/html", m.writeHTML)
	_ = parts.Close() // into memory
	var out bytes.Buffer
	for _, h := range m.headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h.name, h.value)
	}
	fmt.Fprintf(&out, "Content-Type: multipart/alternative; boundary=%q\r\n\r\n", parts.Boundary())
	out.Write(body.Bytes())
	return out.Bytes()
}

func (m message) part(parts *multipart.Writer, kind string, write func(io.Writer)) {
	w, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {kind + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
	})
	if err != nil {
		return // into memory: cannot fail
	}
	qp := quotedprintable.NewWriter(w)
	write(qp)
	_ = qp.Close()
}

func (m message) writeText(w io.Writer) {
	i := m.note.Incident
	fmt.Fprintf(w, "%s\r\n\r\n", notify.Headline(m.note))
	if i.Summary != "" {
		fmt.Fprintf(w, "%s\r\n\r\n", strings.ReplaceAll(strings.ReplaceAll(i.Summary, "\r\n", "\n"), "\n", "\r\n"))
	}
	for _, f := range notify.Facts(m.note) {
		fmt.Fprintf(w, "%-20s %s\r\n", f.Name+":", f.Value)
	}
	if m.note.IncidentURL != "" {
		fmt.Fprintf(w, "\r\nIncident: %s\r\n", m.note.IncidentURL)
	}
	if i.RunbookURL != "" {
		fmt.Fprintf(w, "Runbook:  %s\r\n", i.RunbookURL)
	}
}

var page = template.Must(template.New("mail").Parse(`<!doctype html>
<html><body style="font-family:sans-serif;font-size:15px;line-height:1.4">
<h2 style="font-size:18px">{{.Headline}}</h2>
{{with .Summary}}<p style="white-space:pre-line">{{.}}</p>
{{end}}<table cellpadding="4">
{{range .Facts}}<tr><th align="left">{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}</table>
<p>{{with .URL}}<a href="{{.}}">Open incident</a>{{end}}{{with .Runbook}} &nbsp; <a href="{{.}}">Runbook</a>{{end}}</p>
</body></html>
`))

func (m message) writeHTML(w io.Writer) {
	i := m.note.Incident
	// Execute fails only when the writer does, and this one writes into memory.
	_ = page.Execute(w, map[string]any{
		"Headline": notify.Headline(m.note), "Summary": i.Summary, "Facts": notify.Facts(m.note),
		"URL": m.note.IncidentURL, "Runbook": i.RunbookURL,
	})
}
