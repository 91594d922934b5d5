package account

import api "github.com/PagerDuty/go-pagerduty"

// user is a person as the export shows them: no more than what on-call needs.
type user struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Email    string    `json:"email"`
	TimeZone string    `json:"timeZone,omitempty"`
	Role     string    `json:"role,omitempty"`
	Contacts []contact `json:"contacts"`
}

type contact struct {
	Type    string `json:"type"`
	Label   string `json:"label,omitempty"`
	Address string `json:"address"`
	Country int    `json:"countryCode,omitempty"`
}

func userOf(u api.User) any {
	out := user{ID: u.ID, Name: u.Name, Email: u.Email, TimeZone: u.Timezone, Role: u.Role, Contacts: []contact{}}
	for _, m := range u.ContactMethods {
		out.Contacts = append(out.Contacts, contact{m.Type, m.Label, m.Address, m.CountryCode})
	}
	return out
}

type schedule struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	TimeZone    string  `json:"timeZone"`
	Description string  `json:"description,omitempty"`
	Layers      []layer `json:"layers"` // in PagerDuty's order
}

type layer struct {
	Name         string            `json:"name,omitempty"`
	Start        string            `json:"start"`
	End          string            `json:"end,omitempty"`
	Rotation     string            `json:"rotationStart"` // from when turns are counted
	TurnSeconds  uint              `json:"turnSeconds"`
	Users        []string          `json:"users"` // ids, in order of their turns
	Restrictions []api.Restriction `json:"restrictions,omitempty"`
}

func scheduleOf(s api.Schedule) any {
	out := schedule{ID: s.ID, Name: s.Name, TimeZone: s.TimeZone, Description: s.Description, Layers: []layer{}}
	for _, l := range s.ScheduleLayers {
		one := layer{Name: l.Name, Start: l.Start, End: l.End, Rotation: l.RotationVirtualStart,
			TurnSeconds: l.RotationTurnLengthSeconds, Users: []string{}, Restrictions: l.Restrictions}
		for _, u := range l.Users {
			one.Users = append(one.Users, u.User.ID)
		}
		out.Layers = append(out.Layers, one)
	}
	return out
}

type incident struct {
	ID           string   `json:"id"`
	Number       uint     `json:"number"`
	Title        string   `json:"title"`
	Status       string   `json:"status"`
	Urgency      string   `json:"urgency,omitempty"`
	Priority     string   `json:"priority,omitempty"`
	Service      string   `json:"service"`
	Key          string   `json:"incidentKey,omitempty"`
	CreatedAt    string   `json:"createdAt"`
	ResolvedAt   string   `json:"resolvedAt,omitempty"`
	Acknowledged []string `json:"acknowledgedBy,omitempty"`
	Assigned     []string `json:"assignedTo,omitempty"`
	URL          string   `json:"url,omitempty"`
}

func incidentOf(i api.Incident) any {
	out := incident{
		ID: i.ID, Number: i.IncidentNumber, Title: i.Title, Status: i.Status, Urgency: i.Urgency, Service: i.Service.Summary,
		Key: i.IncidentKey, CreatedAt: i.CreatedAt, ResolvedAt: i.ResolvedAt, URL: i.HTMLURL,
	}
	if i.Priority != nil {
		out.Priority = i.Priority.Summary
	}
	for _, a := range i.Acknowledgements {
		out.Acknowledged = append(out.Acknowledged, a.Acknowledger.Summary)
	}
	for _, a := range i.Assignments {
		out.Assigned = append(out.Assigned, a.Assignee.Summary)
	}
	return out
}
