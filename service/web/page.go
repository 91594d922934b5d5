package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
	"github.com/nines-sre/nines/internal/fault"
)

// page is what a handler hands over to be shown.
type page struct {
	Template string   // its file, without .html
	Title    string   // of the window
	Section  string   // which entry of the navigation is current
	Topics   string   // events that change it, separated by spaces; "" for a page that is not live
	Missing  []string // what could not be asked, one sentence each
	Body     any
}

// frame is a page with what stands around every page.
type frame struct {
	page
	Viewer  viewer
	Flash   flash
	Version string
	Now     time.Time
}

// viewer is who looks, in the words that templates need.
type viewer struct {
	SignedIn   bool
	Name       string
	Role       string
	Tenant     string
	Operator   bool // of the people who run the services: sees every tenant
	CanRespond bool // may acknowledge, resolve and note
}

func viewerOf(p access.Principal) viewer {
	return viewer{
		SignedIn: p.ID != "", Name: p.Name, Role: string(p.Role), Tenant: p.Tenant, Operator: p.Scope().IsOperator(),
		CanRespond: requireOperator(p, access.Responder) == nil,
	}
}

// fragmentHeader asks for a page's main element alone, to be put in place of the one that is shown.
const fragmentHeader = "X-Nines-Fragment"

func isFragment(c *fiber.Ctx) bool { return c.Get(fragmentHeader) != "" }

// contentPolicy allows what these pages do and nothing else: no inline script or style, no other site.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"

func (s *site) render(c *fiber.Ctx, status int, p page) error {
	return show(c, status, frame{page: p, Version: s.Version, Now: s.Now().UTC(), Flash: takeFlash(c, s.secure())})
}

func show(c *fiber.Ctx, status int, f frame) error {
	f.Viewer = viewerOf(access.PrincipalOf(c.UserContext()))
	name := "layout"
	if isFragment(c) {
		name = "main"
	}
	var out bytes.Buffer
	if err := templates[f.Template].ExecuteTemplate(&out, name, f); err != nil {
		return fmt.Errorf("render %s: %w", f.Template, err)
	}
	c.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(out.Bytes())
}

//go:embed templates/*.html
var templateFiles embed.FS

// templates holds one set for each page: the layout and parts that all share, and the page's own content.
var templates = parseTemplates()

// shared are the templates that hold parts and no page.
var shared = []string{"layout", "parts", "corrections", "postmortem-parts", "room", "runbook-steps", "incident-evidence"}

func parseTemplates() map[string]*template.Template {
	parts := template.New("").Funcs(templateFuncs)
	for _, name := range shared {
		parts = template.Must(parts.ParseFS(templateFiles, "templates/"+name+".html"))
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is constant
	}
	sets := map[string]*template.Template{}
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); !slices.Contains(shared, name) {
			sets[name] = template.Must(template.Must(parts.Clone()).ParseFS(templateFiles, file))
		}
	}
	return sets
}

var templateFuncs = template.FuncMap{
	"asset":   assetURL,
	"stamp":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"day":     func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
	"moment":  func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") },
	"ago":     agoText,
	"span":    spanText,
	"count":   countText,
	"share":   shareText,
	"burn":    burnText,
	"took":    tookText,
	"initial": initial,
	"safe":    safeLink,
	"plural":  plural,
	"month":   monthName,
	"moments": func(at, now time.Time) moment { return moment{at, now} },
}

// moment is a time with the time it is seen at, for the part that shows both.
type moment struct{ At, Now time.Time }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1" + thin + one
	}
	return fmt.Sprintf("%d%s%s", n, thin, many)
}

func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// missing collects what a page could not learn, in one sentence for each reason.
type missing struct {
	site    *site
	ctx     context.Context
	reasons []string            // in order of appearance
	parts   map[string][]string // what is missing, by reason
}

func (s *site) missing(ctx context.Context) *missing {
	return &missing{site: s, ctx: ctx, parts: map[string][]string{}}
}

// note records that a part could not be shown because of err; nil records nothing.
func (m *missing) note(part string, err error) {
	if err == nil {
		return
	}
	m.site.Log.WarnContext(m.ctx, "a part of a page is missing", "part", part, "error", err)
	reason := sentence(err)
	if m.parts[reason] == nil {
		m.reasons = append(m.reasons, reason)
	}
	m.parts[reason] = append(m.parts[reason], part)
}

// texts returns the sentences: "The metrics engine does not answer. Missing here: promises, incidents."
func (m *missing) texts() []string {
	var texts []string
	for _, reason := range m.reasons {
		texts = append(texts, reason+" Missing here: "+strings.Join(m.parts[reason], ", ")+".")
	}
	return texts
}

// sentence says what is wrong in words for people, ending in a full stop.
func sentence(err error) string {
	text := fault.Public(err).Message
	if errors.Is(err, context.DeadlineExceeded) {
		text = "it took too long to answer"
	}
	return asSentence(text)
}

// asSentence gives a message of ours a capital letter and a full stop.
func asSentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + strings.TrimRight(text[size:], ".") + "."
}

// final reports whether err is about who asks or for what, so that the page as a whole cannot be shown.
func final(err error) bool {
	switch fault.KindOf(err) {
	case fault.Unauthorized, fault.Forbidden, fault.NotFound:
		return true
	}
	return false
}
