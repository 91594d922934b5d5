package email

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// Bounds of what alerts say, in characters and bytes.
const (
	maxSummary = 10_000
	maxLink    = 2000
)

// lineBreaks writes every line break as mail has it.
var lineBreaks = strings.NewReplacer("\r\n", "\r\n", "\n", "\r\n", "\r", "\r\n")

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
	m := message{note: note}
	m.id = messageID(domain, p.DedupKey, string(p.Action), fmt.Sprint(p.Step), fmt.Sprint(p.Loop), fmt.Sprint(p.Turn), fmt.Sprint(p.Number), p.Target.Key())
	m.headers = []header{
		{"From", from.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", encode(subject(note))},
		{"Date", note.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", m.id},
	}
	m.headers = append(m.headers, threading(messageID(domain, p.DedupKey), note.Thread)...)
	m.headers = append(m.headers, header{"MIME-Version", "1.0"}, header{"Auto-Submitted", "auto-generated"})
	if p.Action == incidents.ActionTrigger && note.Incident.Severity.Pages() {
		m.headers = append(m.headers, header{"Importance", "high"}, header{"X-Priority", "1"})
	}
	return m
}

// threadForm is the Message-ID that begins what Send gives as the ProviderID of a mail.
var threadForm = regexp.MustCompile(`^<[0-9a-f]{32}@[A-Za-z0-9.-]{1,200}>`)

// threading ties the incident's mails together: all refer to one root that no mail has, which is enough for those who
// get only a later one, and all but the first answer the first.
func threading(root, thread string) []header {
	first := threadForm.FindString(thread)
	if first == "" {
		return []header{{"References", root}}
	}
	return []header{{"In-Reply-To", first}, {"References", root + "\r\n " + first}}
}

// encode writes a header's text in words that a header may hold, one a line, so that no line is too long. What looks like
// such a word in the text is none.
func encode(text string) string {
	text = strings.ReplaceAll(text, "=?", "= ?")
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", text), "?= =?", "?=\r\n =?")
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
	s := "[" + notify.Line(string(i.Severity), 20) + "] "
	if i.Tenant != "" {
		s += notify.Line(i.Tenant, 60) + " "
	}
	s += strings.TrimLeft(notify.Number(i)+" ", " ") + notify.Line(i.Title, 150)
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
	fmt.Fprintf(w, "%s\r\n\r\n", notify.Line(notify.Headline(m.note), 400))
	if i.Summary != "" {
		summary := notify.Cut(strings.ToValidUTF8(i.Summary, "\uFFFD"), maxSummary)
		fmt.Fprintf(w, "%s\r\n\r\n", lineBreaks.Replace(summary))
	}
	for _, f := range notify.Facts(m.note) {
		fmt.Fprintf(w, "%-20s %s\r\n", f.Name+":", f.Value)
	}
	if address := notify.Link(m.note.IncidentURL, maxLink); address != "" {
		fmt.Fprintf(w, "\r\nIncident: %s\r\n", address)
	}
	if address := notify.Link(i.RunbookURL, maxLink); address != "" {
		fmt.Fprintf(w, "Runbook:  %s\r\n", address)
	}
}

//go:embed mail.html
var layout string

var page = template.Must(template.New("mail").Parse(layout))

// colors are dark enough for white letters.
var colors = map[incidents.Severity]string{
	incidents.Critical: "#b3261e", incidents.Error: "#b54708", incidents.Warning: "#7a5b00", incidents.Info: "#1f5fbf",
}

func (m message) writeHTML(w io.Writer) {
	i := m.note.Incident
	banner, color := strings.ToUpper(notify.Line(string(i.Severity), 20)), colors[i.Severity]
	switch m.note.Page.Action {
	case incidents.ActionAcknowledge:
		banner, color = "ACKNOWLEDGED", "#52606d"
	case incidents.ActionResolve:
		banner, color = "RESOLVED", "#1e6b3a"
	}
	if color == "" {
		color = "#7a5b00"
	}
	// Execute fails only when the writer does, and this one writes into memory.
	_ = page.Execute(w, map[string]any{
		"Headline": notify.Line(notify.Headline(m.note), 300), "Banner": strings.TrimRight(banner+" · "+notify.Number(i), "· "),
		"Color": template.CSS(color), "Title": title(i), "Summary": notify.Cut(strings.ToValidUTF8(i.Summary, "\uFFFD"), maxSummary),
		"Facts": notify.Facts(m.note), "URL": notify.Link(m.note.IncidentURL, maxLink), "Runbook": notify.Link(i.RunbookURL, maxLink),
	})
}

// title says whom it concerns and what is the matter.
func title(i incidents.Incident) string {
	text := notify.Line(i.Title, 300)
	if tenant := notify.Line(i.Tenant, 60); tenant != "" {
		text = tenant + ": " + text
	}
	return text
}
