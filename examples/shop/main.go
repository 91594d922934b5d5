// Command shop is the small service that the quickstart watches: it sells nothing to three customers in two regions,
// makes its own traffic, counts exactly what happened, and has a switch that breaks it for one of them. It leaves out
// everything a real shop needs; it is there to be broken.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	listen     string
	rps        float64
	seed       uint64
	replicas   int
	quiet      bool
	secretFile string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, nil)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "shop: %v\n", err)
		os.Exit(1)
	}
}

// run is the program as a function: it serves until ctx ends and stops gracefully. ready, where given, gets the address.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer, ready func(addr string)) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	secret, err := pagerSecret(o.secretFile, getenv)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	s, err := newShop(o, secret, out)
	if err != nil {
		_ = listener.Close()
		return err
	}
	base := "http://" + listener.Addr().String()
	s.announce(base)
	if ready != nil {
		ready(listener.Addr().String())
	}
	return s.serve(ctx, listener, base)
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("shop", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.listen, "listen", "127.0.0.1:9993", "address to serve on")
	f.Float64Var(&o.rps, "rps", 20, "requests a second that the shop makes of itself; 0 for none")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the traffic, for the same requests every time; 0 takes a new one")
	f.IntVar(&o.replicas, "replicas", 2, "replicas the shop says it has (the metric shop_replicas)")
	f.StringVar(&o.secretFile, "pager-secret-file", "", "file with the secret of /pager; unset: environment SHOP_PAGER_SECRET")
	f.BoolVar(&o.quiet, "quiet", false, "print nothing but pages")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood; see shop -h", f.Arg(0))
	}
	if o.replicas < 0 {
		return o, fmt.Errorf("-replicas %d is negative", o.replicas)
	}
	return o, checkRate(o.rps)
}

// pagerSecret returns "" where none is set: then /pager refuses everything.
func pagerSecret(file string, getenv func(string) string) (string, error) {
	if file == "" {
		return strings.TrimSpace(getenv("SHOP_PAGER_SECRET")), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the pager's secret: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// serve runs server and traffic until ctx ends, then lets open requests finish.
func (s *shop) serve(ctx context.Context, l net.Listener, base string) error {
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	driven := make(chan struct{})
	go func() { defer close(driven); s.traffic.run(ctx, base) }()

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	cancel()
	<-driven // the traffic's own requests are over
	closing, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	return cmp.Or(err, server.Shutdown(closing))
}

func (s *shop) announce(base string) {
	s.say("shop     %s  (%g requests a second; /status, /truth, /pages)\n", base, s.traffic.rate())
}

// say prints for people, unless they asked for quiet.
func (s *shop) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.out, format, args...)
	}
}
