package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress is a bar on a terminal; elsewhere it stays silent.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	wide  int
	began time.Time
	last  time.Time
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, wide: width(out), began: time.Now()}
}

// show draws the bar, at most ten times a second.
func (p *progress) show(done, total int, doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wide < 40 || total <= 0 || done < total && time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	share := float64(done) / float64(total)
	cells := min(p.wide-36, 40)
	full := int(share * float64(cells))
	left := ""
	if spent := time.Since(p.began); share > 0.05 && spent > time.Second {
		left = " " + short(time.Duration(float64(spent)*(1-share)/share)) + " left"
	}
	line := fmt.Sprintf("%s%s %3.0f %% %s%s", strings.Repeat("#", full), strings.Repeat(".", cells-full), share*100, doing, left)
	fmt.Fprintf(p.out, "\r\x1b[K%.*s", p.wide-1, line)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.wide >= 40 {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
