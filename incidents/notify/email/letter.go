package email

import (
	"bytes"
	"context"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/nines-sre/nines/incidents/notify"
)

// Letter is a mail that is about no incident's page, such as a reminder.
type Letter struct {
	ID      string // the same for the same letter, so that one that is sent twice is shown once
	To      string // a plain address
	Subject string
	Text    string
	At      time.Time
}

// SendLetter mails a plain text. What is refused for good is a fault.Invalid or Forbidden; a 4xx and no answer are faults
// that may be tried again.
func (n *Notifier) SendLetter(ctx context.Context, l Letter) error {
	to, err := recipients([]string{l.To})
	if err != nil {
		return err
	}
	_, _, err = n.server.send(ctx, n.from.Address, to, n.letter(l, to))
	return err
}

func (n *Notifier) letter(l Letter, to []string) []byte {
	domain := n.from.Address[strings.LastIndexByte(n.from.Address, '@')+1:]
	var out bytes.Buffer
	for _, h := range []header{
		{"From", n.from.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", encode(notify.Line(l.Subject, 200))},
		{"Date", l.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", messageID(domain, "letter", l.ID)},
		{"MIME-Version", "1.0"},
		{"Auto-Submitted", "auto-generated"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&out, "%s: %s\r\n", h.name, h.value)
	}
	out.WriteString("\r\n")
	qp := quotedprintable.NewWriter(&out)
	_, _ = qp.Write([]byte(lineBreaks.Replace(strings.ToValidUTF8(l.Text, "\uFFFD")) + "\r\n")) // into memory
	_ = qp.Close()
	return out.Bytes()
}
