package notify

import (
	"net/url"
	"unicode/utf8"
)

// Link returns an address that a provider takes as a link: absolute, over HTTP, of at most n bytes. Every other is "",
// because a page must not fail for an alert's strange runbook.
func Link(address string, n int) string {
	u, err := url.Parse(address)
	if err != nil || len(address) > n || !utf8.ValidString(address) || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return address
}
