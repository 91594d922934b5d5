package incidents

import "time"

// PostmortemFilter narrows a list of postmortems. The zero filter is all of them.
type PostmortemFilter struct {
	State    ReviewState
	Service  string
	Incident string // UUID or number
	Query    string // words to be found, as people type them into a search
	Limit    int    // 1 to 200; 0 means 50
	Before   int64  // only numbers below this one; not with Query
}

// PostmortemVersion is one save of a postmortem.
type PostmortemVersion struct {
	Version    int       `json:"version"`
	At         time.Time `json:"at"`
	Actor      string    `json:"actor"` // access.Principal.ID
	Name       string    `json:"name"`
	What       string    `json:"what" doc:"drafted, edited or refreshed."`
	Title      string    `json:"title"`
	Owner      string    `json:"owner"`
	NoneNeeded string    `json:"noneNeeded"`
	Sections   []Section `json:"sections"`
}

// PostmortemComment is what somebody said about a postmortem.
type PostmortemComment struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Section string    `json:"section" doc:"Key of the section it is about; empty for all of it."`
	Step    string    `json:"step" doc:"The move it tells of: submit, approve, close or return; empty for a comment."`
	Text    string    `json:"text"`
}
