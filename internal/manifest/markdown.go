package manifest

import (
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// MarkdownSuffix is how the names of Markdown files with front matter end.
const MarkdownSuffix = ".md"

// markdownKind is what a Markdown file defines that names no kind.
const markdownKind = "Runbook"

// HasFrontMatter reports whether the text of a Markdown file begins with YAML between two lines of "---". A Markdown
// file without it, such as a README, is no definition.
func HasFrontMatter(text string) bool {
	_, _, ok := splitFrontMatter(text)
	return ok
}

// splitFrontMatter returns the YAML between the marks and the text behind them, lines ending in "\n".
func splitFrontMatter(text string) (head, body string, ok bool) {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return "", "", false
	}
	if body, empty := strings.CutPrefix(rest, "---\n"); empty {
		return "", body, true
	}
	head, body, ok = strings.Cut(rest, "\n---\n")
	if !ok {
		head, ok = strings.CutSuffix(rest, "\n---")
	}
	return head, body, ok
}

// fromMarkdown makes of a Markdown file the document that its YAML form would be: what stands in the front matter is
// its spec, the text is spec.text, and its name is the front matter's or else the file's.
func fromMarkdown(f File) ([]Document, Problems) {
	head, body, ok := splitFrontMatter(f.Text)
	if !ok {
		return nil, Problems{{File: f.Name, Line: 1, Message: `has no front matter; begin it with "---", fields such as title: ..., and "---"`}}
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte("\n"+head), &n); err != nil { // the line keeps line numbers those of the file
		return nil, yamlProblems(f.Name, err)
	}
	spec := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 2}
	if len(n.Content) > 0 && !isNull(n.Content[0]) {
		spec = n.Content[0]
	}
	if spec.Kind != yaml.MappingNode {
		return nil, Problems{{File: f.Name, Line: spec.Line, Message: "has front matter that is not a mapping; write fields such as title: ..."}}
	}
	spec.Style = 0
	name := take(spec, "name")
	if name == nil {
		name = text(strings.TrimSuffix(path.Base(strings.ReplaceAll(f.Name, `\`, "/")), MarkdownSuffix), 1)
	}
	if at, given := step(spec, "text"); given != nil {
		return nil, Problems{{File: f.Name, Line: at, Field: "text", Message: "stands below the front matter, not in it"}}
	}
	begins := strings.Count(head, "\n") + 4 + len(body) - len(strings.TrimLeft(body, "\n"))
	if head == "" {
		begins--
	}
	prose := text(trimLines(body), begins)
	prose.Style = yaml.LiteralStyle
	spec.Content = append(spec.Content, text("text", begins), prose)
	root := mapping("apiVersion", text(APIVersion, 1), "kind", text(markdownKind, 1), "metadata", mapping("name", name), "spec", spec)
	doc, problems := envelope(f.Name, &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}})
	if len(problems) > 0 {
		return nil, problems
	}
	// It is kept as YAML, so what YAML's limits refuse must be refused before it is kept.
	if _, again := Read(File{Name: "as YAML", Text: doc.Text()}); len(again) > 0 {
		return nil, Problems{{File: f.Name, Message: "cannot be kept as YAML, where it " + again[0].Message}}
	}
	return []Document{doc}, nil
}

// trimLines takes spaces from the ends of lines, which YAML could only keep in one long quoted line.
func trimLines(body string) string {
	lines := strings.Split(strings.ToValidUTF8(body, "\uFFFD"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n") + "\n"
}

func text(value string, line int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: line}
}

// mapping makes a mapping node of keys and values in turn.
func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1}
	for i := 0; i+1 < len(pairs); i += 2 {
		n.Content = append(n.Content, text(pairs[i].(string), 1), pairs[i+1].(*yaml.Node))
	}
	return n
}

// take removes the key from the mapping and returns its value, or nil.
func take(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			value := n.Content[i+1]
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			return value
		}
	}
	return nil
}
