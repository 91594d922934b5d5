package httpapi

import (
	"github.com/gofiber/fiber/v2"
)

// contentPolicy allows a page what stands on this site and nothing inline; data: is for small images.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

const oneYear = "max-age=31536000; includeSubDomains"

// secureHeaders sets what browsers need to keep people safe.
func (a *API) secureHeaders(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set(fiber.HeaderPermissionsPolicy, "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if a.config.https() {
		c.Set(fiber.HeaderStrictTransportSecurity, oneYear)
	}
	if isMachine(c.Path()) {
		c.Set(fiber.HeaderCacheControl, "no-store")
	}
	if a.deps.Events.Closed() {
		c.Context().Response.SetConnectionClose() // a client that connects anew finds another replica, or us when we are back
	}
	return c.Next()
}

// isMachine reports whether the path belongs to one of the APIs.
func isMachine(path string) bool {
	return under(path, apiPath) || under(path, alertmanagerPath) || under(path, prometheusPath)
}
