package httpapi

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/nines-sre/nines/internal/fault"
)

// saneHeaders refuses requests whose end two parsers could see in different places (request smuggling), and closes the
// connection, because what follows on it cannot be trusted either. The server's own parser refuses the other forms.
func saneHeaders(c *fiber.Ctx) error {
	if problem := ambiguous(c.Request().Header.RawHeaders()); problem != "" {
		c.Context().SetConnectionClose()
		return fault.New(fault.Invalid, "the request is malformed: %s", problem)
	}
	return c.Next()
}

// ambiguous says what makes the raw header lines ambiguous, or "".
func ambiguous(raw []byte) string {
	var hosts, lengths, encodings int
	for line := range bytes.Lines(raw) {
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			return "a header is folded over several lines"
		}
		name, _, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch {
		case len(name) > 0 && (name[len(name)-1] == ' ' || name[len(name)-1] == '\t'):
			return "a header's name ends in a space"
		case bytes.EqualFold(name, []byte(fiber.HeaderHost)):
			hosts++
		case bytes.EqualFold(name, []byte(fiber.HeaderContentLength)):
			lengths++
		case bytes.EqualFold(name, []byte(fiber.HeaderTransferEncoding)):
			encodings++
		}
	}
	switch {
	case hosts > 1:
		return "it has more than one Host"
	case lengths > 1:
		return "it has more than one Content-Length"
	case encodings > 1:
		return "it has more than one Transfer-Encoding"
	case lengths > 0 && encodings > 0:
		return "it has both Content-Length and Transfer-Encoding"
	}
	return ""
}

// unpack decompresses a compressed body within the body limit, so that no handler meets one: the framework would
// decompress without a limit.
func (a *API) unpack(c *fiber.Ctx) error {
	if len(c.Request().Header.ContentEncoding()) == 0 {
		return c.Next()
	}
	body, err := c.Request().BodyUncompressedWithLimit(a.config.BodyLimit)
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fault.Wrap(fault.TooLarge, err, "the request's body is larger than %d bytes when decompressed", a.config.BodyLimit)
	case errors.Is(err, fasthttp.ErrContentEncodingUnsupported):
		return refusal(http.StatusUnsupportedMediaType, "this Content-Encoding is not supported; use gzip, deflate, br, zstd or none")
	case err != nil:
		return fault.Wrap(fault.Invalid, err, "the request's body cannot be decompressed")
	}
	c.Request().SetBodyRaw(bytes.Clone(body))
	c.Request().Header.Del(fiber.HeaderContentEncoding)
	return c.Next()
}
