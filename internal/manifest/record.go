package manifest

import "time"

// Record is one definition as storage keeps it. A version is never changed; applying other text makes the next one.
type Record struct {
	Kind      string    `json:"kind"`
	Name      string    `json:"name"` // metadata.name; for Sloth files the service
	Version   int       `json:"version"`
	Text      string    `json:"text"` // the document's YAML
	AppliedAt time.Time `json:"appliedAt"`
	AppliedBy string    `json:"appliedBy"`
	Deleted   bool      `json:"deleted,omitempty"` // a version that removed the definition
}

// Outcome says what applying did, or would do, to one definition.
type Outcome struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Action  string `json:"action"` // "create", "update", "delete" or "unchanged"
	Version int    `json:"version"`
	Diff    string `json:"diff,omitempty"` // unified diff of the text, for diff only

	Notes []string `json:"notes,omitempty"` // what is legal and yet to be seen to
}
