package web

import (
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/fault"
)

// flashCookie carries the outcome of a form to the page shown next. It holds one of the words below and no text, so
// that nobody who can plant a cookie can put words on a page.
const flashCookie = "nines_flash"

// flash is the outcome of what somebody just did; the zero flash is none.
type flash struct {
	Text string
	Good bool
}

var flashes = map[string]flash{
	"acknowledged":   {"Acknowledged. You are on it; nobody else will be paged for this.", true},
	"escalated":      {"Escalated. The next step is paged now.", true},
	"resolved":       {"Resolved. Everyone who was paged is told.", true},
	"taken":          {"Somebody was quicker: the incident says who has acknowledged it.", false},
	"reassigned":     {"Assigned. The first step is paged now.", true},
	"unassigned":     {"Not assigned: choose a policy, or write e-mail addresses of one to ten people.", false},
	"snoozed":        {"Snoozed. People are paged anew when that ends.", true},
	"unsnoozed":      {"Not snoozed: write between 1 minute and 7 days.", false},
	"declared":       {"Declared. Who is called stands under Responders.", true},
	"rated":          {"Rated.", true},
	"unrated":        {"Not rated: choose a level or who notices it.", false},
	"cast":           {"Done. Everybody who was paged in a thread is told.", true},
	"uncast":         {"Not changed: write the e-mail address of somebody who has an account.", false},
	"task-added":     {"Added.", true},
	"task-changed":   {"Done.", true},
	"task-wrong":     {"Not done: a task needs 1 to 500 characters, and an owner who has an account.", false},
	"told":           {"Told. Subscribers get it by e-mail.", true},
	"untold":         {"Not told: write what people outside should know, in 1 to 4,000 characters.", false},
	"merged":         {"Merged. This is the incident that goes on.", true},
	"unmerged":       {"Not merged: write the number of another open incident of the same tenant.", false},
	"split":          {"Split. This is the new incident.", true},
	"unsplit":        {"Not split: choose some of its alerts, and leave it one at least.", false},
	"reopened":       {"Opened again as this incident. People are called.", true},
	"followed":       {"Subscribed. Status updates come by e-mail.", true},
	"unfollowed":     {"Ended. No more of these letters are sent.", true},
	"unsubscribable": {"Not subscribed: write an e-mail address.", false},
	"ran":            {"Done. What it found stands below.", true},
	"ran-badly":      {"It failed. Why stands below.", false},
	"asked":          {"Asked. Somebody else has to approve it within 15 minutes.", true},
	"denied":         {"Denied. It is not run.", true},
	"not-run":        {"Not run: that needs another person, another role, or a value that the incident does not have.", false},
	"noted":          {"Your note is on the timeline.", true},
	"corrected":      {"Added. The figures count it from now on.", true},
	"uncorrected":    {"Revoked. The figures are as if it had never been.", true},
	"drafted":        {"Drafted. The figures are filled in; the rest is for people.", true},
	"saved":          {"Saved.", true},
	"refreshed":      {"The figures are as of now; what people wrote is as it was.", true},
	"moved":          {"Done.", true},
	"commented":      {"Your comment is kept.", true},
	"item-added":     {"Added. Its owner is reminded before it is due.", true},
	"item-changed":   {"Changed.", true},
	"silenced":       {"Silenced. What it matches pages nobody until it ends.", true},
	"unsilenced":     {"Expired. What still fires pages from now on.", true},
	"tested":         {"The provider has accepted the test. See whether it has arrived.", true},
	"tested-open":    {"The provider has accepted the test. It stays open there until somebody resolves it.", true},
	"test-failed":    {"The test was not accepted. Why stands beside the target.", false},
	"test-early":     {"No test was sent: one target takes one in 10 seconds, and one person sends 10 a minute. Try again then.", false},
	"overridden":     {"Done. The calendar shows who is on call now.", true},
	"proposed":       {"Proposed. It is done once it is accepted.", true},
	"swapped":        {"Answered. The calendar shows who is on call now.", true},
	"code-sent":      {"A code was sent there. Write it below within 10 minutes.", true},
	"code-unsent":    {"It is kept, but the code could not be sent. Send another, or look at the address.", false},
	"verified":       {"Verified. You are called this way from now on.", true},
	"revoked":        {"Revoked. The address shows nothing from now on.", true},
	"over":           {"Nothing was silenced: the alert fires no more.", false},
	"conflict":       {"That was not possible: the incident changed in the meantime. This is how it stands now.", false},
	"empty":          {"Nothing was added: the note was empty or too long (10,000 characters at most).", false},
}

// setFlash leaves a word for the next page.
func (s *site) setFlash(c *fiber.Ctx, word string) {
	c.Cookie(&fiber.Cookie{
		Name: flashCookie, Value: word, Path: "/", MaxAge: 30, HTTPOnly: true, Secure: s.secure(),
		SameSite: fiber.CookieSameSiteLaxMode,
	})
}

// takeFlash returns what was left for this page, once. A fragment leaves it for the whole page.
func takeFlash(c *fiber.Ctx, secure bool) flash {
	word := c.Cookies(flashCookie)
	if word == "" || isFragment(c) {
		return flash{}
	}
	c.Cookie(&fiber.Cookie{
		Name: flashCookie, Value: "", Path: "/", MaxAge: -1, HTTPOnly: true, Secure: secure,
		SameSite: fiber.CookieSameSiteLaxMode,
	})
	return flashes[word]
}

// after answers a form: back to the page with its outcome. Trouble that the person can do nothing about on that page
// goes on to the error handler.
func (s *site) after(c *fiber.Ctx, back, word string, err error) error {
	return s.afterwards(c, back, word, "empty", err)
}

// afterwards is after with a word of its own for what was written wrong.
func (s *site) afterwards(c *fiber.Ctx, back, word, wrong string, err error) error {
	switch {
	case err == nil:
		s.setFlash(c, word)
	case fault.Is(err, fault.Conflict):
		s.setFlash(c, "conflict")
	case fault.Is(err, fault.Invalid):
		s.setFlash(c, wrong)
	default:
		return err
	}
	return c.Redirect(back, fiber.StatusSeeOther)
}
