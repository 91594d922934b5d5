package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/fault"
)

//go:embed static/*
var staticFiles embed.FS

// asset is one embedded file with the hash that stands in its address.
type asset struct {
	body []byte
	hash string
	kind string // MIME type
}

var assets = loadAssets()

func loadAssets() map[string]asset {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	loaded := map[string]asset{}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		loaded[e.Name()] = asset{body: body, hash: hex.EncodeToString(sum[:6]), kind: mimeOf(e.Name())}
	}
	return loaded
}

// mimeOf does not ask the machine's MIME table alone, which may be missing or odd.
func mimeOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// assetURL returns an asset's address, which changes with its content: "/static/app.3f9ac1d2e0b4.css".
func assetURL(name string) string {
	ext := path.Ext(name)
	return "/static/" + strings.TrimSuffix(name, ext) + "." + assets[name].hash + ext
}

// serveAsset answers with an asset: for ever where the hash in the address is right, and uncached under its plain name
// or an older hash, so that a page from before an update still finds its style.
func serveAsset(c *fiber.Ctx) error {
	name, hash := splitAsset(c.Params("name"))
	a, ok := assets[name]
	if !ok {
		return fault.New(fault.NotFound, "there is no such file")
	}
	c.Set(fiber.HeaderContentType, a.kind)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if hash == a.hash {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else {
		c.Set(fiber.HeaderCacheControl, "no-cache")
	}
	return c.Send(a.body)
}

// splitAsset takes "app.3f9ac1d2e0b4.css" apart into "app.css" and the hash.
func splitAsset(given string) (name, hash string) {
	parts := strings.Split(given, ".")
	if len(parts) != 3 {
		return given, ""
	}
	return parts[0] + "." + parts[2], parts[1]
}
