package web

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
)

type problemView struct {
	Status  int
	Heading string
	Message string
	SignIn  string // where to sign in, for 401
	Retry   bool   // trying again may help
}

var problemHeadings = map[int]string{
	http.StatusBadRequest:          "That request makes no sense here",
	http.StatusUnauthorized:        "Please sign in again",
	http.StatusForbidden:           "This is not yours to see or do",
	http.StatusNotFound:            "There is nothing here",
	http.StatusConflict:            "It changed in the meantime",
	http.StatusTooManyRequests:     "Too many requests",
	http.StatusServiceUnavailable:  "Something we need is away",
	http.StatusGatewayTimeout:      "It took too long",
	http.StatusInternalServerError: "Something went wrong on our side",
}

// HTMLError answers with a page that says what is wrong and what to do, in the style of the others. The message must
// be safe to show; an error handler passes fault.Public's. It needs no dependency, so it works while they are away.
func HTMLError(c *fiber.Ctx, status int, message string) error {
	heading, ok := problemHeadings[status]
	if !ok {
		heading = http.StatusText(status)
	}
	view := problemView{
		Status: status, Heading: heading, Message: asSentence(message), Retry: status == http.StatusTooManyRequests || status >= 500,
	}
	if status == http.StatusUnauthorized {
		view.SignIn = "/sign-in"
		if c.Method() == fiber.MethodGet {
			view.SignIn = signInURL(c.OriginalURL())
		}
	}
	return show(c, status, frame{page: page{Template: "problem", Title: heading, Body: view}, Now: time.Now().UTC()})
}
