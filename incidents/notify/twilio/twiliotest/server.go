// Package twiliotest is a fake of the part of Twilio's API that pages need: it refuses what the documented schema
// refuses, with Twilio's codes, fails on demand, and plays the telephones: they get messages, answer them and press keys.
// It leaves out queues and prices.
package twiliotest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/nines-sre/nines/incidents/notify/notifytest"
)

// What the fake's account is called and signs in with.
const (
	Account = "AC00000000000000000000000000000001"
	Token   = "0123456789abcdef0123456789abcdef"
	From    = "+15005550006"
)

// Message is a message or call that was accepted.
type Message struct {
	SID, To, From, Body string
	Twiml               string // of a call
	StatusCallback      string
	Status              string // of a call: "queued", or "canceled" once it was taken back
}

// Server is the fake. Its methods are safe for concurrent use.
type Server struct {
	*notifytest.Server

	mu       sync.Mutex
	messages []*Message
	calls    []*Message
	rejects  map[string]int // number to the code it is refused with
}

// New starts a fake that stops with the test.
func New(t testing.TB) *Server {
	s := &Server{rejects: map[string]int{}}
	s.Server = notifytest.Start(t, s, func(status int) string {
		return fmt.Sprintf(`{"code":%d,"message":"told to answer %d","more_info":"https://www.twilio.com/docs/errors/%d","status":%d}`,
			status+20000, status, status+20000, status)
	})
	return s
}

// Reject refuses messages and calls to a number with one of Twilio's codes, such as 21610 for one that has
// unsubscribed.
func (s *Server) Reject(number string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejects[number] = code
}

// Messages returns the messages that were accepted, in order.
func (s *Server) Messages() []Message { return s.list(&s.messages) }

// Calls returns the calls that were accepted, in order.
func (s *Server) Calls() []Message { return s.list(&s.calls) }

func (s *Server) list(of *[]*Message) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Message
	for _, m := range *of {
		out = append(out, *m)
	}
	return out
}

var paths = regexp.MustCompile(`^/2010-04-01/Accounts/([^/]+)/(Messages|Calls)(?:/([^/]+))?\.json$`)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := paths.FindStringSubmatch(r.URL.Path)
	account, token, _ := r.BasicAuth()
	switch {
	case path == nil || r.Method != http.MethodPost:
		refuse(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
		return
	case account != Account || token != Token || path[1] != Account:
		refuse(w, http.StatusUnauthorized, 20003, "Authenticate")
		return
	case r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil:
		s.Refuse("the body is not a form")
		refuse(w, http.StatusBadRequest, 20001, "Bad request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case path[2] == "Calls" && path[3] != "":
		s.update(w, path[3], r.PostForm)
	case path[2] == "Calls":
		s.create(w, "CA", &s.calls, checkCall(r.PostForm), r.PostForm)
	default:
		s.create(w, "SM", &s.messages, checkMessage(r.PostForm), r.PostForm)
	}
}

// problem is what is wrong with a request, by Twilio's code.
type problem struct {
	code int
	text string
}

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func checkMessage(form url.Values) *problem {
	body := form.Get("Body")
	switch length := len(utf16.Encode([]rune(body))); {
	case length == 0:
		return &problem{21602, "Message body is required."}
	case length > 1600:
		return &problem{21617, "The concatenated message body exceeds the 1600 character limit"}
	}
	return checkBoth(form, []string{"To", "From", "Body", "StatusCallback"})
}

func checkCall(form url.Values) *problem {
	script := form.Get("Twiml")
	switch {
	case script == "" && form.Get("Url") == "":
		return &problem{21205, "Url parameter is required."}
	case len(script) > 4000:
		return &problem{21218, "Twiml is longer than 4000 characters"}
	}
	if _, err := ReadTwiML(script); err != nil {
		return &problem{21218, "Invalid ApplicationSid or Twiml: " + err.Error()}
	}
	for _, event := range form["StatusCallbackEvent"] {
		if !slices.Contains([]string{"initiated", "ringing", "answered", "completed"}, event) {
			return &problem{21626, "invalid StatusCallbackEvent " + event}
		}
	}
	return checkBoth(form, []string{"To", "From", "Twiml", "Timeout", "StatusCallback", "StatusCallbackEvent"})
}

func checkBoth(form url.Values, known []string) *problem {
	for name := range form {
		if !slices.Contains(known, name) {
			return &problem{20001, "unknown parameter " + name}
		}
	}
	if u, err := url.Parse(form.Get("StatusCallback")); form.Has("StatusCallback") && (err != nil || u.Host == "") {
		return &problem{21609, "Invalid StatusCallback"}
	}
	switch {
	case !e164.MatchString(form.Get("To")):
		return &problem{21211, "The 'To' number " + form.Get("To") + " is not a valid phone number."}
	case form.Get("From") != From:
		return &problem{21659, "'" + form.Get("From") + "' is not a Twilio phone number"}
	}
	return nil
}

// create needs the lock.
func (s *Server) create(w http.ResponseWriter, prefix string, of *[]*Message, p *problem, form url.Values) {
	if p != nil {
		s.Refuse(fmt.Sprintf("%d %s", p.code, p.text))
		refuse(w, http.StatusBadRequest, p.code, p.text)
		return
	}
	if code, ok := s.rejects[form.Get("To")]; ok {
		refuse(w, http.StatusBadRequest, code, fmt.Sprintf("refused for %d", code))
		return
	}
	m := &Message{
		SID: fmt.Sprintf("%s%032x", prefix, len(s.messages)+len(s.calls)+1), To: form.Get("To"), From: form.Get("From"),
		Body: form.Get("Body"), Twiml: form.Get("Twiml"), StatusCallback: form.Get("StatusCallback"), Status: "queued",
	}
	*of = append(*of, m)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"sid": m.SID, "account_sid": Account, "to": m.To, "from": m.From, "status": m.Status, "error_code": nil, "error_message": nil,
	})
}

// update takes a call back that is not over. It needs the lock.
func (s *Server) update(w http.ResponseWriter, sid string, form url.Values) {
	i := slices.IndexFunc(s.calls, func(m *Message) bool { return m.SID == sid })
	switch {
	case i < 0:
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
	case form.Get("Status") != "canceled" && form.Get("Status") != "completed":
		s.Refuse("unknown status " + form.Get("Status"))
		refuse(w, http.StatusBadRequest, 21219, "Invalid Status")
	case s.calls[i].Status != "queued":
		refuse(w, http.StatusBadRequest, 21220, "Invalid call state")
	default:
		s.calls[i].Status = form.Get("Status")
		_ = json.NewEncoder(w).Encode(map[string]any{"sid": sid, "status": s.calls[i].Status})
	}
}

func refuse(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": code, "message": text, "more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%d", code), "status": status,
	})
}

// Verb is one element of TwiML.
type Verb struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []Verb     `xml:",any"`
}

// Attr returns an attribute's value.
func (v Verb) Attr(name string) string {
	for _, a := range v.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// Said returns all that is said or written, in order.
func (v Verb) Said() string {
	var parts []string
	if text := strings.TrimSpace(v.Text); text != "" {
		parts = append(parts, text)
	}
	for _, c := range v.Children {
		if text := c.Said(); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

// Find returns the first element with the name, itself included, and nil where there is none.
func (v *Verb) Find(name string) *Verb {
	if v.XMLName.Local == name {
		return v
	}
	for i := range v.Children {
		if found := v.Children[i].Find(name); found != nil {
			return found
		}
	}
	return nil
}

var verbs = []string{"Response", "Say", "Pause", "Gather", "Hangup", "Message"}

// ReadTwiML reads a response and refuses what is not TwiML.
func ReadTwiML(text string) (*Verb, error) {
	var root Verb
	if err := xml.Unmarshal([]byte(text), &root); err != nil {
		return nil, err
	}
	if root.XMLName.Local != "Response" {
		return nil, fmt.Errorf("the root is %s, not Response", root.XMLName.Local)
	}
	return &root, root.check()
}

func (v Verb) check() error {
	if !slices.Contains(verbs, v.XMLName.Local) {
		return fmt.Errorf("unknown verb %s", v.XMLName.Local)
	}
	for _, c := range v.Children {
		if err := c.check(); err != nil {
			return err
		}
	}
	return nil
}
