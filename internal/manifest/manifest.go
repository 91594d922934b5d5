// Package manifest reads YAML definition files into documents that remember where each field stood, so that every
// problem can be named with file and line. It knows the envelope (apiVersion, kind, metadata, spec) and the limits on
// hostile files; what a spec means is its domain package's business.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"gopkg.in/yaml.v3"
)

// APIVersion is the version of our own documents.
const APIVersion = "nines/v1"

// Limits on a file, chosen so that no file costs more than a few milliseconds to refuse.
const (
	MaxBytes   = 256 << 10 // a larger file is refused unread
	MaxDepth   = 64        // nesting of maps and lists, flow or block
	MaxEntries = 512       // of one map or list; the YAML library compares every two keys of a map
)

// File is one definition file as it was handed over: its name for messages and its text.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Problem is one thing wrong in a file.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // 1-based; 0 where it concerns the whole file
	Field   string `json:"field,omitempty"`
	Message string `json:"message"` // what is wrong and what to do
}

// String returns "file:line: field: message", leaving out what is unknown.
func (p Problem) String() string {
	where := p.Where()
	if p.Field != "" {
		where += ": " + p.Field
	}
	return where + ": " + p.Message
}

// Where returns "file:line", or the file alone.
func (p Problem) Where() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Problems is every problem found in a set of files.
type Problems []Problem

// Err returns nil for none, else one fault.Invalid error whose details are the problems in order of file and line.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	sorted := ps.Sorted()
	e := fault.New(fault.Invalid, "%d %s in the definitions; nothing was applied", len(ps), plural(len(ps), "problem"))
	for _, p := range sorted {
		message := p.Message
		if p.Field != "" {
			message = p.Field + ": " + message
		}
		e.Details = append(e.Details, fault.Detail{Where: p.Where(), Message: message})
	}
	return e
}

// Sorted returns a copy in order of file, line and field.
func (ps Problems) Sorted() Problems {
	out := append(Problems(nil), ps...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Field < b.Field
	})
	return out
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Metadata is the envelope's metadata.
type Metadata struct {
	Name        string            `yaml:"name" json:"name"`
	Labels      map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"`
}

// Document is one YAML document of a file.
type Document struct {
	File       string
	Line       int // where it starts, 1-based
	APIVersion string
	Kind       string
	Metadata   Metadata
	Root       *yaml.Node // the whole document: a mapping node with file-absolute lines
}

// Read splits a file into documents. On any problem of a document that document is left out; the others are returned,
// so that the caller can report the problems of all. A document has at least an apiVersion or a version field
// (Sloth's prometheus/v1 files carry "version").
func Read(f File) ([]Document, Problems) {
	if len(f.Text) > MaxBytes {
		return nil, Problems{{File: f.Name, Message: fmt.Sprintf("is %d KB; the limit is %d KB: split it into several files", len(f.Text)>>10, MaxBytes>>10)}}
	}
	if line := tooDeep(f.Text, MaxDepth); line > 0 {
		return nil, Problems{{File: f.Name, Line: line, Message: fmt.Sprintf("is nested deeper than %d levels; flatten it", MaxDepth)}}
	}
	if strings.HasSuffix(f.Name, MarkdownSuffix) {
		return fromMarkdown(f)
	}
	var (
		docs     []Document
		problems Problems
	)
	dec := yaml.NewDecoder(bytes.NewReader([]byte(f.Text)))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, problems
		}
		if err != nil {
			return docs, append(problems, yamlProblems(f.Name, err)...)
		}
		for _, root := range roots(&n) {
			doc, ps := envelope(f.Name, root)
			problems = append(problems, ps...)
			if len(ps) == 0 && doc.Root != nil {
				docs = append(docs, doc)
			}
		}
	}
}

func envelope(file string, n *yaml.Node) (Document, Problems) {
	if len(n.Content) == 0 || isNull(n.Content[0]) {
		return Document{}, nil // an empty document between two "---"
	}
	root := n.Content[0]
	doc := Document{File: file, Line: root.Line, Root: root}
	if root.Kind != yaml.MappingNode {
		return doc, Problems{{File: file, Line: root.Line, Message: "is not a mapping; a document starts with apiVersion, kind, metadata and spec"}}
	}
	problems := refuseWide(file, root)
	problems = append(problems, refuseAliases(file, root)...)
	problems = append(problems, refuseDuplicates(file, root)...)
	if len(problems) > 0 {
		return doc, problems
	}
	var head struct {
		APIVersion string `yaml:"apiVersion"`
		Version    string `yaml:"version"`
		Kind       string `yaml:"kind"`
	}
	if err := root.Decode(&head); err != nil {
		return doc, yamlProblems(file, err)
	}
	doc.APIVersion, doc.Kind = head.APIVersion, head.Kind
	if doc.APIVersion == "" {
		doc.APIVersion = head.Version
	}
	if err := doc.readMetadata(); err != nil {
		return doc, yamlProblems(file, err)
	}
	switch {
	case doc.APIVersion == "":
		problems = append(problems, doc.Problem("apiVersion", "is missing; write apiVersion: %s (or version: prometheus/v1 for a Sloth file)", APIVersion))
	case doc.APIVersion == APIVersion:
		problems = append(problems, checkEnvelope(doc)...)
	}
	return doc, problems
}

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func checkEnvelope(d Document) Problems {
	var problems Problems
	if d.Kind == "" {
		problems = append(problems, d.Problem("kind", "is missing"))
	}
	switch name := d.Metadata.Name; {
	case name == "":
		problems = append(problems, d.Problem("metadata.name", "is missing"))
	case !namePattern.MatchString(name):
		problems = append(problems, d.Problem("metadata.name", "%q must be lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit", clip(name)))
	}
	if d.Node("spec") == nil {
		problems = append(problems, d.Problem("spec", "is missing"))
	}
	return problems
}

// Problem makes a problem at the line of the dotted field path ("spec.sli.total", list items by number), or at the
// nearest enclosing field that exists.
func (d Document) Problem(path, format string, args ...any) Problem {
	return Problem{File: d.File, Line: d.LineOf(path), Field: path, Message: fmt.Sprintf(format, args...)}
}

// LineOf returns the line of the dotted path, or of its nearest existing parent.
func (d Document) LineOf(path string) int {
	node, line := d.Root, d.Line
	for _, key := range strings.Split(path, ".") {
		at, next := step(node, key)
		if next == nil {
			return line
		}
		node, line = next, at
	}
	return line
}

// Node returns the value at the dotted path, or nil.
func (d Document) Node(path string) *yaml.Node {
	node := d.Root
	for _, key := range strings.Split(path, ".") {
		_, node = step(node, key)
		if node == nil {
			return nil
		}
	}
	return node
}

// Text returns the document alone as YAML, comments included, ending with a newline.
func (d Document) Text() string {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(d.Root); err != nil {
		return "" // a node that was read can be written
	}
	return b.String()
}

// DecodeSpec decodes the spec field strictly into v, a pointer to a struct with yaml tags: unknown fields and wrong
// types are problems with their lines, all at once. Fields that decoded are set even when others did not.
func (d Document) DecodeSpec(v any) Problems {
	spec := d.Node("spec")
	if spec == nil {
		return Problems{d.Problem("spec", "is missing")}
	}
	problems := d.unknownEnvelope()
	problems = append(problems, unknownFields(d.File, "spec", spec, v)...)
	if err := spec.Decode(v); err != nil {
		problems = append(problems, yamlProblems(d.File, err)...)
	}
	return problems
}

// Decode decodes the whole document strictly into v, for formats with another envelope than ours.
func (d Document) Decode(v any) Problems {
	problems := unknownFields(d.File, "", d.Root, v)
	if err := d.Root.Decode(v); err != nil {
		problems = append(problems, yamlProblems(d.File, err)...)
	}
	return problems
}

func (d Document) unknownEnvelope() Problems {
	var head struct {
		APIVersion string    `yaml:"apiVersion"`
		Kind       string    `yaml:"kind"`
		Metadata   Metadata  `yaml:"metadata"`
		Spec       yaml.Node `yaml:"spec"`
	}
	return unknownFields(d.File, "", d.Root, &head)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// yamlProblems turns the YAML library's errors into problems, keeping their lines.
func yamlProblems(file string, err error) Problems {
	var typeErr *yaml.TypeError
	if errors.As(err, &typeErr) {
		var problems Problems
		for _, text := range typeErr.Errors {
			problems = append(problems, lineProblem(file, text))
		}
		return problems
	}
	return Problems{lineProblem(file, err.Error())}
}

func lineProblem(file, text string) Problem {
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return Problem{File: file, Message: clip(strings.TrimPrefix(text, "yaml: "))}
	}
	line, _ := strconv.Atoi(m[1])
	return Problem{File: file, Line: line, Message: clip(m[2])}
}

func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
