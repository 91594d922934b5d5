package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nines-sre/nines/runbooks"
	"github.com/spf13/cobra"
)

var (
	inlineCommand = regexp.MustCompile("`(nines [^`]+)`")
	flagWord      = regexp.MustCompile(`^--?[a-z][-a-z]*`)
)

// commandsIn returns the commands that a runbook names: lines of shell blocks, and code within sentences.
func commandsIn(text string) []string {
	var out []string
	fence := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```") && fence != "":
			fence = ""
		case strings.HasPrefix(line, "```"):
			fence = line
		case fence == "```sh":
			line, _, _ = strings.Cut(line, " #")
			if strings.HasPrefix(line, "nines ") {
				out = append(out, strings.TrimSpace(line))
			}
		case fence == "":
			for _, m := range inlineCommand.FindAllStringSubmatch(line, -1) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

// TestRunbooksNameCommandsThatExist walks the commands of every runbook: each has to be there, with its flags, so that nobody
// types in the night what is not.
func TestRunbooksNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	named := 0
	for _, name := range runbooks.Names() {
		text, _ := runbooks.Read(name)
		for _, command := range commandsIn(text) {
			named++
			if problem := checkCommand(command); problem != "" {
				t.Errorf("%s: %s: %s", name, command, problem)
			}
		}
	}
	if named < 60 {
		t.Errorf("only %d commands were found", named)
	}
	for command, want := range map[string]string{"nines nothing": "no command", "nines incidents list --nothing": "no flag", "nines incidents": ""} {
		if problem := checkCommand(command); (want == "") != (problem == "") || !strings.Contains(problem, want) {
			t.Errorf("%s: %q", command, problem)
		}
	}
}

func checkCommand(command string) string {
	at := (&cli{}).root()
	for _, word := range strings.Fields(command)[1:] {
		if flag := flagWord.FindString(word); flag != "" {
			if problem := checkFlag(at, flag); problem != "" {
				return problem
			}
			continue
		}
		next, ok := child(at, word)
		switch {
		case ok:
			at = next
		case at.HasSubCommands():
			return "there is no command " + word + " of " + at.Name()
		}
	}
	return ""
}

func child(of *cobra.Command, word string) (*cobra.Command, bool) {
	for _, c := range of.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return c, true
		}
	}
	return nil, false
}

func checkFlag(of *cobra.Command, flag string) string {
	name := strings.TrimLeft(flag, "-")
	switch {
	case name == "help" || name == "h":
	case strings.HasPrefix(flag, "--") && of.Flags().Lookup(name) == nil && of.InheritedFlags().Lookup(name) == nil,
		!strings.HasPrefix(flag, "--") && of.Flags().ShorthandLookup(name) == nil && of.InheritedFlags().ShorthandLookup(name) == nil:
		return of.CommandPath() + " has no flag " + flag
	}
	return ""
}
