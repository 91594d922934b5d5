package email_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// mailServer is a small fake of an SMTP server that keeps what it is handed.
type mailServer struct {
	addr   string            // 127.0.0.1 with a free port, unless another host is asked for
	offers []string          // extensions, such as STARTTLS
	refuse map[string]string // command or recipient to the reply instead of the usual one
	cert   *tls.Config       // for STARTTLS
	silent bool              // accepts connections and says nothing
	cutAt  string            // command at which the connection is cut instead of an answer
	mute   string            // command that is never answered
	// implicit starts TLS before the first byte.
	implicit bool
	mu       sync.Mutex
	mails    []mailed
	dialogs  []string // every line that clients sent
}

type mailed struct {
	from, data string
	to         []string
	secure     bool
	auth       string
}

func newMailServer(t *testing.T, s *mailServer) *mailServer {
	host := "127.0.0.1"
	if s.addr != "" {
		host = s.addr
	}
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Skipf("cannot listen on %s: %v", host, err) // macOS has one loopback address only
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return s
}

// testTLS returns a server's certificate for 127.0.0.1 and a client that trusts it.
func testTLS(t *testing.T) (server, client *tls.Config) {
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	client = web.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "127.0.0.1"
	return &tls.Config{Certificates: web.TLS.Certificates}, client
}

func (s *mailServer) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	lines := bufio.NewReader(conn)
	if s.silent {
		_, _ = lines.ReadString('\n')
		return
	}
	var m mailed
	if s.implicit {
		conn = tls.Server(conn, s.cert)
		lines, m.secure = bufio.NewReader(conn), true
	}
	say := func(reply string) { fmt.Fprintf(conn, "%s\r\n", reply) }
	say("220 mail.example.com")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.note(line)
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if verb == s.cutAt {
			return
		}
		if verb == s.mute {
			_, _ = lines.ReadString('\n')
			return
		}
		if reply, refused := s.refuse[verb]; refused {
			say(reply)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-mail.example.com")
			for _, o := range s.offers {
				if o != "STARTTLS" || !m.secure {
					say("250-" + o)
				}
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.cert)
			lines, m.secure = bufio.NewReader(conn), true
		case "AUTH":
			plain, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "AUTH PLAIN "))
			m.auth = string(plain)
			say("235 ok")
		case "MAIL":
			m.from = between(line)
			say("250 ok")
		case "RCPT":
			to := between(line)
			if reply, refused := s.refuse[to]; refused {
				say(reply)
				continue
			}
			m.to = append(m.to, to)
			say("250 ok")
		case "DATA":
			say("354 go on")
			m.data = readData(lines)
			s.keep(m)
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

func (s *mailServer) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialogs = append(s.dialogs, line)
}

func (s *mailServer) keep(m mailed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
}

func (s *mailServer) sent() []mailed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func between(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func readData(lines *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}
