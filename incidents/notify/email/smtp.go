package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"time"

	"github.com/nines-sre/nines/incidents/notify"
	"github.com/nines-sre/nines/internal/fault"
)

const name = "the mail server"

// server is where mail is handed in.
type server struct {
	host, port     string
	user, password string
	implicitTLS    bool
	tls            *tls.Config // nil means the system's trust
}

// send hands in one mail and returns who was refused while others were not, and the server's last reply code. No error
// holds the password: replies are shown by code and text, with the password taken out.
func (s server) send(ctx context.Context, from string, to []string, body []byte) (refused []string, code int, err error) {
	c, stop, err := s.dial(ctx)
	if err != nil {
		return nil, codeOf(err), s.fault(ctx, err)
	}
	defer stop()
	refused, err = s.deliver(c, from, to, body)
	if err != nil {
		return refused, codeOf(err), s.fault(ctx, err)
	}
	_ = c.Quit() // the mail is accepted; how the goodbye goes changes nothing
	return refused, 250, nil
}

// dial connects so that the end of ctx ends the conversation, wherever it is.
func (s server) dial(ctx context.Context) (*smtp.Client, func(), error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return nil, nil, err
	}
	unhook := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	stop := func() {
		unhook()
		_ = raw.Close()
	}
	conn := raw
	if s.implicitTLS {
		conn = tls.Client(raw, s.tlsConfig())
	}
	c, err := smtp.NewClient(conn, s.host)
	if err == nil {
		err = s.secure(c)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return c, stop, nil
}

// secure says hello, starts TLS where it is offered and signs in where there is a user.
func (s server) secure(c *smtp.Client) error {
	if err := c.Hello("nines"); err != nil {
		return err
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !s.implicitTLS {
		if err := c.StartTLS(s.tlsConfig()); err != nil {
			return err
		}
	}
	if s.user == "" {
		return nil
	}
	if offered, _ := c.Extension("AUTH"); !offered {
		return fault.New(fault.Invalid, "%s offers no sign-in, but a user is configured", name)
	}
	if _, encrypted := c.TLSConnectionState(); !encrypted && !s.implicitTLS && !s.local() {
		return fault.New(fault.Invalid, "%s offers no TLS; the password is not sent in the clear", name)
	}
	return c.Auth(smtp.PlainAuth("", s.user, s.password, s.host))
}

// local reports whether the server is this machine, by the names that smtp.PlainAuth accepts.
func (s server) local() bool {
	return s.host == "localhost" || s.host == "127.0.0.1" || s.host == "::1"
}

func (s server) tlsConfig() *tls.Config {
	if s.tls != nil {
		return s.tls
	}
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
}

// deliver goes through the envelope and the data. It goes on as long as one recipient is accepted.
func (s server) deliver(c *smtp.Client, from string, to []string, body []byte) (refused []string, err error) {
	if err := c.Mail(from); err != nil {
		return nil, err
	}
	var last error
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			if codeOf(err) == 0 {
				return nil, err // not a refusal: the connection is gone
			}
			refused, last = append(refused, address), err
		}
	}
	if len(refused) == len(to) {
		return refused, last
	}
	w, err := c.Data()
	if err != nil {
		return refused, err
	}
	if _, err := w.Write(body); err != nil {
		return refused, err
	}
	return refused, w.Close()
}

func codeOf(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// fault classifies by RFC 5321: 4yz is a passing refusal, 5yz a lasting one, anything else means that the server could
// not be talked to.
func (s server) fault(ctx context.Context, err error) error {
	var (
		reply *textproto.Error
		known *fault.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case !errors.As(err, &reply):
		return notify.Unreachable(ctx, name, err)
	}
	said := notify.Scrub(reply.Msg, s.password)
	if reply.Code/100 == 5 {
		return fault.New(fault.Invalid, "%s refused: %d %s", name, reply.Code, said)
	}
	return fault.New(fault.Unavailable, "%s refused for now: %d %s", name, reply.Code, said)
}
