package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/internal/fault"
)

const maxAnswer = 64 << 20 // bytes read of one answer

// client calls the control plane's REST API.
type client struct {
	base  string
	token string
	http  *http.Client
}

// client returns one for the flags given, or says how to get a token.
func (a *cli) client() (*client, error) {
	u, err := url.Parse(a.server)
	if err != nil || u.Host == "" {
		return nil, usageError{fmt.Errorf("--server %q is not a URL such as http://127.0.0.1:9990", a.server)}
	}
	token, err := a.findToken()
	if err != nil {
		return nil, err
	}
	return &client{base: strings.TrimRight(a.server, "/") + "/api/v1", token: token, http: &http.Client{Timeout: 60 * time.Second}}, nil
}

func (a *cli) findToken() (string, error) {
	if a.token != "" {
		return a.token, nil
	}
	if t := os.Getenv("NINES_TOKEN"); t != "" {
		return t, nil
	}
	path := filepath.Join(a.dataDir, "cli-token")
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fault.New(fault.Unauthorized, "no API token: set NINES_TOKEN or --token, or name the control plane's data folder with --data (looked for %s)", path)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unauthorized, err, "read the API token")
	}
	return strings.TrimSpace(string(raw)), nil
}

// get asks path with the query and decodes the answer into v; a *[]byte takes it as it is.
func (c *client) get(ctx context.Context, path string, query url.Values, v any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, nil, v)
}

// post sends body as JSON and decodes the answer into v.
func (c *client) post(ctx context.Context, path string, body, v any) error {
	return c.do(ctx, http.MethodPost, path, body, v)
}

func (c *client) do(ctx context.Context, method, path string, body, v any) error {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fault.Wrap(fault.Unavailable, errors.Unwrap(err), "the control plane at %s does not answer; is 'nines serve' running?", strings.TrimSuffix(c.base, "/api/v1"))
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return decode(res, raw, v)
}

func decode(res *http.Response, raw []byte, v any) error {
	if res.StatusCode >= 400 {
		return problem(res, raw)
	}
	switch v := v.(type) {
	case nil:
		return nil
	case *[]byte:
		*v = raw
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s answered something that is not the JSON expected: %w", res.Request.URL.Path, err)
	}
	return nil
}

var kindOfStatus = map[int]fault.Kind{
	400: fault.Invalid, 422: fault.Invalid, 401: fault.Unauthorized, 403: fault.Forbidden, 404: fault.NotFound,
	409: fault.Conflict, 413: fault.TooLarge, 429: fault.Limited, 503: fault.Unavailable, 504: fault.Timeout,
}

// problem turns a problem+json answer back into the fault it was.
func problem(res *http.Response, raw []byte) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(raw, &p) // another server's error page leaves it empty, and the status says enough
	text := p.Detail
	if text == "" {
		text = strings.TrimSpace(fmt.Sprintf("the control plane answered %s %s", res.Status, p.Title))
	}
	e := fault.New(kindOfStatus[res.StatusCode], "%s", text)
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	for _, d := range p.Errors {
		e.Details = append(e.Details, fault.Detail{Where: d.Location, Message: d.Message})
	}
	return e
}
