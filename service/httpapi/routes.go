package httpapi

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"
)

// unmatched labels requests that no route answers, so that scans stay one series.
const unmatched = "unmatched"

// routes finds a request's route template before the request is handled, so that trace, metrics and deadline know it even
// where a middleware answers. It follows what is registered on the app, also after New.
type routes struct {
	app   *fiber.App
	table atomic.Pointer[routeTable]
}

type routeTable struct {
	handlers uint32              // of the app when the table was made
	exact    map[string]string   // method and path to template
	patterns map[string][]string // method to templates with parameters
}

// template returns the route that will answer, or unmatched.
func (r *routes) template(method, path string) string {
	t := r.table.Load()
	if t == nil || t.handlers != r.app.HandlersCount() {
		t = readRoutes(r.app)
		r.table.Store(t)
	}
	key := strings.TrimSuffix(path, "/")
	if template, ok := t.exact[method+" "+key]; ok {
		return template
	}
	for _, template := range t.patterns[method] {
		if matches(template, key) {
			return template
		}
	}
	return unmatched
}

func readRoutes(app *fiber.App) *routeTable {
	t := &routeTable{handlers: app.HandlersCount(), exact: map[string]string{}, patterns: map[string][]string{}}
	for _, route := range app.GetRoutes(true) {
		switch {
		case strings.ContainsAny(route.Path, ":*+"):
			if !slices.Contains(t.patterns[route.Method], route.Path) {
				t.patterns[route.Method] = append(t.patterns[route.Method], route.Path)
			}
		default:
			t.exact[route.Method+" "+strings.TrimSuffix(route.Path, "/")] = route.Path
		}
	}
	return t
}

// matches reports whether a path without trailing slash fits a template of fixed and :named segments, of which the last
// may be * for any rest.
func matches(template, path string) bool {
	template = strings.TrimSuffix(template, "/")
	for {
		want, moreWant := nextSegment(&template)
		if want == "*" || want == "+" {
			return true
		}
		have, moreHave := nextSegment(&path)
		switch {
		case !moreWant || !moreHave:
			return moreWant == moreHave
		case !fits(want, have):
			return false
		}
	}
}

// fits compares one segment; a parameter may be followed by fixed text, as in :id.md.
func fits(want, have string) bool {
	if !strings.HasPrefix(want, ":") {
		return want == have
	}
	_, suffix, _ := strings.Cut(want, ".")
	if suffix != "" {
		suffix = "." + suffix
	}
	return len(have) > len(suffix) && strings.HasSuffix(have, suffix)
}

func nextSegment(path *string) (segment string, ok bool) {
	rest, ok := strings.CutPrefix(*path, "/")
	if !ok {
		return "", false
	}
	segment, after, more := strings.Cut(rest, "/")
	*path = ""
	if more {
		*path = "/" + after
	}
	return segment, true
}
