package pgcluster

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// childAttributes puts a child into a process group of its own, out of reach of a terminal's Ctrl-C, and has the kernel
// ask it for a fast shutdown when we die, however we die.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}

// arguments returns a process's command line, or "" where it cannot be had.
func arguments(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '}))
}

// zombie reports whether the process has ended and only waits to be collected by its parent.
func zombie(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, ok := strings.Cut(string(raw), ") ")
	return ok && strings.HasPrefix(state, "Z")
}
