package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
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
		hub.takeOver(c, l, missed)
	}}, nil
}

// takeOver streams on the connection itself as soon as the request is done with, so that ten thousand people who look on
// hold neither a request nor its buffers. The body is in chunks; HTTP/1.0 knows none, so that there the end of the
// connection is that of the stream.
func (h *Hub) takeOver(c *fiber.Ctx, l *listener, missed bool) {
	var begun atomic.Bool
	unsent := time.AfterFunc(takeOverWithin, func() {
		if !begun.Swap(true) { // the server has closed the connection instead
			h.leave(l)
		}
	})
	request, inChunks := c.Context(), c.Request().Header.IsHTTP11()
	answer := &request.Response.Header
	if answer.SetContentLength(-1); !inChunks {
		answer.SetContentLength(-2)
		answer.Del(fiber.HeaderTransferEncoding)
	}
	answer.SetConnectionClose()
	request.HijackSetNoResponse(true) // the server would close what a proxy asks it to close after one answer
	request.Hijack(func(hijacked net.Conn) {
		unsent.Stop()
		conn := hijacked
		if inner, ok := hijacked.(interface{ UnsafeConn() net.Conn }); ok {
			conn = inner.UnsafeConn() // what the client sent already is of no interest
		}
		if begun.Swap(true) {
			_ = conn.Close()
			return
		}
		header := bytes.Clone(answer.Header())
		go func() {
			defer h.leave(l)
			defer conn.Close()
			body := streamBody{conn: conn, within: 2 * h.heartbeat, inChunks: inChunks}
			if body.send(header) == nil && h.stream(bufio.NewWriterSize(body, eventBytes), l, missed) == nil {
				body.end()
			}
		}()
	})
}

const (
	takeOverWithin = 30 * time.Second
	eventBytes     = 512 // as much as several events have
)

// streamBody is an answer's body on its connection. A client that takes nothing for so long is given up: it connects
// again and reads everything anew.
type streamBody struct {
	conn     net.Conn
	within   time.Duration
	inChunks bool
}

// Write implements io.Writer.
func (b streamBody) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	out := p
	if b.inChunks {
		out = fmt.Appendf(make([]byte, 0, len(p)+16), "%x\r\n%s\r\n", len(p), p)
	}
	if err := b.send(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send sends bytes as they are.
func (b streamBody) send(p []byte) error {
	if err := b.conn.SetWriteDeadline(time.Now().Add(b.within)); err != nil {
		return err
	}
	_, err := b.conn.Write(p)
	return err
}

func (b streamBody) end() {
	if b.inChunks {
		_ = b.send([]byte("0\r\n\r\n")) // it is over, whether they hear it or not
	}
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
