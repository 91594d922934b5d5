package twilio

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/incidents"
	"github.com/nines-sre/nines/incidents/notify"
)

// The keys of a call, and how they are offered.
const (
	keyAcknowledge = "4"
	keyEscalate    = "5"
	keyResolve     = "6"
	keyWords       = "Press 4 to acknowledge, 6 to resolve, 5 to escalate."
)

// verb is one element of TwiML.
type verb struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []verb
}

func element(name string, children ...verb) verb {
	return verb{XMLName: xml.Name{Local: name}, Children: children}
}

func say(text string) verb {
	v := element("Say")
	v.Text = text
	return v
}

func (v verb) with(name, value string) verb {
	v.Attrs = append(v.Attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
	return v
}

// twiml writes a response that does the verbs in order.
func twiml(verbs ...verb) string {
	text, err := xml.Marshal(element("Response", verbs...))
	if err != nil {
		return "<Response></Response>" // plain elements and text can always be written
	}
	return xml.Header + string(text)
}

// callScript is what a call says: the headline twice, so that who has just woken up can hear it, and then the keys.
func callScript(note incidents.Notification, hook string) string {
	headline := spoken(note.Incident)
	lines := []verb{say(headline), element("Pause").with("length", "1"), say(headline)}
	if hook == "" || note.Incident.ID == "" { // several incidents have no one answer
		return twiml(append(lines, say("Open Nines to acknowledge. Goodbye."))...)
	}
	return twiml(offerKeys(keysURL(hook, note.Incident.ID), lines...), say("No key was pressed. Goodbye."))
}

// offerKeys says the lines and then the keys; a key can be pressed at any time.
func offerKeys(action string, lines ...verb) verb {
	return element("Gather", append(lines, say(keyWords))...).
		with("action", action).with("method", "POST").with("numDigits", "1").with("timeout", "10")
}

// keysURL is the hook's address for the keys of a call about an incident.
func keysURL(hook, incident string) string {
	u, err := url.Parse(hook)
	if err != nil {
		return hook
	}
	q := u.Query()
	q.Set(incidentParameter, incident)
	u.RawQuery = q.Encode()
	return u.String()
}

// spoken is the headline in words that a voice can read.
func spoken(i incidents.Incident) string {
	parts := []string{"This is Nines", notify.Line(string(i.Severity), 20)}
	if i.Number > 0 {
		parts[1] = fmt.Sprintf("Incident %d, %s", i.Number, parts[1])
	}
	for _, part := range []string{notify.Line(i.Tenant, 60), notify.Line(i.Service, 60), notify.Line(i.Title, 150)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ". ") + "."
}
