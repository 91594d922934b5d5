package incidents

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nines-sre/nines/internal/fault"
)

// ReviewStep is what moves a postmortem from one state to another.
type ReviewStep string

// The steps.
const (
	StepSubmit  ReviewStep = "submit"  // draft to in review: it is whole
	StepApprove ReviewStep = "approve" // in review to reviewed, by somebody who has not written it
	StepClose   ReviewStep = "close"   // reviewed to closed: nothing of it changes any more
	StepReturn  ReviewStep = "return"  // back to draft, with a reason
)

var reviewMoves = map[ReviewStep]struct {
	from []ReviewState
	to   ReviewState
}{
	StepSubmit:  {[]ReviewState{ReviewDraft}, InReview},
	StepApprove: {[]ReviewState{InReview}, Reviewed},
	StepClose:   {[]ReviewState{Reviewed}, ReviewClosed},
	StepReturn:  {[]ReviewState{InReview, Reviewed, ReviewClosed}, ReviewDraft},
}

// ReviewMove is one step that somebody asks for.
type ReviewMove struct {
	Step   ReviewStep
	By     string   // e-mail of who asks
	Reason string   // why it goes back; may say something at other steps
	Wrote  []string // e-mails of all who have saved a version
	Items  int      // action items that were not dropped
}

// Move returns the postmortem after a step. A step that the state does not allow is a fault.Conflict; a review of one's
// own words is a fault.Forbidden; what is missing before a review is a fault.Invalid that names all of it.
func (p Postmortem) Move(m ReviewMove, now time.Time) (Postmortem, error) {
	move, known := reviewMoves[m.Step]
	if !known {
		return p, fault.New(fault.Invalid, "step: %q is none of submit, approve, close, return", m.Step)
	}
	if !slices.Contains(move.from, p.State) {
		return p, fault.New(fault.Conflict, "the postmortem is %s; to %s it, it has to be %s", p.State.Words(), m.Step, wordsOf(move.from))
	}
	reason := strings.TrimSpace(m.Reason)
	if utf8.RuneCountInString(reason) > MaxReviewReason {
		return p, fault.New(fault.Invalid, "reason: is longer than %d characters", MaxReviewReason)
	}
	switch m.Step {
	case StepReturn:
		if reason == "" {
			return p, fault.New(fault.Invalid, "reason: is missing; say what has to change before the next review")
		}
		p.ReviewedBy, p.ReviewedAt = "", nil
	case StepSubmit:
		if err := p.whole(m.Items); err != nil {
			return p, err
		}
	case StepApprove:
		if m.By == "" || m.By == p.Author || slices.Contains(m.Wrote, m.By) {
			return p, fault.New(fault.Forbidden, "you have written this postmortem; somebody else has to review it")
		}
		if err := p.whole(m.Items); err != nil {
			return p, err
		}
		p.ReviewedBy, p.ReviewedAt = m.By, &now
	}
	p.State, p.UpdatedAt = move.to, now
	return p, nil
}

// whole returns a fault.Invalid with everything that is missing before a review.
func (p Postmortem) whole(items int) error {
	err := fault.New(fault.Invalid, "the postmortem is not whole yet")
	for _, s := range p.Sections {
		if s.Required && !s.Filled() {
			err.Details = append(err.Details, fault.Detail{Where: "sections." + s.Key, Message: fmt.Sprintf("%q is empty; %s", s.Title, asked(s.Prompt))})
		}
	}
	if items == 0 && p.NoneNeeded == "" {
		err.Details = append(err.Details, fault.Detail{Where: "noneNeeded", Message: "there is no action item; add one, or say why none is needed"})
	}
	if len(err.Details) == 0 {
		return nil
	}
	var texts []string
	for _, d := range err.Details {
		texts = append(texts, d.Message)
	}
	err.Message += ": " + strings.Join(texts, "; ")
	return err
}

func asked(prompt string) string {
	if prompt == "" {
		return "write it"
	}
	return prompt
}

// Missing returns what keeps the postmortem from its review, one sentence each; items is the number of its action items
// that were not dropped.
func (p Postmortem) Missing(items int) []string {
	var found *fault.Error
	if err := p.whole(items); err != nil {
		public := fault.Public(err)
		found = &public
	}
	if found == nil {
		return nil
	}
	texts := make([]string, 0, len(found.Details))
	for _, d := range found.Details {
		texts = append(texts, d.Message)
	}
	return texts
}

// Words returns the state as people say it.
func (s ReviewState) Words() string {
	switch s {
	case InReview:
		return "in review"
	case ReviewDraft:
		return "a draft"
	}
	return string(s)
}

func wordsOf(states []ReviewState) string {
	words := make([]string, 0, len(states))
	for _, s := range states {
		words = append(words, s.Words())
	}
	return strings.Join(words, " or ")
}
