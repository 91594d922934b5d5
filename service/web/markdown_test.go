package web

import (
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestMarkdown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"# A `b` *c*":                       "<h1>A <code>b</code> <em>c</em></h1>",
		"## A ##":                           "<h2>A</h2>",
		"one\ntwo\n\nthree":                 "<p>one\ntwo</p>\n<p>three</p>",
		"- a\n- b":                          "<ul>\n<li>a</li>\n<li>b</li>\n</ul>",
		"1. a\n   more\n2. b":               "<ol>\n<li>a more</li>\n<li>b</li>\n</ol>",
		"- a\n  - b\n- c":                   "<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n<li>c</li>\n</ul>",
		"- [ ] a\n- [x] b":                  "<ul>\n<li><input type=\"checkbox\" disabled> a</li>\n<li><input type=\"checkbox\" disabled checked> b</li>\n</ul>",
		"> a\n> b":                          "<blockquote><p>a b</p></blockquote>",
		"---":                               "<hr>",
		"```sh\na < b\n# c\n```":            "<pre tabindex=\"0\"><code>a &lt; b\n# c</code></pre>",
		"```\nnever closed":                 "<pre tabindex=\"0\"><code>never closed</code></pre>",
		"| a | b |\n|---|--:|\n| 1 | 2 |":   "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">a</th><th scope=\"col\" class=\"num\">b</th></tr></thead><tbody>\n<tr><td>1</td><td class=\"num\">2</td></tr>\n</tbody></table></div>",
		"| | |\n|---|---|\n| a \\| b | c |": "<div class=\"scroll\" tabindex=\"0\"><table><tbody>\n<tr><td>a | b</td><td>c</td></tr>\n</tbody></table></div>",
		"**a** and _b_ snake_case_name":     "<p><strong>a</strong> and <em>b</em> snake_case_name</p>",
		"[a](https://x.example/b)":          "<p><a href=\"https://x.example/b\" rel=\"noopener noreferrer\">a</a></p>",
		"[a](/runbooks/b)":                  "<p><a href=\"/runbooks/b\">a</a></p>",
		"see https://x.example/a.":          "<p>see <a href=\"https://x.example/a\" rel=\"noopener noreferrer\">https://x.example/a</a>.</p>",
		"[a](javascript:alert(1))":          "<p>[a](javascript:alert(1))</p>",
		"[a](javascript:x)":                 "<p>a</p>",
		"[a](//evil.example)":               "<p>a</p>",
		"<script>x</script>":                "<p>&lt;script&gt;x&lt;/script&gt;</p>",
		`\*a\* \[b\](/c) \<i\>`:             "<p>*a* [b](/c) &lt;i&gt;</p>",
		"`a\\*b`":                           `<p><code>a\*b</code></p>`,
	} {
		if got := strings.TrimSpace(string(markdown(text, 1))); got != want {
			t.Errorf("%q becomes\n%s\nwant\n%s", text, got, want)
		}
	}
	if got := markdown("# a\n###### b", 3); got != "<h3>a</h3>\n<h6>b</h6>\n" {
		t.Errorf("headings from the third level: %s", got)
	}
}

func TestSafeLink(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://x.example/a?b#c": true, "http://x.example": true, "mailto:a@x.example": true, "/a": true, "#a": true,
		"javascript:alert(1)": false, "JaVaScRiPt:alert(1)": false, "java\nscript:x": false, "data:text/html,x": false, "vbscript:x": false,
		"//evil.example": false, `/\evil.example`: false, `\\evil`: false, "": false, "https://": false, "relative": false, " /a": false, "file:///etc/passwd": false,
	} {
		if got := safeLink(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

var (
	allowedTag  = regexp.MustCompile(`^(h[1-6]|p|ul|ol|li|blockquote|hr|pre|code|div|table|thead|tbody|tr|th|td|a|em|strong|input)$`)
	allowedAttr = regexp.MustCompile(`^(href|rel|class|scope|tabindex|type|disabled|checked)$`)
)

// FuzzMarkdown holds that whatever the text is, only tags and attributes of ours come out, balanced, and every link is
// one that may be followed.
func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{
		"# a\n\n- b\n  - c\n\n| a | b |\n|---|---|\n| c | d |", "[a](javascript:b)", "<script>alert(1)</script>", "`<b>`", "[`a`](/b)", "**[a](/b)**", "\\[a\\](b)",
		"\uf75b\uf728", "https://a\"onx=y", "[\"](/a\"b)", "```\n</code>\n", "> <i>", "- [x] <b>", "1. a\n\t- b", "<https://x>", "[a](&#106;avascript:b)", "|\n|-", "*a**b***c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := string(markdown(text, 1))
		checkMarkup(t, text, out)
	})
}

func checkMarkup(t *testing.T, text, out string) {
	out = strings.NewReplacer(" disabled", ` disabled=""`, " checked", ` checked=""`).Replace(out)
	out = regexp.MustCompile(`<(hr|input[^>]*)>`).ReplaceAllString(out, "<$1/>")
	out = strings.Map(func(r rune) rune { // characters that XML alone forbids
		if r == '\n' || r == '\t' || r >= ' ' && r != 0xfffe && r != 0xffff {
			return r
		}
		return -1
	}, strings.ToValidUTF8(out, ""))
	d := xml.NewDecoder(strings.NewReader("<div>" + out + "</div>"))
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%q becomes %s: %v", text, out, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !allowedTag.MatchString(start.Name.Local) {
			t.Fatalf("%q emits <%s>", text, start.Name.Local)
		}
		for _, a := range start.Attr {
			if !allowedAttr.MatchString(a.Name.Local) || a.Name.Local == "href" && !safeLink(a.Value) {
				t.Fatalf("%q emits %s=%q", text, a.Name.Local, a.Value)
			}
		}
	}
}
