package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/runbooks"
)

func askHTTP(ctx context.Context, client *http.Client, source runbooks.Source, token string, f runbooks.Filled) (string, bool, error) {
	method, target, send := f.Method, source.URL+f.Path, f.Send
	query := url.Values{"query": {f.Query}}
	switch f.Language {
	case runbooks.PromQL:
		method, target = http.MethodGet, source.URL+"/api/v1/query?"+query.Encode()
	case runbooks.LogQL:
		query.Set("limit", "100")
		method, target = http.MethodGet, source.URL+"/loki/api/v1/query_range?"+query.Encode()
	}
	if method != http.MethodGet && !source.Write {
		return "", false, fault.New(fault.Forbidden, "the data source %s is only read; set write: true in it to allow POST", source.Name)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(send))
	if err != nil {
		return "", false, fault.New(fault.Invalid, "the step makes no request that can be sent")
	}
	if send != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if errors.Is(err, errHostNotAllowed) {
		return "", false, notAllowed(source)
	}
	if err != nil {
		return "", false, fault.Wrap(fault.Unavailable, err, "no answer from the data source within %s", f.Timeout)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, int64(f.MaxBytes)+1))
	more := len(raw) > f.MaxBytes
	if err != nil {
		return string(raw), more, fault.Wrap(fault.Unavailable, err, "the data source's answer broke off")
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return string(raw), more, fault.New(fault.Unavailable, "the data source answered %s", resp.Status)
	}
	return string(raw), more, nil
}

func notAllowed(source runbooks.Source) error {
	return fault.New(fault.Forbidden, "the host of the data source %s is not allowed; an operator names it in --runbook-hosts", source.Name)
}

// runCommand runs a command that an admin allows: no shell, nothing of our environment, and when its time is up it ends
// with all that it has started.
func runCommand(ctx context.Context, f runbooks.Filled) (string, bool, error) {
	cmd := exec.CommandContext(ctx, f.Args[0], f.Args[1:]...)
	out := &bounded{most: f.MaxBytes}
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = environment(), "/", out, out, time.Second
	ownGroup(cmd)
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fault.New(fault.Unavailable, "the command did not end within %s and was ended", f.Timeout)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fault.New(fault.Unavailable, "the command ended with %s", exit.ProcessState)
	} else if err != nil && ctx.Err() == nil {
		err = fault.Wrap(fault.Unavailable, err, "the command cannot be run")
	}
	return out.String(), out.more, err
}

// bounded keeps the first bytes of what is written.
type bounded struct {
	bytes.Buffer
	most int
	more bool
}

// Write implements io.Writer; it takes everything and keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	room := max(0, b.most-b.Len())
	if len(p) > room {
		b.more = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// said is an error's words for people, without its causes.
func said(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message
	}
	return "the step failed; the log of the control plane says why"
}
