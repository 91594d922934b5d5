package incidents

import (
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// ReviewState is where a postmortem stands.
type ReviewState string

// The states of a postmortem, in their order.
const (
	ReviewDraft  ReviewState = "draft"
	InReview     ReviewState = "in_review"
	Reviewed     ReviewState = "reviewed"
	ReviewClosed ReviewState = "closed"
)

var reviewStates = []ReviewState{ReviewDraft, InReview, Reviewed, ReviewClosed}

// Valid reports whether s is one of the states.
func (s ReviewState) Valid() bool { return slices.Contains(reviewStates, s) }

// Bounds of what people write, in characters.
const (
	MaxPostmortemTitle = 300
	MaxSectionText     = 50_000
	MaxReviewReason    = 500
	MaxReviewComment   = 5_000

	MaxReviewedIncidents = 20 // of one postmortem
)

// Postmortem is the stored review of one or several incidents. Sections hold people's words, and beside them the figures
// that are filled from evidence; both live apart, so that figures can be refreshed without touching what people wrote.
type Postmortem struct {
	ID          string             `json:"id"`     // UUID
	Number      int64              `json:"number"` // counts up from 1, for people; unique in the installation
	Tenant      string             `json:"tenant"` // the tenant of all its incidents; "" for the operator's own
	Title       string             `json:"title"`
	State       ReviewState        `json:"state"`
	Incidents   []ReviewedIncident `json:"incidents"` // in order of their numbers
	Template    string             `json:"template"`  // as it was when the postmortem was drafted
	Sections    []Section          `json:"sections"`
	NoneNeeded  string             `json:"noneNeeded"` // why no action item is needed; "" where some are, or nobody has said
	Author      string             `json:"author"`     // e-mail of who drafted it
	Owner       string             `json:"owner"`      // e-mail of who sees it through
	Version     int                `json:"version"`    // raised by each save; 1 is the draft
	DueAt       *time.Time         `json:"dueAt"`      // the earliest of its incidents' duties; nil where none is required
	ReviewedBy  string             `json:"reviewedBy"`
	ReviewedAt  *time.Time         `json:"reviewedAt"`
	PublishedAt *time.Time         `json:"publishedAt"` // since when the tenant may read it; nil is not
	CreatedAt   time.Time          `json:"createdAt"`
	UpdatedAt   time.Time          `json:"updatedAt"`
}

// ReviewedIncident is one of the incidents that a postmortem is about.
type ReviewedIncident struct {
	ID       string   `json:"id"`
	Number   int64    `json:"number"`
	Tenant   string   `json:"tenant"`
	Title    string   `json:"title"`
	Service  string   `json:"service"`
	Severity Severity `json:"severity"`
}

// Section is one part of a postmortem.
type Section struct {
	Key       string     `json:"key"` // unique in the postmortem
	Title     string     `json:"title"`
	Prompt    string     `json:"prompt"`    // what people are asked to write
	Required  bool       `json:"required"`  // it must hold people's words before a review begins
	Evidence  Evidence   `json:"evidence"`  // which figures are filled in; "" for none
	Figures   string     `json:"figures"`   // Markdown, filled from evidence; never edited
	FiguresAt *time.Time `json:"figuresAt"` // when they were filled in
	Text      string     `json:"text"`      // Markdown, people's own
}

// Filled reports whether people have written something into the section.
func (s Section) Filled() bool { return strings.TrimSpace(s.Text) != "" }

// Section returns the section of that key, nil where there is none.
func (p *Postmortem) Section(key string) *Section {
	for i := range p.Sections {
		if p.Sections[i].Key == key {
			return &p.Sections[i]
		}
	}
	return nil
}

// Edit is what somebody wants a postmortem to be; what is nil stays as it is.
type Edit struct {
	Base       int               `json:"base"` // the version that was edited
	Title      *string           `json:"title,omitempty"`
	Owner      *string           `json:"owner,omitempty"`
	NoneNeeded *string           `json:"noneNeeded,omitempty"`
	Texts      map[string]string `json:"texts,omitempty"` // people's words by section key
}

// Apply returns the postmortem after the edit, with its version raised. A closed one is a fault.Conflict, an unknown
// section or a text out of bounds a fault.Invalid that names the field. Whether the edit was made from the version that
// is stored is for storage to find out, see Collide.
func (p Postmortem) Apply(e Edit, now time.Time) (Postmortem, error) {
	if p.State == ReviewClosed {
		return p, fault.New(fault.Conflict, "the postmortem is closed; send it back with a reason to change it")
	}
	p.Sections = slices.Clone(p.Sections)
	for key, text := range e.Texts {
		s := p.Section(key)
		if s == nil {
			return p, fault.New(fault.Invalid, "texts.%s: the postmortem has no such section; it has %s", key, strings.Join(p.keys(), ", "))
		}
		if s.Text = tidy(text); utf8.RuneCountInString(s.Text) > MaxSectionText {
			return p, fault.New(fault.Invalid, "texts.%s: is longer than %d characters", key, MaxSectionText)
		}
	}
	if e.Title != nil {
		p.Title = strings.Join(strings.Fields(*e.Title), " ")
	}
	if e.Owner != nil {
		p.Owner = strings.ToLower(strings.TrimSpace(*e.Owner))
	}
	if e.NoneNeeded != nil {
		p.NoneNeeded = strings.TrimSpace(*e.NoneNeeded)
	}
	p.Version, p.UpdatedAt = p.Version+1, now
	return p, p.Check()
}

// tidy writes line breaks in one way and cuts empty lines at the end, so that two saves of a form differ in words alone.
func tidy(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	return strings.TrimRight(text, " \t\n")
}

func (p Postmortem) keys() []string {
	keys := make([]string, 0, len(p.Sections))
	for _, s := range p.Sections {
		keys = append(keys, s.Key)
	}
	return keys
}

// Check returns a fault.Invalid that names the first field out of bounds.
func (p Postmortem) Check() error {
	if n := utf8.RuneCountInString(p.Title); n == 0 || n > MaxPostmortemTitle {
		return fault.New(fault.Invalid, "title: has %d characters; write 1 to %d", n, MaxPostmortemTitle)
	}
	if err := CheckOwner("owner", p.Owner); err != nil {
		return err
	}
	if utf8.RuneCountInString(p.NoneNeeded) > MaxReviewReason {
		return fault.New(fault.Invalid, "noneNeeded: is longer than %d characters", MaxReviewReason)
	}
	return nil
}

// CheckOwner returns a fault.Invalid unless the text is a plain e-mail address or "", which is nobody yet.
func CheckOwner(field, owner string) error {
	if owner == "" {
		return nil
	}
	if a, err := mail.ParseAddress(owner); err != nil || a.Address != owner || len(owner) > 254 {
		return fault.New(fault.Invalid, "%s: %q is not an e-mail address", field, owner)
	}
	return nil
}

// Collision is two editors' words for one section.
type Collision struct {
	Section string `json:"section"` // its key
	Theirs  string `json:"theirs"`  // as it is stored
	Yours   string `json:"yours"`   // as it was to be saved
}

// Collide compares an edit that was made from an earlier version with what is stored: edits of different sections merge,
// and what both have changed is returned. base is the version that the edit was made from.
func Collide(base, stored Postmortem, e Edit) []Collision {
	var found []Collision
	hit := func(key, was, is string, want *string) {
		if want != nil && is != was && *want != is && *want != was {
			found = append(found, Collision{key, is, *want})
		}
	}
	for _, s := range stored.Sections {
		was := base.Section(s.Key)
		if text, edited := e.Texts[s.Key]; edited && was != nil {
			text = tidy(text)
			hit(s.Key, was.Text, s.Text, &text)
		}
	}
	hit("title", base.Title, stored.Title, e.Title)
	hit("owner", base.Owner, stored.Owner, e.Owner)
	hit("noneNeeded", base.NoneNeeded, stored.NoneNeeded, e.NoneNeeded)
	return found
}

// Fresh leaves out of an edit what it takes over unchanged from the version it was made from, so that saving a whole form
// does not undo what somebody else has changed since.
func (e Edit) Fresh(base Postmortem) Edit {
	out := Edit{Base: e.Base, Texts: map[string]string{}}
	for key, text := range e.Texts {
		if was := base.Section(key); was == nil || was.Text != tidy(text) {
			out.Texts[key] = text
		}
	}
	keep := func(want *string, was string) *string {
		if want == nil || *want == was {
			return nil
		}
		return want
	}
	out.Title, out.Owner, out.NoneNeeded = keep(e.Title, base.Title), keep(e.Owner, base.Owner), keep(e.NoneNeeded, base.NoneNeeded)
	return out
}

// Lost returns the fault.Conflict of an edit that collides, with both texts of each place, so that nothing is lost.
func Lost(by string, version int, found []Collision) error {
	err := fault.New(fault.Conflict, "%s has saved version %d while you wrote; nothing of yours was stored. Join both texts and save again", by, version)
	for _, c := range found {
		err.Details = append(err.Details, fault.Detail{Where: c.Section + ".theirs", Message: c.Theirs},
			fault.Detail{Where: c.Section + ".yours", Message: c.Yours})
	}
	return err
}
