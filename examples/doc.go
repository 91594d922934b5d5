// Package examples holds what newcomers run and copy: definitions of the quickstart, a Sloth file, and a small shop to
// break. It has no code of its own beside the tests that keep the examples true.
package examples
