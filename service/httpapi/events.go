package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/nines-sre/nines/internal/access"
)

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"200" doc:"Sent by browsers that reconnect; the answer begins with resync, since changes may have been missed."`
}

func (a *API) mountEvents() {
	register(a, operation{id: "listen", method: get, path: "/events", tag: "Events", role: access.Viewer, audience: anyone, endless: true,
		produces: "text/event-stream", summary: "Hear of changes as they happen (server-sent events)",
		about: "Each event is named after what changed (incident, alert, page, definitions, ledger, correction); its data is {topic, tenant, id}. " +
			"resync says that changes were missed: read everything anew. bye says that the server closes the stream: connect again."}, a.listen)
}

func (a *API) listen(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	hub := a.deps.Events
	l, err := hub.listen(access.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	missed := in.LastEventID != ""
	return &huma.StreamResponse{Body: func(h huma.Context) {
		c := humafiber.Unwrap(h)
		c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
		c.Set("X-Accel-Buffering", "no") // a proxy must not hold events back
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			defer hub.leave(l)
			_ = hub.stream(w, l, missed) // the client has left; there is nobody to tell
		})
	}}, nil
}

// stream writes a listener's notices until the client leaves, the hub closes or the stream has lived long enough.
func (h *Hub) stream(w *bufio.Writer, l *listener, missed bool) error {
	beat := time.NewTicker(h.heartbeat)
	defer beat.Stop()
	end := time.NewTimer(h.lifetime)
	defer end.Stop()
	if _, err := w.WriteString("retry: 2000\n\n"); err != nil {
		return err
	}
	if missed {
		writeEvent(w, "resync", nil)
	}
	for {
		if err := w.Flush(); err != nil {
			return err
		}
		select {
		case n := <-l.notices:
			if l.caughtUp() {
				writeEvent(w, n.Topic, &n)
			} else {
				writeEvent(w, "resync", nil)
			}
		case <-beat.C:
			_, _ = w.WriteString(": alive\n\n") // a failed write is seen at the next flush
		case <-end.C:
			writeEvent(w, "bye", nil)
			return w.Flush()
		case <-h.done:
			writeEvent(w, "bye", nil)
			return w.Flush()
		}
	}
}

// writeEvent writes one event; what fails is seen at the next flush.
func writeEvent(w *bufio.Writer, name string, n *Notice) {
	data := []byte("{}")
	if n != nil {
		data, _ = json.Marshal(n) // three strings always encode
		_, _ = fmt.Fprintf(w, "id: %d\n", n.seq)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", strings.Map(eventRune, name), data)
}

// eventRune keeps an event's name on its line.
func eventRune(r rune) rune {
	if r == '\n' || r == '\r' {
		return -1
	}
	return r
}
