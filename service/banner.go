package service

import (
	"fmt"
	"strings"
	"time"
)

// banner tells the person at the terminal where to look and what to try next. The password is printed here, once, and
// never logged.
func (p *plane) banner() {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("")
	line("  Nines %s is ready after %.1f s", p.options.Version, time.Since(p.began).Seconds())
	line("")
	line("  look      %s", p.config.PublicURL())
	if p.password != "" {
		line("  sign in   %s  with the password  %s", adminEmail, p.password)
		line("            it is shown this once; make further people with: nines users add")
	} else {
		line("  sign in   %s  (the password was shown at the first start)", adminEmail)
	}
	line("  health    http://%s/readyz and /metrics", loopback(p.config.OpsListen))
	if p.options.Welcome != "" {
		line("")
		for l := range strings.Lines(p.options.Welcome) {
			line("  %s", strings.TrimRight(l, "\n"))
		}
	}
	line("")
	fmt.Fprint(p.options.Out, b.String())
}
