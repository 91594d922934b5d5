package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
)

func TestAnswersAreWhatTheDocumentPromises(t *testing.T) {
	t.Parallel()
	w := &world{}
	a, app, err := build(Config{PrometheusURL: "http://x"}, w.deps())
	if err != nil {
		t.Fatal(err)
	}
	a.mount(app)
	registry := a.huma.OpenAPI().Components.Schemas
	for _, op := range document(t, app) {
		if op.OperationID == "listen" {
			continue
		}
		for _, token := range []string{"admin", "nobody knows me"} {
			got := op.ask(t, app, token)
			schema := schemaOf(a, op, got)
			if schema == nil {
				if got.text != "" && got.header.Get(fiber.HeaderContentDisposition) == "" && !strings.HasPrefix(got.header.Get("Content-Type"), "text/markdown") {
					t.Errorf("%s answers %d with what is not documented: %s", op.OperationID, got.status, got.text)
				}
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(got.text), &v); err != nil {
				t.Fatalf("%s: %v", op.OperationID, err)
			}
			res := &huma.ValidateResult{}
			huma.Validate(registry, schema, huma.NewPathBuffer([]byte{}, 0), huma.ModeReadFromServer, v, res)
			for _, err := range res.Errors {
				t.Errorf("%s answers %d: %v\n%s", op.OperationID, got.status, err, got.text)
			}
		}
	}
}

// schemaOf finds the documented schema of an answer; nil where it has no JSON body.
func schemaOf(a *API, op documented, got answer) *huma.Schema {
	item := a.huma.OpenAPI().Paths[op.Path]
	documented := map[string]*huma.Operation{get: item.Get, post: item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete}[op.Method]
	status := map[int]string{200: "200", 201: "201", 204: "204"}[got.status]
	if status == "" {
		status = "default"
	}
	res := documented.Responses[status]
	if res == nil {
		return nil
	}
	media, _, _ := strings.Cut(got.header.Get(fiber.HeaderContentType), ";")
	if res.Content[media] == nil || !strings.HasSuffix(media, "json") {
		return nil
	}
	return res.Content[media].Schema
}
