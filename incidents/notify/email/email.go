// Package email mails incidents through one SMTP server, so that all mails of an incident form one thread. It leaves
// out receiving mail: nobody acknowledges by answering.
package email

import (
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

// Notifier sends mails. It is safe for concurrent use: each mail has its own connection.
type Notifier struct {
	server server
	from   mail.Address
}

// New returns a notifier for the SMTP server at an address such as smtp://user:password@mail.example.com:587, where TLS
// starts as soon as the server offers it, or smtps://... for TLS from the first byte (port 465). A password is only ever
// sent over TLS, or to this machine. from is the sender, such as "Nines <nines@example.com>". What cannot be used is a
// fault.Invalid that does not repeat the address, since it may hold a password.
func New(address, from string) (*Notifier, error) {
	s, err := readAddress(address)
	if err != nil {
		return nil, err
	}
	sender, err := mail.ParseAddress(from)
	if err != nil || strings.ContainsAny(sender.Address, "\r\n") {
		return nil, fault.New(fault.Invalid, "the mail sender is not an address such as Nines <nines@example.com>")
	}
	return &Notifier{server: s, from: *sender}, nil
}

func readAddress(address string) (server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return server{}, fault.New(fault.Invalid,
			"the mail server's address is not like smtp://user:password@mail.example.com:587 or smtps://mail.example.com")
	}
	s := server{host: u.Hostname(), port: u.Port(), implicitTLS: u.Scheme == "smtps"}
	if s.port == "" {
		s.port = "25"
		if s.implicitTLS {
			s.port = "465"
		} else if u.User != nil {
			s.port = "587"
		}
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	return s, nil
}

// Send implements incidents.Notifier. The mail is sent when the server takes it for at least one recipient; those it
// refuses are named in the receipt's ProviderID, after the Message-ID. A 5xx is final; a 4xx and no answer are tried
// again.
func (n *Notifier) Send(ctx context.Context, note incidents.Notification) (incidents.Receipt, error) {
	target := note.Page.Target.Email
	if target == nil {
		return incidents.Receipt{}, fault.New(fault.Invalid, "the page is not for e-mail")
	}
	to, err := recipients(target.To)
	if err != nil {
		return incidents.Receipt{}, err
	}
	m := newMessage(n.from, to, note)
	refused, code, err := n.server.send(ctx, n.from.Address, to, m.bytes())
	receipt := incidents.Receipt{StatusCode: code, ProviderID: m.id}
	if len(refused) > 0 {
		receipt.ProviderID += fmt.Sprintf("; refused: %s", strings.Join(refused, ", "))
	}
	return receipt, err
}

// recipients checks the addresses once more before they stand in a header and in a command.
func recipients(to []string) ([]string, error) {
	if len(to) == 0 {
		return nil, fault.New(fault.Invalid, "the page names no mail address")
	}
	for _, address := range to {
		a, err := mail.ParseAddress(address)
		if err != nil || a.Address != address || strings.ContainsAny(address, "\r\n<> ") {
			return nil, fault.New(fault.Invalid, "%q is not a plain mail address", notify.Line(address, 80))
		}
	}
	return to, nil
}
