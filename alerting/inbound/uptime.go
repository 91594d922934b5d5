package inbound

import (
	"cmp"
	"strings"

	"github.com/nines-sre/nines/internal/hook"
)

// probe is what tools that watch from outside say: a name and whether it is up, plainly or as Uptime Kuma does.
type probe struct {
	Status  text    `json:"status"`
	State   text    `json:"state"`
	ID      text    `json:"id"`
	Name    text    `json:"name"`
	URL     text    `json:"url"`
	Message text    `json:"message"`
	Service text    `json:"service"`
	At      instant `json:"time"`
	Labels  object  `json:"labels"`

	Msg       text `json:"msg"`
	Heartbeat *struct {
		Status text `json:"status"`
		Msg    text `json:"msg"`
		// Its time has no zone and is left out.
	} `json:"heartbeat"`
	Monitor *struct {
		ID   text `json:"id"`
		Name text `json:"name"`
		URL  text `json:"url"`
		Host text `json:"hostname"`
	} `json:"monitor"`
}

// probeStates are the words for up and down; Uptime Kuma and UptimeRobot write numbers.
var probeStates = map[string]bool{
	"up": true, "ok": true, "healthy": true, "operational": true, "recovered": true,
	"resolved": true, "success": true, "passing": true, "available": true,
	"down": false, "fail": false, "failed": false, "failing": false, "unhealthy": false, "critical": false,
	"error": false, "unavailable": false,
	"timeout": false,
}

// kumaStates are Uptime Kuma's: down, up; pending and maintenance tell nothing.
var kumaStates = map[text]string{"0": "down", "1": "up", "2": "pending", "3": "maintenance"}

func readUptime(src Source, r hook.Request) (Received, error) {
	var p probe
	if err := readJSON(r.Body, &p); err != nil {
		return Received{}, err
	}
	if p.Heartbeat == nil && p.Monitor == nil && p.Status == "" && p.State == "" && p.Msg != "" {
		return Received{Answer: accepted("the test is heard; it tells of no probe")}, nil
	}
	p = p.plain()
	state := strings.ToLower(strings.TrimSpace(string(cmp.Or(p.Status, p.State))))
	if state == "pending" || state == "maintenance" || state == "paused" {
		return Received{Answer: accepted("ignored: only up and down are read")}, nil
	}
	up, known := probeStates[state]
	var wrong problems
	if !known {
		wrong.add("status", "%q is not known; write up or down", clip(state, 40))
	}
	if p.Name == "" && p.ID == "" && p.URL == "" {
		wrong.add("name", "is missing; name what is watched")
	}
	if err := wrong.err(); err != nil {
		return Received{}, err
	}
	return src.one(p.event(up), r), nil
}

// plain brings Uptime Kuma's shape into the plain one.
func (p probe) plain() probe {
	if h := p.Heartbeat; h != nil {
		p.Status, p.Message = text(cmp.Or(kumaStates[h.Status], string(h.Status))), cmp.Or(h.Msg, p.Msg)
	}
	if m := p.Monitor; m != nil {
		p.ID, p.Name, p.URL = m.ID, m.Name, cmp.Or(m.URL, m.Host)
	}
	return p
}

func (p probe) event(up bool) event {
	what := string(cmp.Or(p.Name, p.URL, p.ID))
	e := event{
		key: string(cmp.Or(p.ID, p.Name, p.URL)), ended: up, name: what, summary: what + " is down", description: string(p.Message),
		severity: critical, service: string(p.Service), starts: p.At.Time, labels: p.Labels.strings(),
	}
	e.locate(string(p.URL))
	if p.Labels["severity"] != "" {
		e.severity = ""
	}
	if strings.HasPrefix(string(p.URL), "http") {
		e.link = string(p.URL)
	}
	if up {
		e.ends = p.At.Time
	}
	return e
}
