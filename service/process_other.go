//go:build !linux

package service

import "syscall"

// dieWithParent makes a child in a process group of its own. Only Linux can tell a child of its parent's death; elsewhere
// the engine notices that its parent has changed and ends.
func dieWithParent(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
