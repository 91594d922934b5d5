package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	keepPages = 100
	maxPage   = 1 << 20
)

// pager is a webhook that stands for the telephone of whoever is on call: it believes only what is signed with the
// secret, and prints a line for each page.
type pager struct {
	verifier *standardwebhooks.Webhook // nil where no secret is set
	out      io.Writer

	mu    sync.Mutex
	pages []received
}

// received is one page. A page that is sent again under the same id is kept once.
type received struct {
	At    time.Time       `json:"at"`
	ID    string          `json:"id"`
	Times int             `json:"times"` // how often it was sent
	Line  string          `json:"line"`
	Body  json.RawMessage `json:"body"`
}

// message is what of a webhook's body is shown.
type message struct {
	Type string `json:"type"`
	Data struct {
		Number     int64  `json:"number"`
		Title      string `json:"title"`
		Severity   string `json:"severity"`
		Tenant     string `json:"tenant"`
		URL        string `json:"url"`
		RunbookURL string `json:"runbookUrl"`
		Resolved   string `json:"resolvedBy"`
		Acked      string `json:"acknowledgedBy"`
	} `json:"data"`
}

func newPager(secret string, out io.Writer) (*pager, error) {
	p := &pager{out: out}
	if secret == "" {
		return p, nil
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 {
		return nil, fmt.Errorf("the pager's secret must be base64 of at least 24 bytes, with or without whsec_ before it")
	}
	p.verifier, err = standardwebhooks.NewWebhookRaw(key)
	return p, err
}

func (p *pager) describe() string {
	if p.verifier == nil {
		return "off: start the shop with SHOP_PAGER_SECRET or -pager-secret-file"
	}
	return "on"
}

func (p *pager) receive(w http.ResponseWriter, r *http.Request) {
	if p.verifier == nil {
		http.Error(w, "the pager is "+p.describe(), http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPage))
	if err != nil {
		http.Error(w, "the page is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := p.verifier.Verify(body, r.Header); err != nil {
		http.Error(w, "the signature is not valid", http.StatusUnauthorized)
		return
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, "the body is not a webhook of ours", http.StatusBadRequest)
		return
	}
	p.keep(received{At: time.Now().UTC(), ID: r.Header.Get(standardwebhooks.HeaderWebhookID), Times: 1, Line: m.line(), Body: body})
	w.WriteHeader(http.StatusNoContent)
}

// keep prints a page that is new, and counts one that is not.
func (p *pager) keep(page received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.pages, func(known received) bool { return known.ID == page.ID }); i >= 0 {
		p.pages[i].Times++
		return
	}
	p.pages = append(p.pages, page)
	p.pages = p.pages[max(0, len(p.pages)-keepPages):]
	fmt.Fprintln(p.out, page.Line)
}

// last returns the pages kept, the newest first.
func (p *pager) last() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Clone(p.pages)
	slices.Reverse(out)
	if out == nil {
		out = []received{}
	}
	return out
}

// line says the page in one line: what a person woken by it needs first.
func (m message) line() string {
	d := m.Data
	about := fmt.Sprintf("#%d %s", d.Number, d.Title)
	if d.Tenant != "" {
		about = fmt.Sprintf("#%d %s: %s", d.Number, d.Tenant, d.Title)
	}
	var line string
	switch m.Type {
	case "incident.acknowledged":
		line = "ACKNOWLEDGED " + about + by(d.Acked)
	case "incident.resolved":
		line = "RESOLVED " + about + by(d.Resolved)
	default:
		line = fmt.Sprintf("PAGE %s: %s", d.Severity, about)
		for _, link := range []string{d.URL, d.RunbookURL} {
			if link != "" {
				line += "  " + link
			}
		}
	}
	return printable(line)
}

func by(whom string) string {
	if whom == "" {
		return ""
	}
	return " by " + whom
}

// printable keeps what was sent from moving the cursor or writing several lines.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > 500 {
		s = string(runes[:499]) + "…"
	}
	return s
}
