package inbound

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/nines-sre/nines/internal/fault"
	"github.com/nines-sre/nines/internal/hook"
)

// maxParts bounds the parts of a form.
const maxParts = 200

// contentType is the media type of the body, in lower case and without parameters, and its parameters.
func contentType(r hook.Request) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", nil
	}
	return kind, params
}

// readForm reads a form, urlencoded or multipart. Of a field that is there twice the first counts; files are left out.
func readForm(r hook.Request) (map[string]string, error) {
	kind, params := contentType(r)
	if kind == "multipart/form-data" {
		return readParts(multipart.NewReader(bytes.NewReader(r.Body), params["boundary"]))
	}
	values, err := url.ParseQuery(string(r.Body))
	if err != nil || len(values) > maxParts {
		return nil, fault.New(fault.Invalid, "body: is not a form")
	}
	form := make(map[string]string, len(values))
	for name := range values {
		form[name] = values.Get(name)
	}
	return form, nil
}

func readParts(parts *multipart.Reader) (map[string]string, error) {
	form := map[string]string{}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "body: is not a form")
		}
		name := part.FormName()
		if _, twice := form[name]; twice || name == "" || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, fault.New(fault.Invalid, "body: is not a form")
		}
		form[name] = string(value)
	}
	return nil, fault.New(fault.TooLarge, "body: is a form of more than %d parts", maxParts)
}

// jsonOrForm returns the JSON of a call that sends it as the body or, as tools offer as a choice, in a field of a form.
func jsonOrForm(r hook.Request, field string) ([]byte, error) {
	if kind, _ := contentType(r); kind != "application/x-www-form-urlencoded" {
		return r.Body, nil
	}
	form, err := readForm(r)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(form[field]) == "" {
		return nil, fault.New(fault.Invalid, "%s: is missing in the form; choose the content type application/json", field)
	}
	return []byte(form[field]), nil
}
