package service

import "syscall"

// dieWithParent makes a child that is told sig when this process dies, however it dies, and that a terminal's Ctrl-C
// does not reach directly, so that the supervisor can stop it in order.
func dieWithParent(sig syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: sig}
}
